package alert_test

import (
	"errors"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table/tabletest"
)

func TestGlass(t *testing.T) {
	other := alert.Sender{ID: "other", Name: "同僚"}
	for _, tt := range []struct {
		name     string
		second   bool
		wait     time.Duration
		by       alert.Sender
		state    alert.State // before
		approved bool
	}{
		{"by another at once", false, 0, other, alert.StateWaiting, true},
		{"by another in the last second", false, alert.GlassWait - time.Second, other, alert.StateWaiting, true},
		{"after the countdown", false, alert.GlassWait, other, alert.StateOpen, false},
		{"by oneself", false, 0, alert.Sender{ID: "staff"}, alert.StateWaiting, false},
		{"in the last second of waiting", true, alert.GlassLife - time.Second, other, alert.StateWaiting, true},
		{"after it lapsed", true, alert.GlassLife, other, alert.StateWaiting, false},
		{"when it is over", true, 7 * time.Hour, other, alert.StateWaiting, false}, // the tick undoes it
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c := newStore(t)
			d := draft(c)
			d.Undo, d.Glass = alert.GlassWait, &alert.Glass{Second: tt.second}
			a := accept(t, s, d, "key")
			c.Advance(tt.wait)
			if got := a.State(c.now); got != tt.state {
				t.Errorf("state %s", got)
			}
			if lapsed := a.Lapsed(c.now); lapsed != (tt.second && !tt.approved) {
				t.Errorf("lapsed %v", lapsed)
			}
			b, err := s.Approve(t.Context(), a.ID, tt.by)
			if !tt.approved {
				if !problem.Is(err, problem.Conflict) {
					t.Errorf("approved: %v", err)
				}
				return
			}
			if err != nil || b.State(c.now) != alert.StateOpen || b.Glass.By != tt.by {
				t.Errorf("%+v, %v", b, err)
			}
			if _, err := s.Approve(t.Context(), a.ID, other); err != nil {
				t.Errorf("twice: %v", err)
			}
			if _, err := s.Undo(t.Context(), a.ID); !problem.Is(err, problem.Conflict) {
				t.Errorf("undone although it is out: %v", err)
			}
		})
	}
}

func TestGlassUndone(t *testing.T) {
	s, c := newStore(t)
	d := draft(c)
	d.Glass = &alert.Glass{Second: true}
	a := accept(t, s, d, "")
	if _, err := s.Undo(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Approve(t.Context(), a.ID, alert.Sender{ID: "other"}); !problem.Is(err, problem.Conflict) {
		t.Errorf("approved after it was undone: %v", err)
	}
	plain := accept(t, s, draft(c), "")
	if _, err := s.Approve(t.Context(), plain.ID, alert.Sender{ID: "other"}); !errors.Is(err, alert.ErrNotFound) {
		t.Errorf("an alert without glass: %v", err)
	}
}

// TestGlassShort has an alert wait for a second person that is useful for less time than
// such an alert may wait.
func TestGlassShort(t *testing.T) {
	s, c := newStore(t)
	d := draft(c)
	d.UsefulUntil, d.Glass = c.now.Add(alert.GlassLife/2), &alert.Glass{Second: true}
	a := accept(t, s, d, "")
	c.Advance(alert.GlassLife / 2)
	if !a.Lapsed(c.now) {
		t.Error("it waits although it is of no use any more")
	}
	if a, err := s.Undo(t.Context(), a.ID); err != nil || a.State(c.now) != alert.StateUndone {
		t.Errorf("state %s, %v", a.State(c.now), err)
	}
}

// TestGlassMeanwhile lets an alert go at the moment when its sender undoes it.
func TestGlassMeanwhile(t *testing.T) {
	s, c := newStore(t)
	d := draft(c)
	d.Glass = &alert.Glass{Second: true}
	a := accept(t, s, d, "")
	sender := *s
	sender.Table = &tabletest.Before{Table: s.Table, Do: func() {
		if _, err := s.Approve(t.Context(), a.ID, alert.Sender{ID: "other"}); err != nil {
			t.Fatal(err)
		}
	}}
	if _, err := sender.Undo(t.Context(), a.ID); !problem.Is(err, problem.Conflict) {
		t.Errorf("undone although another was told that it goes out: %v", err)
	}
}
