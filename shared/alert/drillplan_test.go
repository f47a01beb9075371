package alert_test

import (
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/problem"
)

func TestParseDay(t *testing.T) {
	for typed, want := range map[string]string{"9/1": "9/1", "９月１日": "9/1", "09-01": "9/1", " 1 / 17 ": "", "1/17": "1/17", "2/29": "", "13/1": "", "4/31": "", "": "", "0/1": ""} {
		got := ""
		if d, ok := alert.ParseDay(typed); ok {
			got = d.String()
		}
		if got != want {
			t.Errorf("%q is %q, want %q", typed, got, want)
		}
	}
}

func TestDrillsDue(t *testing.T) {
	jst := time.FixedZone("JST", 9*60*60)
	at := func(month time.Month, day, hour int) time.Time {
		return time.Date(2026, month, day, hour, 0, 0, 0, jst)
	}
	tests := []struct {
		name string
		now  time.Time
		told map[string]string
		want string
	}{
		{"long before", at(8, 1, 9), nil, ""},
		{"two weeks before, at night", at(8, 18, 3), nil, ""},
		{"two weeks before", at(8, 18, 8), nil, "2026-09-01-ahead"},
		{"a day before", at(8, 31, 8), nil, "2026-09-01-ahead"},
		{"told already", at(8, 19, 8), map[string]string{"9/1": "2026-09-01-ahead"}, ""},
		{"on the day", at(9, 1, 8), map[string]string{"9/1": "2026-09-01-ahead"}, "2026-09-01"},
		{"told on the day", at(9, 1, 12), map[string]string{"9/1": "2026-09-01"}, ""},
		{"the day after", at(9, 2, 8), map[string]string{"9/1": "2026-09-01"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			for _, d := range (alert.DrillPlan{Days: []alert.Day{{Month: 9, Day: 1}}, Told: tt.told}).Due(tt.now) {
				got += d.Name
			}
			if got != tt.want {
				t.Errorf("due %q, want %q", got, tt.want)
			}
		})
	}
	if next := (alert.Day{Month: 1, Day: 17}).Next(at(9, 1, 8)); next.Format("2006-01-02") != "2027-01-17" {
		t.Errorf("next year's is on %v", next)
	}
}

// A drill stays a drill, whatever is made of it.
func TestSameWorld(t *testing.T) {
	s, c := newStore(t)
	send := func(kind alert.Kind, supersedes string) (alert.Alert, error) {
		a, _, err := s.Accept(t.Context(), alert.Draft{
			School: "s", Kind: kind, Subject: "確認", Body: "回答してください。", All: true, Supersedes: supersedes, UsefulUntil: c.now.Add(time.Hour),
		}, "")
		return a, err
	}
	drill, err := send(alert.Drill, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []alert.Kind{alert.Safety, alert.Notice} {
		if _, err := send(kind, drill.ID); !problem.Is(err, problem.Conflict) {
			t.Errorf("a %s in place of a drill: %v", kind, err)
		}
	}
	real, err := send(alert.Safety, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := send(alert.Drill, real.ID); !problem.Is(err, problem.Conflict) {
		t.Errorf("a drill in place of a real alert: %v", err)
	}
	if _, err := send(alert.Drill, drill.ID); err != nil {
		t.Errorf("a drill in place of a drill: %v", err)
	}
	_, _, err = s.Accept(t.Context(), alert.Draft{School: "s", Kind: alert.Drill, Subject: "訓練", Body: "訓練です。", All: true, UsefulUntil: c.now.Add(25 * time.Hour)}, "")
	if !problem.Is(err, problem.Invalid) && len(problem.Of(err)) == 0 {
		t.Errorf("a drill of more than a day: %v", err)
	}
}
