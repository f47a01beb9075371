package alert_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/problem"
)

// waitingFamily is one of two children. The mother has contacts a (docomo) and b (google), the
// father c (docomo); the father answers for the second child only.
func waitingFamily(states map[string]alert.CopyState) *alert.Family {
	f := &alert.Family{ID: "f", Children: []alert.Child{{ID: "1", Guardians: []int{0}}, {ID: "2", Guardians: []int{0, 1}}}, Guardians: []alert.Guardian{{ID: "m"}, {ID: "v"}}}
	for _, c := range []alert.Copy{{Contact: "a", Lane: "docomo"}, {Contact: "b", Lane: "google"}, {Contact: "c", Guardian: 1, Lane: "docomo"}} {
		c.State = alert.Sent
		if s, ok := states[c.Contact]; ok {
			c.State = s
		}
		f.Copies = append(f.Copies, c)
	}
	return f
}

func reminded(f *alert.Family, round int) string {
	var to []string
	for _, c := range f.Copies {
		if c.Round == round {
			to = append(to, c.Contact)
		}
	}
	return strings.Join(to, " ")
}

func TestWaves(t *testing.T) {
	only := func(lane string) func(string) bool { return func(l string) bool { return l == lane } }
	answer := &alert.Answer{Choice: "safe"}
	tests := []struct {
		name        string
		states      map[string]alert.CopyState
		change      func(*alert.Family, *alert.Round)
		first, both string
	}{
		{"the other operator goes first", nil, nil, "b", "b a c"},
		{"the next round begins with the next operator", nil, func(_ *alert.Family, r *alert.Round) { r.Number = 2 }, "a c", "a c b"},
		{"a silent operator goes last", nil, func(_ *alert.Family, r *alert.Round) { r.Silent = only("google") }, "a c", "a c b"},
		{"one operator alone does not wait", map[string]alert.CopyState{"b": alert.Refused}, nil, "a c", "a c"},
		{"where all are silent nobody waits for ever", nil, func(_ *alert.Family, r *alert.Round) { r.Silent = func(string) bool { return true } }, "b", "b a c"},
		{"an earlier copy waits", map[string]alert.CopyState{"a": alert.Delayed, "b": alert.Queued}, nil, "c", "c"},
		{"a refused contact gets no more", map[string]alert.CopyState{"a": alert.Refused, "c": alert.Refused}, nil, "b", "b"},
		{"who answers for nobody else is spared", nil, func(f *alert.Family, _ *alert.Round) { f.Children[1].Answer = answer }, "b", "b a"},
		{"who answered is spared", nil, func(f *alert.Family, _ *alert.Round) { f.Children[0].Answer, f.Children[1].Answer = answer, answer }, "", ""},
		{"a new contact goes first", nil, func(_ *alert.Family, r *alert.Round) {
			r.Added = []alert.Copy{{Contact: "n", Lane: "docomo"}}
		}, "b n", "b n a c"},
		{"who wants no more gets no more", nil, func(_ *alert.Family, r *alert.Round) { r.Gone = map[string]bool{"b": true} }, "a c", "a c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, r := waitingFamily(tt.states), alert.Round{Number: 1}
			if tt.change != nil {
				tt.change(f, &r)
			}
			for range 2 { // a job that is cut off sees a family again
				f.AddRound(r)
			}
			if got := reminded(f, r.Number); got != tt.first {
				t.Errorf("first wave to %q, want %q", got, tt.first)
			}
			for i := range f.Copies {
				if f.Copies[i].State == alert.Queued && f.Copies[i].Round == r.Number {
					f.Copies[i].State = alert.Sent
				}
			}
			r.Rest = true
			f.AddRound(r)
			if got := reminded(f, r.Number); got != tt.both {
				t.Errorf("both waves to %q, want %q", got, tt.both)
			}
		})
	}
}

func TestReminderSchedule(t *testing.T) {
	start := time.Date(2026, 4, 6, 0, 0, 0, 0, time.UTC)
	a := alert.Alert{Starts: start, RemindAfter: 30 * time.Minute, RemindEvery: time.Hour, RemindTimes: 2}
	tests := []struct {
		after time.Duration
		round int
		rest  bool
		next  time.Duration
	}{
		{0, 0, false, 30 * time.Minute},
		{30*time.Minute - 1, 0, false, 30 * time.Minute},
		{30 * time.Minute, 1, false, 35 * time.Minute},
		{35 * time.Minute, 1, true, 90 * time.Minute},
		{90 * time.Minute, 2, false, 95 * time.Minute},
		{5 * time.Hour, 2, true, 0}, // after an outage only the last round
	}
	for _, tt := range tests {
		round, rest, next := a.Reminder(start.Add(tt.after))
		if wantNext := start.Add(tt.next); round != tt.round || rest != tt.rest || tt.next > 0 && !next.Equal(wantNext) || tt.next == 0 && !next.IsZero() {
			t.Errorf("after %v: round %d, rest %t, next %v", tt.after, round, rest, next)
		}
	}
	if n := (alert.Alert{RemindAfter: time.Minute}).Rounds(); n != 1 {
		t.Errorf("an alert of before rounds has %d of them", n)
	}
}

func TestRemindJobs(t *testing.T) {
	seen := map[alert.Job]bool{}
	for round := 1; round <= alert.MaxReminders; round++ {
		for _, rest := range []bool{false, true} {
			job := alert.RemindJob(round, rest)
			if n, r := job.Reminder(); n != round || r != rest || seen[job] {
				t.Errorf("%s is round %d, rest %t", job, n, r)
			}
			seen[job] = true
		}
	}
	for _, other := range []alert.Job{alert.FanOut, alert.Cancel, "remind-1", "remind-x", "remind-02", "missing-remind", ""} {
		if n, _ := other.Reminder(); n != 0 {
			t.Errorf("%q reminds", other)
		}
	}
}

func TestChases(t *testing.T) {
	s, _ := newStore(t)
	got, err := s.Chases(t.Context(), "s")
	if err != nil || got.Of(alert.Safety).After != 30 || got.Of(alert.Notice).After != 0 {
		t.Fatalf("usual settings: %+v, %v", got, err)
	}
	own := alert.Chases{Kinds: map[alert.Kind]alert.Chase{alert.Safety: {After: 10, Every: 20, Times: 5}}}
	if err := s.PutChases(t.Context(), "s", own); err != nil {
		t.Fatal(err)
	}
	if err := s.PutChases(t.Context(), "s", own); !problem.Is(err, problem.Conflict) {
		t.Errorf("over somebody else's change: %v", err)
	}
	got, err = s.Chases(t.Context(), "s")
	if diff := cmp.Diff(own.Kinds, got.Kinds); diff != "" || err != nil {
		t.Errorf("%s, %v", diff, err)
	}
	d := alert.Draft{Kind: alert.Safety, RemindAfter: time.Minute}
	got.Apply(&d)
	if d.RemindTimes != 5 || d.RemindEvery != 20*time.Minute || d.TellMissing {
		t.Errorf("applied: %+v", d)
	}
	got.Kinds[alert.Safety] = alert.Chase{After: -1, Every: 1, Times: 9}
	if l := problem.Of(s.PutChases(t.Context(), "s", got)); len(l) != 3 || l[0].Field != "after_safety" {
		t.Errorf("wrong settings: %v", l)
	}
}
