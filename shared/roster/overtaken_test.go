package roster

import (
	"errors"
	"testing"

	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/tabletest"
)

// TestOvertaken: who is always overtaken is busy at last.
func TestOvertaken(t *testing.T) {
	s := newStore(t)
	s.Table = &tabletest.Overtaken{Table: s.Table}
	if err := s.PutGroup(t.Context(), testSchool, Group{ID: "c1", Kind: Class, Name: "1年1組"}); !errors.Is(err, table.ErrBusy) {
		t.Error(err)
	}
}
