package bbolt_test

import (
	"context"
	"log"
	"time"

	"github.com/todoku/todoku/shared/journal"

	"github.com/todoku/todoku/shared/table/bbolt"
)

// What a child process has instead of a testing.T.

var (
	background = context.Background()
	tableDB    *journal.DB // the file that the child has open
)

func mustOpen(path string) *bbolt.Table {
	var err error
	tableDB, err = bbolt.Open(path)
	check(err)
	tbl, err := bbolt.New(tableDB, time.Now)
	check(err)
	return tbl
}

func check(err error) {
	if err != nil {
		log.Output(2, err.Error())
		log.Fatal("the child failed")
	}
}

func demand(ok bool, format string, args ...any) {
	if !ok {
		log.Fatalf(format, args...)
	}
}
