package staff

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/table"
)

func TestSessionEnds(t *testing.T) {
	const often = SessionIdle - time.Minute
	tests := []struct {
		name  string
		pause time.Duration // between two uses
		uses  int
		ok    bool // for the last use
	}{
		{"used within the idle time", often, 3, true},
		{"idle", SessionIdle, 1, false},
		{"in use until just before its life ends", often, int((SessionLife - 1) / often), true},
		{"in use beyond its life", often, int(SessionLife/often) + 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, c, m := newStore(t)
			secret := signInAs(t, s, m)
			var err error
			for range tt.uses {
				c.pass(tt.pause)
				_, err = s.BySession(t.Context(), secret)
			}
			if tt.ok && err != nil || !tt.ok && !errors.Is(err, ErrSession) {
				t.Errorf("the last use: %v, want ok %v", err, tt.ok)
			}
		})
	}
}

type counting struct {
	table.Table
	writes int
}

func (c *counting) Write(ctx context.Context, token string, ops ...table.Op) error {
	c.writes++
	return c.Table.Write(ctx, token, ops...)
}

func TestUseIsWrittenSeldom(t *testing.T) {
	s, c, m := newStore(t)
	secret := signInAs(t, s, m)
	_, token, err := s.NewToken(t.Context(), m.ID, "attendance", 0)
	if err != nil {
		t.Fatal(err)
	}
	counter := &counting{Table: s.Table}
	s.Table = counter
	for range 120 { // two minutes of a page that updates itself every second
		c.pass(time.Second)
		if _, err := s.BySession(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ByToken(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if want := 2 + 1; counter.writes != want {
		t.Errorf("%d writes, want %d", counter.writes, want)
	}
}

func TestManyRequestsOfOneSession(t *testing.T) {
	s, c, m := newStore(t)
	secret := signInAs(t, s, m)
	c.pass(time.Hour)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.BySession(t.Context(), secret); err != nil {
				t.Errorf("one of several at once: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestSignOut(t *testing.T) {
	s, _, m := newStore(t)
	mine, other := signInAs(t, s, m), signInAs(t, s, m)
	for range 2 {
		if err := s.SignOut(t.Context(), mine); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.BySession(t.Context(), mine); !errors.Is(err, ErrSession) {
		t.Errorf("after signing out: %v", err)
	}
	if _, err := s.BySession(t.Context(), other); err != nil {
		t.Errorf("another session of the same person: %v", err)
	}
}

func TestRoleCountsAtOnce(t *testing.T) {
	s, _, m := newStore(t)
	secret := signInAs(t, s, m)
	m.Role = Teacher
	if _, err := s.PutStaff(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got, err := s.BySession(t.Context(), secret); err != nil || got.Role != Teacher {
		t.Errorf("the session has role %q, %v", got.Role, err)
	}
}
