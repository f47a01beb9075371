package roster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// sheetOf makes a class list of n children with two addresses each, every third a
// sibling of the one before.
func sheetOf(n int) string {
	var b strings.Builder
	b.WriteString(head)
	for i := range n {
		f := i - (i%3)/2
		fmt.Fprintf(&b, "%d,%d,%d,S%05d,子 %05d,こ,母 %[6]d,母,090-0000-%04[7]d,m%[6]d@docomo.ne.jp,父 %[6]d,父,,f%[6]d@gmail.com\n",
			i%6+1, i/6%20+1, i%40+1, i, i, f, f%10000)
	}
	return b.String()
}

func TestCommitTenThousandRows(t *testing.T) {
	s := newStore(t)
	csv := sheetOf(10_000)
	p := plan(t, s, csv)
	if len(p.Errors) > 0 {
		t.Fatal(say(p.Errors)[:1])
	}
	last, calls := 0, 0
	err := p.Commit(t.Context(), func(done, total int) {
		if done < last || total != 10_000 {
			t.Errorf("progress goes from %d to %d of %d", last, done, total)
		}
		last, calls = done, calls+1
	})
	if err != nil {
		t.Fatal(err)
	}
	if last != 10_000 || calls < 6000 {
		t.Errorf("progress ended at %d after %d calls", last, calls)
	}
	if n := len(families(t, s)); n != 6667 {
		t.Errorf("%d families, want 6667", n)
	}
}

// blocked is a table in which somebody else is always faster.
type blocked struct{ table.Table }

func (blocked) Write(context.Context, string, ...table.Op) error {
	return &table.ConflictError{Ops: []int{0}}
}

func TestImportingTwiceWritesNothing(t *testing.T) {
	s, csv := newStore(t), sheetOf(300)
	load(t, s, csv)
	wantUnchanged(t, s, csv)
	p := plan(t, s, csv)
	p.groups = nil // that they exist is found by trying
	s.Table = blocked{s.Table}
	if err := p.Commit(t.Context(), nil); err != nil {
		t.Errorf("the second import wrote: %v", err)
	}
}

