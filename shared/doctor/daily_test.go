package doctor

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
	"github.com/todoku/todoku/shared/table/tabletest"
)

func TestDaily(t *testing.T) {
	now := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	tab := bbolttest.Open(t, clock)
	looks, fails, told, disk := 0, error(nil), 0, uint64(1<<40)
	d := &Daily{
		Records: Records{Table: tab, Now: clock}, Log: slog.New(slog.DiscardHandler),
		Setup: func(context.Context) (Setup, error) {
			looks++
			return Setup{Now: clock, Backup: func() (time.Time, error) { return time.Time{}, nil }, Disk: room(disk, 1)}, fails
		},
		Tell: func(_ context.Context, news []Finding) error {
			told += len(news)
			return nil
		},
	}
	run := func(name string, after time.Duration, want int) {
		t.Helper()
		now = now.Add(after)
		err := d.Run(t.Context())
		if looks != want || (err != nil) != (fails != nil) {
			t.Fatalf("%s: %d looks, want %d; %v", name, looks, want, err)
		}
	}
	if _, ok, err := d.Last(t.Context()); ok || err != nil {
		t.Fatalf("a report before the first look, %v", err)
	}
	run("at the first tick", 0, 1)
	rep, ok, err := d.Last(t.Context())
	if !ok || err != nil || rep.Worst() != Warn || !rep.At.Equal(now) {
		t.Fatalf("%+v %v %v", rep, ok, err)
	}
	run("at the second tick", time.Minute, 1)
	if err := d.Ask(t.Context()); err != nil || told != 0 {
		t.Fatalf("told of %d failures, %v", told, err)
	}
	disk = 1
	if waits, err := d.Waits(t.Context()); !waits || err != nil {
		t.Fatalf("%v %v", waits, err)
	}
	run("when asked", time.Second, 2)
	if waits, err := d.Waits(t.Context()); waits || err != nil {
		t.Fatalf("%v %v", waits, err)
	}
	run("a day less a minute later", every-time.Minute, 2)
	fails = errors.New("the store is busy")
	run("a day later, in vain", time.Minute, 3)
	fails = nil
	run("while somebody may be at it", stuck-time.Second, 3)
	run("when nobody is any more", time.Second, 4)
	if told != 1 {
		t.Errorf("told of %d failures: one is there, and is news once", told)
	}
	short, cancel := context.WithTimeout(t.Context(), Timeout)
	defer cancel()
	now = now.Add(every)
	if err := d.Run(short); err != nil || looks != 4 {
		t.Errorf("%d looks with too little time, %v", looks, err)
	}
}

// TestOvertaken: who is always overtaken is busy at last.
func TestOvertaken(t *testing.T) {
	r := Records{Table: &tabletest.Overtaken{Table: bbolttest.Open(t, time.Now)}, Now: time.Now}
	if err := r.Ask(t.Context()); !errors.Is(err, table.ErrBusy) {
		t.Error(err)
	}
}

// TestVersion: what was deployed anew is examined at once, and once.
func TestVersion(t *testing.T) {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name          string
		of, version   string
		sinceDone     time.Duration
		wants, asking bool
	}{
		{"another version", "a", "b", time.Minute, true, false},
		{"the same", "a", "a", time.Minute, false, false},
		{"not known", "a", "", time.Minute, false, false},
		{"the same, a day later", "a", "a", every, true, false},
		{"the same, and somebody asks", "a", "a", time.Minute, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := state{Begun: at, Done: at, Of: tt.of}
			if tt.asking {
				s.Asked = at.Add(time.Second)
			}
			if got := s.due(at.Add(tt.sinceDone), tt.version); got != tt.wants {
				t.Errorf("due: %v", got)
			}
		})
	}
}

// TestNoSchool: without a school it is said that no domain was looked at; with one it is
// looked at once more, and what was found before is news.
func TestNoSchool(t *testing.T) {
	now := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	var schools []roster.School
	var told []string
	d := &Daily{
		Records: Records{Table: bbolttest.Open(t, clock), Now: clock}, Log: slog.New(slog.DiscardHandler),
		Version: func(context.Context) (string, error) { return "v " + strings.Join(Domains(schools), " "), nil },
		Setup: func(context.Context) (Setup, error) {
			none := func(context.Context) ([]Finding, []Fact) { return NoSchool(schools), nil }
			return Setup{Now: clock, Disk: room(1, 1), More: []func(context.Context) ([]Finding, []Fact){none}}, nil
		},
		Tell: func(_ context.Context, news []Finding) error {
			for _, f := range news {
				told = append(told, f.ID)
			}
			return nil
		},
	}
	for _, tt := range []struct {
		name  string
		mails []string
		found []string
		told  int
	}{
		{"none", nil, []string{"disk-full", "no-school"}, 1},
		{"still none", nil, []string{"disk-full", "no-school"}, 1},
		{"the first", []string{"anzen@a.example.jp"}, []string{"disk-full"}, 2},
		{"one more of the domain", []string{"anzen@a.example.jp", "info@A.example.jp"}, []string{"disk-full"}, 2},
	} {
		schools = nil
		for _, m := range tt.mails {
			schools = append(schools, roster.School{Mail: m})
		}
		now = now.Add(time.Minute)
		if err := d.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		rep, _, err := d.Last(t.Context())
		var found []string
		for _, f := range rep.Findings {
			found = append(found, f.ID)
		}
		if err != nil || !slices.Equal(found, tt.found) || len(told) != tt.told {
			t.Errorf("%s: found %v, told %v, %v", tt.name, found, told, err)
		}
	}
}
