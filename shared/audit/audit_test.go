package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// book is a log with a clock, and its table.
type book struct {
	*Log
	t   *testing.T
	tab table.Table
	mu  sync.Mutex
	now time.Time
}

func newBook(t *testing.T) *book {
	t.Helper()
	b := &book{t: t, now: time.Date(2026, 4, 6, 3, 0, 0, 0, time.UTC)}
	clock := func() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.now }
	b.tab = bbolttest.Open(t, clock)
	b.Log = &Log{Table: b.tab, Now: clock}
	return b
}

func (b *book) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *book) pass(d time.Duration) { b.mu.Lock(); defer b.mu.Unlock(); b.now = b.now.Add(d) }

func (b *book) add(who, via, what string) Entry {
	b.t.Helper()
	e, err := b.Add(b.t.Context(), Entry{School: "s1", Kind: Send, Staff: who, Name: "山田 花子", Role: "manager", Via: via, What: what, Said: "全校"})
	b.must(err)
	return e
}

func (b *book) faults() []string {
	b.t.Helper()
	r, err := b.Verify(b.t.Context(), "s1")
	b.must(err)
	var out []string
	for _, f := range r.Faults {
		out = append(out, f.Text().EN)
	}
	return out
}

// TestChainsHold writes from many sessions at once, over three days.
func TestChainsHold(t *testing.T) {
	b := newBook(t)
	const sessions, each, days = 12, 5, 3
	for range days {
		var wg sync.WaitGroup
		for s := range sessions {
			wg.Go(func() {
				for i := range each {
					_, err := b.Add(t.Context(), Entry{School: "s1", Kind: View, Via: fmt.Sprint("session", s), What: fmt.Sprint(i)})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		b.pass(24 * time.Hour)
		b.must(b.SealDays(t.Context(), "s1"))
		b.must(b.SealDays(t.Context(), "s1"))
	}
	r, err := b.Verify(t.Context(), "s1")
	b.must(err)
	if len(r.Faults) > 0 || r.Entries != sessions*each*days || r.Days != days {
		t.Errorf("%d entries of %d days, faults %v", r.Entries, r.Days, r.Faults)
	}
	day, err := b.Day(t.Context(), "s1", "2026-04-07")
	b.must(err)
	if len(day) != sessions*each {
		t.Errorf("%d entries on the second day", len(day))
	}
	if other, err := b.Day(t.Context(), "s2", "2026-04-07"); err != nil || len(other) > 0 {
		t.Errorf("another school reads %d entries, %v", len(other), err)
	}
}

// tamper changes the stored entry e behind the log's back.
func (b *book) tamper(e Entry, change func(*Entry)) {
	b.t.Helper()
	key := entryKey(e.School, e.Day, e.Strand, e.Seq)
	item, err := b.tab.Get(b.t.Context(), key)
	b.must(err)
	b.must(b.tab.Write(b.t.Context(), "", table.Delete{Key: key, Revision: item.Revision}))
	if change == nil {
		return
	}
	change(&e)
	b.must(b.tab.Write(b.t.Context(), "", table.Create{Key: key, Value: table.Encode(e)}))
}

// TestTampering does what somebody with the database could, on a sealed day and on
// the open one.
func TestTampering(t *testing.T) {
	tests := []struct {
		name string
		do   func(b *book, first, middle, last Entry)
		want string
		open bool // it shows before the day is sealed, too
	}{
		{"words changed", func(b *book, _, m, _ Entry) { b.tamper(m, func(e *Entry) { e.Said = "1年1組" }) }, "was changed", true},
		{"changed with its hash", func(b *book, _, m, _ Entry) {
			b.tamper(m, func(e *Entry) { e.Said = "1年1組"; e.Hash = e.sum() })
		}, "does not follow", true},
		{"the whole chain rewritten", func(b *book, _, m, l Entry) {
			m2 := m
			b.tamper(m, func(e *Entry) { e.Said = "1年1組"; e.Hash = e.sum(); m2 = *e })
			b.tamper(l, func(e *Entry) { e.Prev = m2.Hash; e.Hash = e.sum() })
		}, "sealed at", false},
		{"one removed", func(b *book, _, m, _ Entry) { b.tamper(m, nil) }, "is gone", true},
		{"the first removed", func(b *book, f, _, _ Entry) { b.tamper(f, nil) }, "is gone", true},
		{"the last removed", func(b *book, _, _, l Entry) { b.tamper(l, nil) }, "sealed at", false},
		{"all removed", func(b *book, f, m, l Entry) { b.tamper(f, nil); b.tamper(m, nil); b.tamper(l, nil) }, "sealed at", false},
		{"replaced in its place", func(b *book, _, m, _ Entry) {
			key := entryKey(m.School, m.Day, m.Strand, m.Seq)
			b.must(b.tab.Write(b.t.Context(), "", table.Replace{Key: key, Revision: 1, Value: table.Encode(m)}))
		}, "changed or moved", true},
		{"no entry any more", func(b *book, _, m, _ Entry) {
			key := entryKey(m.School, m.Day, m.Strand, m.Seq)
			b.must(b.tab.Write(b.t.Context(), "", table.Replace{Key: key, Revision: 1, Value: []byte("{")}))
		}, "cannot be read", true},
		{"the seal removed", func(b *book, f, _, _ Entry) {
			b.must(b.tab.Write(b.t.Context(), "", table.Delete{Key: sealKey("s1", f.Day), Revision: 1}))
		}, "does not follow", false},
		{"the seal changed", func(b *book, f, _, _ Entry) {
			key := sealKey("s1", f.Day)
			b.must(b.tab.Write(b.t.Context(), "", table.Delete{Key: key, Revision: 1}, table.Create{Key: table.Key{Partition: key.Partition, Sort: key.Sort + " "}, Value: table.Encode(Seal{School: "s1", Day: f.Day})}))
		}, "seal was changed", false},
	}
	for _, tt := range tests {
		for _, sealed := range []bool{true, false} {
			if !sealed && !tt.open {
				continue // it shows once the day is sealed
			}
			t.Run(fmt.Sprintf("%s, sealed %v", tt.name, sealed), func(t *testing.T) {
				b := newBook(t)
				b.pass(-24 * time.Hour)
				b.add("before", "x", "y")
				b.pass(24 * time.Hour)
				b.must(b.SealDays(t.Context(), "s1"))
				first, middle, last := b.add("me", "session", "a1"), b.add("me", "session", "a2"), b.add("me", "session", "a3")
				if sealed {
					b.pass(48 * time.Hour)
					b.must(b.SealDays(t.Context(), "s1"))
				}
				if f := b.faults(); len(f) > 0 {
					t.Fatalf("before: %v", f)
				}
				tt.do(b, first, middle, last)
				if f := strings.Join(b.faults(), "; "); !strings.Contains(f, tt.want) {
					t.Errorf("faults %q, want %q", f, tt.want)
				}
			})
		}
	}
}

func TestOnce(t *testing.T) {
	b := newBook(t)
	look := func(via, what string) {
		b.must(b.Once(t.Context(), Entry{School: "s1", Kind: View, Via: via, What: what}, time.Hour))
	}
	for range 3 {
		look("a", "class 1")
		look("a", "class 2")
		look("b", "class 1")
	}
	b.pass(time.Hour)
	look("a", "class 1")
	day, err := b.Day(t.Context(), "s1", "2026-04-06")
	b.must(err)
	if len(day) != 4 {
		t.Errorf("%d entries, want 4", len(day))
	}
}

func TestKept(t *testing.T) {
	b := newBook(t)
	b.add("me", "session", "a1")
	b.pass(Keep - time.Second)
	if day, err := b.Day(t.Context(), "s1", "2026-04-06"); err != nil || len(day) != 1 {
		t.Errorf("just before its end: %d entries, %v", len(day), err)
	}
	b.pass(time.Second)
	if day, err := b.Day(t.Context(), "s1", "2026-04-06"); err != nil || len(day) != 0 {
		t.Errorf("at its end: %d entries, %v", len(day), err)
	}
}

// full is a table in which every place is always taken.
type full struct{ table.Table }

func (full) Write(context.Context, string, ...table.Op) error {
	return &table.ConflictError{Ops: []int{0}}
}

func TestNoPlace(t *testing.T) {
	b := newBook(t)
	b.Table = full{b.tab}
	if _, err := b.Add(t.Context(), Entry{School: "s1"}); !errors.Is(err, table.ErrBusy) {
		t.Errorf("failed with %v", err)
	}
}

// TestHashesLast holds the hash of an entry of this version: what is written today
// must be verifiable by the program of next year.
func TestHashesLast(t *testing.T) {
	var e Entry
	const stored = `{"school":"s1","day":"2026-04-06","strand":3,"seq":1,"at":"2026-04-06T03:00:00.5Z","kind":"send","staff":"me","name":"山田 花子","role":"manager","via":"v","what":"a1","said":"全校","hash":"4d0"}`
	if err := json.Unmarshal([]byte(stored), &e); err != nil {
		t.Fatal(err)
	}
	const want = "92dde9a4014471fb46c02c6d1f24b3a2fd694fa87df0f76b3344e50a267c4ce7"
	if got := e.sum(); got != want {
		t.Errorf("the hash is %s, was %s", got, want)
	}
}