func BenchmarkImport(b *testing.B) {
	csv := sheetOf(10_000)
	for b.Loop() {
		b.StopTimer()
		s := newStore(b)
		b.StartTimer()
		start := time.Now()
		p := plan(b, s, csv)
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "plan-ms")
		if err := p.Commit(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(10_000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkPlanUnchanged(b *testing.B) {
	s, csv := newStore(b), sheetOf(10_000)
	load(b, s, csv)
	for b.Loop() {
		plan(b, s, csv)
	}
}

// An import that is stopped anywhere can be begun again, with the same plan or a
// new one.
func TestCommitAfterBeingStopped(t *testing.T) {
	for _, again := range []string{"same plan", "new plan"} {
		for _, at := range []int{0, 1, 50, 99} {
			t.Run(fmt.Sprint(again, " after ", at), func(t *testing.T) {
				s, csv := newStore(t), sheetOf(100)
				p := plan(t, s, csv)
				ctx, stop := context.WithCancel(t.Context())
				if at == 0 {
					stop()
				}
				err := p.Commit(ctx, func(done, _ int) {
					if done >= at {
						stop()
					}
				})
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("error is %v", err)
				}
				if again == "new plan" {
					p = plan(t, s, csv)
				}
				if err := p.Commit(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				wantUnchanged(t, s, csv)
				wantConsistent(t, s)
				if fs := families(t, s); len(fs) != 67 {
					t.Errorf("%d families, want 67", len(fs))
				}
			})
		}
	}
}

// Whoever changes a family between plan and commit loses nothing.
func TestCommitPlansAnewWhatOthersChanged(t *testing.T) {
	const before = "組,氏名,保護者,メール\n1-1,山,恵,a@example.jp\n1-2,川,学,b@example.jp\n"
	const after = "組,氏名,保護者,メール\n2-1,山,恵,a@example.jp\n1-2,川,学,b@example.jp\n"
	tests := map[string]struct {
		meanwhile func(t *testing.T, s *Store)
		want      ContactState // of a@
	}{
		"an address was verified": {func(t *testing.T, s *Store) { verify(t, s, "a@example.jp") }, Verified},
		"the family is gone": {func(t *testing.T, s *Store) {
			if err := s.DeleteFamily(t.Context(), testSchool, families(t, s)[0]); err != nil {
				t.Fatal(err)
			}
		}, Unverified},
		"a sibling came": {func(t *testing.T, s *Store) { load(t, s, "組,氏名,保護者,メール\n1-3,海,恵,a@example.jp\n") }, Unverified},
		"the family became another's": {func(t *testing.T, s *Store) {
			load(t, s, "組,氏名,保護者,メール\n1-2,川,恵,a@example.jp\n")
		}, Unverified},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			load(t, s, before)
			p := plan(t, s, after)
			tt.meanwhile(t, s)
			var last, total int
			if err := p.Commit(t.Context(), func(d, n int) { last, total = d, n }); err != nil {
				t.Fatal(err)
			}
			if last != total {
				t.Errorf("progress ended at %d of %d", last, total)
			}
			wantUnchanged(t, s, "組,氏名,保護者,メール\n2-1,山,恵,a@example.jp\n")
			wantConsistent(t, s)
			place, err := s.FindByAddress(t.Context(), testSchool, "a@example.jp")
			if err != nil {
				t.Fatal(err)
			}
			f, err := s.Family(t.Context(), testSchool, place.Family)
			if err != nil {
				t.Fatal(err)
			}
			g, _ := f.Guardian(place.Guardian)
			if got := g.Contacts[g.ContactAt("a@example.jp")].State; got != tt.want {
				t.Errorf("contact is %s, want %s", got, tt.want)
			}
		})
	}
}

// Two offices import at once.
func TestCommitsAtTheSameTime(t *testing.T) {
	s, csv := newStore(t), sheetOf(300)
	plans := []*Plan{plan(t, s, csv), plan(t, s, csv)}
	done := make(chan error)
	for _, p := range plans {
		go func() { done <- p.Commit(t.Context(), nil) }()
	}
	for range plans {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if fs := families(t, s); len(fs) != 200 {
		t.Errorf("%d families, want 200", len(fs))
	}
	wantUnchanged(t, s, csv)
	wantConsistent(t, s)
}

func TestCommitGivesUp(t *testing.T) {
	s := newStore(t)
	load(t, s, "組,氏名\n1-1,山\n")
	p := plan(t, s, "組,氏名,メール\n1-1,山,a@example.jp\n")
	p.groups = nil
	s.Table = blocked{s.Table}
	wantProblem(t, p.Commit(t.Context(), nil), problem.Busy, "import the file again")
}

func TestRejectedCSV(t *testing.T) {
	const csv = "備考,組,氏名,メール\r\n\"=HYPERLINK(\"\"x\"\")\",1-1,髙橋,bad\r\n良,1-1,川,b@example.jp\r\n,,海,\"c@example.jp、\nd@example.jp\"\r\n"
	for _, enc := range []Encoding{UTF8, UTF8BOM, UTF16, ShiftJIS} {
		t.Run(string(enc), func(t *testing.T) {
			s := newStore(t)
			p := plan(t, s, in(t, enc, csv))
			var out bytes.Buffer
			if err := p.RejectedCSV(&out); err != nil {
				t.Fatal(err)
			}
			bad, err := ReadSheet(&out, 0)
			if err != nil {
				t.Fatal(err)
			}
			if bad.Encoding != enc || len(bad.Rows) != 3 {
				t.Fatalf("encoding %s, %d rows", bad.Encoding, len(bad.Rows))
			}
			wantDiff(t, "headers", []string{"エラー", "備考", "組", "氏名", "メール"}, bad.Rows[0].Cells)
			wantDiff(t, "first row", []string{"'=HYPERLINK(\"x\")", "1-1", "髙橋", "bad"}, bad.Rows[1].Cells[1:])
			wantDiff(t, "second row", []string{"", "", "海", "c@example.jp、\nd@example.jp"}, bad.Rows[2].Cells[1:])
			for _, r := range bad.Rows[1:] {
				if r.Cells[0] == "" {
					t.Errorf("row %d says nothing of its fault", r.Number)
				}
			}
		})
	}
}

// The file of bad rows is corrected in parts and imported again, round after round.
func TestRejectedRowsComeBack(t *testing.T) {
	s := newStore(t)
	p := plan(t, s, "組,氏名,メール\n1-1,山,bad1\n1-1,川,bad2\n1-1,空,c@example.jp\n")
	for _, fix := range []string{"bad1", "bad2"} {
		var out strings.Builder
		if err := p.RejectedCSV(&out); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "エラー"); n != 1 {
			t.Fatalf("%d columns for errors in\n%s", n, out.String())
		}
		lines := strings.Split(out.String(), "\r\n")
		for i, line := range lines {
			lines[i] = strings.TrimSuffix(line, fix)
			if lines[i] != line {
				lines[i] += fix + "@example.jp"
			}
		}
		p = plan(t, s, strings.Join(lines, "\r\n"))
		if err := p.Commit(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.Errors) > 0 {
		t.Errorf("errors are left: %q", say(p.Errors))
	}
	wantDiff(t, "roster", "1-1 山 <bad1> /0\n1-1 川 <bad2> /1", show(families(t, s)))
}

// A character of a vendor's own has a place in the original encoding and maybe
// none in what we can write; the rows are worth more than the encoding.
func TestRejectedCSVFallsBackToUTF8(t *testing.T) {
	p := plan(t, newStore(t), "組,氏名,メール\n1-1,𠮷野,bad\n")
	p.Sheet.Encoding = ShiftJIS
	var out bytes.Buffer
	if err := p.RejectedCSV(&out); err != nil {
		t.Fatal(err)
	}
	if s, err := ReadSheet(&out, 0); err != nil || s.Encoding != UTF8BOM || s.Rows[1].Cells[2] != "𠮷野" {
		t.Errorf("sheet is %v, %v", s, err)
	}
}
