package bbolt_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/todoku/todoku/shared/journal"

	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt"
)

// The benchmarks work on the copies of one large alert, written as they come out of
// fan-out: workers take ten neighbours at a time and count them.
const (
	benchCopies  = 100_000
	benchWorkers = 40
	benchTen     = 10
)

var benchValue = []byte(strings.Repeat("v", 200))

func benchKey(i int) table.Key {
	return table.Key{Partition: "alert/01JZZZZZZZZZZZZZZZZZZZZZZZ", Sort: fmt.Sprintf("copy/%08d", i)}
}

func benchTable(b *testing.B, copies int) *bbolt.Table {
	b.Helper()
	tbl := open(b, filepath.Join(b.TempDir(), "todoku.db"), time.Now)
	fill(b, tbl, copies)
	b.ResetTimer()
	return tbl
}

func fill(b *testing.B, tbl *bbolt.Table, copies int) {
	b.Helper()
	for i := 0; i < copies; i += table.MaxOps {
		ops := make([]table.Op, table.MaxOps)
		for j := range ops {
			ops[j] = table.Create{Key: benchKey(i + j), Value: benchValue}
		}
		if err := tbl.Write(b.Context(), "", ops...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWrite is a lone writer: what it waits for is the disk.
func BenchmarkWrite(b *testing.B) {
	tbl := benchTable(b, 0)
	for i := 0; b.Loop(); i++ {
		if err := tbl.Write(b.Context(), "", table.Create{Key: benchKey(i), Value: benchValue}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCrowd is dispatch at full load: 40 workers, each replacing ten copies and
// adding to a counter in one write, after a read.
func BenchmarkCrowd(b *testing.B) {
	crowd(b, benchTable(b, benchCopies))
}

func crowd(b *testing.B, tbl *bbolt.Table) {
	revisions := make([]int64, benchCopies/benchTen)
	var next atomic.Int64
	var all sync.WaitGroup
	for w := range benchWorkers {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				if err := replaceTen(b, tbl, w, int(i)%len(revisions), revisions); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N*benchTen)/b.Elapsed().Seconds(), "items/s")
}

func replaceTen(b *testing.B, tbl *bbolt.Table, worker, ten int, revisions []int64) error {
	first := ten * benchTen
	if _, err := tbl.Get(b.Context(), benchKey(first)); err != nil {
		return err
	}
	revisions[ten]++
	ops := make([]table.Op, 0, benchTen+1)
	for i := range benchTen {
		ops = append(ops, table.Replace{Key: benchKey(first + i), Revision: revisions[ten], Value: benchValue})
	}
	tally := table.Key{Partition: "tally", Sort: fmt.Sprint(worker % 8)}
	ops = append(ops, table.Add{Key: tally, Deltas: map[string]int64{"sent": benchTen, "lane/docomo": benchTen}})
	return tbl.Write(b.Context(), "", ops...)
}

func BenchmarkGet(b *testing.B) {
	tbl := benchTable(b, benchCopies)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i += 7919 {
			if _, err := tbl.Get(b.Context(), benchKey(i%benchCopies)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkQueryPage reads 100 items from somewhere in the partition.
func BenchmarkQueryPage(b *testing.B) {
	const limit = 100
	tbl := benchTable(b, benchCopies)
	for i := 0; b.Loop(); i += 7919 {
		k := benchKey(i % (benchCopies - limit - 1))
		page, err := tbl.Query(b.Context(), table.Query{Partition: k.Partition, Prefix: "copy/", After: k.Sort, Limit: limit})
		if err != nil || len(page.Items) != limit {
			b.Fatal(len(page.Items), err)
		}
	}
}

// BenchmarkSweep removes a full step of expired items.
func BenchmarkSweep(b *testing.B) {
	tbl := benchTable(b, 0)
	for range b.N {
		b.StopTimer()
		for i := 0; i < bbolt.MaxSweep; i += table.MaxOps {
			ops := make([]table.Op, table.MaxOps)
			for j := range ops {
				ops[j] = table.Create{Key: benchKey(i + j), Value: benchValue, Expires: time.Unix(1, 0)}
			}
			if err := tbl.Write(b.Context(), "", ops...); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		if end, err := tbl.Sweep(b.Context()); !end || err != nil {
			b.Fatal(end, err)
		}
	}
}

// BenchmarkOpen opens a file of 100,000 items; its free pages are found again by
// reading the branches.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "todoku.db")
	db, err := bbolt.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	tbl, err := bbolt.New(db, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	fill(b, tbl, benchCopies)
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		db, err := bbolt.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		db.Close()
	}
}

// BenchmarkOptions is BenchmarkCrowd with other options of the file than Open's, in a
// file of which much was deleted: bbolt's default writes the list of free pages
// with each commit.
func BenchmarkOptions(b *testing.B) {
	for _, test := range []struct {
		name    string
		options bolt.Options
	}{
		{"array, written", bolt.Options{}},
		{"map, written", bolt.Options{FreelistType: bolt.FreelistMapType}},
		{"array, not written", bolt.Options{NoFreelistSync: true}},
		{"map, not written", bolt.Options{FreelistType: bolt.FreelistMapType, NoFreelistSync: true}},
	} {
		b.Run(test.name, func(b *testing.B) {
			test.options.InitialMmapSize = 1 << 30
			db, err := journal.Open(filepath.Join(b.TempDir(), "todoku.db"), &test.options)
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			tbl, err := bbolt.New(db, time.Now)
			if err != nil {
				b.Fatal(err)
			}
			fill(b, tbl, 5*benchCopies)
			thin(b, tbl)
			b.ResetTimer()
			crowd(b, tbl)
		})
	}
}

// thin deletes what fill wrote beyond benchCopies.
func thin(b *testing.B, tbl *bbolt.Table) {
	b.Helper()
	for i := benchCopies; i < 5*benchCopies; i += table.MaxOps {
		ops := make([]table.Op, table.MaxOps)
		for j := range ops {
			ops[j] = table.Delete{Key: benchKey(i + j), Revision: 1}
		}
		if err := tbl.Write(b.Context(), "", ops...); err != nil {
			b.Fatal(err)
		}
	}
}
