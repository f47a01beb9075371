package silence_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/silence"
)

func TestChance(t *testing.T) {
	tests := []struct {
		name  string
		table silence.Table
		psi   float64
		want  float64
	}{
		// (C(4,0)C(4,4) + C(4,1)C(4,3)) / C(8,4)
		{"the lady who tastes tea", silence.Table{Sent: 4, Answered: 1, OthersSent: 4, OthersAnswer: 3}, 1, 17.0 / 70},
		// weights 1, 16/2, 36/4, 16/8, 1/16 of x = 0 to 4
		{"half the odds", silence.Table{Sent: 4, Answered: 1, OthersSent: 4, OthersAnswer: 3}, 0.5, 9 / (1 + 8 + 9 + 2 + 0.0625)},
		{"nobody has answered", silence.Table{Sent: 50, OthersSent: 50}, 1, 1},
		{"everybody has answered", silence.Table{Sent: 50, Answered: 50, OthersSent: 50, OthersAnswer: 50}, 1, 1},
		{"nobody else", silence.Table{Sent: 50, Answered: 5}, 1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.table.Chance(tt.psi); math.Abs(got-tt.want) > 1e-9 {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSilent(t *testing.T) {
	slow := silence.Past{}
	for range 5 { // a lane with a third of the others' odds
		slow = slow.Add(silence.Table{Sent: 40, Answered: 13, OthersSent: 100, OthersAnswer: 60})
	}
	tests := []struct {
		name  string
		table silence.Table
		past  silence.Past
		want  bool
	}{
		{"docomo: 5 % answered, others 61 %", silence.Table{Sent: 60, Answered: 3, OthersSent: 240, OthersAnswer: 146}, silence.Past{}, true},
		{"none of five people", silence.Table{Sent: 5, OthersSent: 300, OthersAnswer: 280}, silence.Past{}, false},
		{"none of twenty, half of the others", silence.Table{Sent: 20, OthersSent: 60, OthersAnswer: 30}, silence.Past{}, true},
		{"none of twenty, too early to tell", silence.Table{Sent: 20, OthersSent: 60, OthersAnswer: 5}, silence.Past{}, false},
		{"half as many, in a large audience", silence.Table{Sent: 500, Answered: 125, OthersSent: 1500, OthersAnswer: 750}, silence.Past{}, false},
		{"none of twelve", silence.Table{Sent: 12, OthersSent: 60, OthersAnswer: 30}, silence.Past{}, true},
		{"none of twelve, in a lane that always answers late", silence.Table{Sent: 12, OthersSent: 60, OthersAnswer: 30}, slow, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.table.Silent(tt.past, 0.001); got != tt.want {
				t.Errorf("got %v, want %v; the chance of it is %v", got, tt.want, tt.table.Chance(tt.past.Odds()))
			}
		})
	}
}

func TestPast(t *testing.T) {
	var p silence.Past
	if p.Odds() != 1 {
		t.Errorf("who has no past has odds of %v", p.Odds())
	}
	alike := silence.Table{Sent: 40, Answered: 20, OthersSent: 100, OthersAnswer: 50}
	third := silence.Table{Sent: 40, Answered: 10, OthersSent: 100, OthersAnswer: 50} // odds 1/3 to 1
	for range 3 {
		p = p.Add(third)
	}
	if got := p.Odds(); math.Abs(got-1.0/3) > 1e-9 {
		t.Errorf("three alerts of a third: %v", got)
	}
	for range 20 {
		p = p.Add(alike)
	}
	if got := p.Odds(); got < 0.97 {
		t.Errorf("what was long ago still counts: %v", got)
	}
	for range 20 {
		p = p.Add(silence.Table{Sent: 40, OthersSent: 100, OthersAnswer: 50})
	}
	if got := p.Odds(); got < 0.25 {
		t.Errorf("a lane was taught to be silent: %v", got)
	}
}

func TestLooksShareAlpha(t *testing.T) {
	sum := 0.0
	for _, l := range silence.Looks {
		sum += l.Share
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("the looks take %v of alpha", sum)
	}
}

// began is when the mails of every test are accepted.
var began = time.Date(2026, 9, 1, 7, 0, 0, 0, time.UTC)

// counts is a school after some minutes, in which docomo is silent.
func counts(minute int64) []silence.Count {
	n := min(30, 2+4*minute)
	return []silence.Count{
		{Lane: "docomo", Made: 60, Sent: 60},
		{Lane: "google", Made: 60, Sent: 60, Answered: n},
		{Lane: "au", Made: 40, Sent: 40, Answered: n / 2},
		{Lane: "example.jp", Made: 3, Sent: 3},
	}
}

func TestWatch(t *testing.T) {
	var w silence.Watch
	var found []silence.Finding
	changes := 0
	for minute := range int64(40) {
		kept, err := json.Marshal(w) // as it is kept between the looks
		if err != nil {
			t.Fatal(err)
		}
		w = silence.Watch{}
		if err := json.Unmarshal(kept, &w); err != nil {
			t.Fatal(err)
		}
		if len(kept) > 1024 {
			t.Fatalf("%d bytes are kept", len(kept))
		}
		now, changed := w.Look(began.Add(time.Duration(minute)*time.Minute), counts(minute), nil)
		found = append(found, now...)
		if changed {
			changes++
		}
	}
	if len(found) != 1 || found[0].Lane != "docomo" {
		t.Fatalf("found %+v", found)
	}
	if after := found[0].At.Sub(began); after > 5*time.Minute {
		t.Errorf("found after %v", after)
	}
	if f := found[0]; f.Sent != 60 || f.OthersSent != 103 || f.OthersAnswer < 20 {
		t.Errorf("its figures: %+v", f.Table)
	}
	if !w.Done() {
		t.Error("after 40 minutes it is not over")
	}
	if changes != 1+len(silence.Looks) {
		t.Errorf("to be kept anew %d times", changes)
	}
	past := w.Pasts(counts(40), nil)
	if _, taught := past["docomo"]; taught {
		t.Error("a silent lane teaches that it is silent")
	}
	if _, taught := past["google"]; !taught {
		t.Error("google's past is not kept")
	}
}

// A lane whose mails leave late is not silent.
func TestWatchSlowLane(t *testing.T) {
	var w silence.Watch
	for minute := range int64(60) {
		c := counts(minute)
		c[0] = silence.Count{Lane: "docomo", Made: 60, Sent: min(60, 4*minute), Answered: max(0, min(30, minute-3))}
		if found, _ := w.Look(began.Add(time.Duration(minute)*time.Minute), c, nil); len(found) > 0 {
			t.Fatalf("minute %d: %+v", minute, found)
		}
	}
}

// A tick that was missed is not a silence.
func TestWatchGap(t *testing.T) {
	var w silence.Watch
	w.Look(began, counts(0), nil)
	found, _ := w.Look(began.Add(12*time.Minute), counts(12), nil)
	if len(found) != 1 || found[0].Lane != "docomo" {
		t.Errorf("found %+v", found)
	}
	if found, _ := w.Look(began.Add(15*time.Minute), counts(15), nil); len(found) != 0 {
		t.Error("what was found is found again")
	}
}
