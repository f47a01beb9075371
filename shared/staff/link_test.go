package staff

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLinkSignsInOnce(t *testing.T) {
	s, _, m := newStore(t)
	token, err := s.NewLink(t.Context(), m.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // a mail scanner looks at it
		if err := s.CheckLink(t.Context(), token, ""); err != nil {
			t.Fatalf("before it is used: %v", err)
		}
	}
	secret, who, err := s.SignIn(t.Context(), token, "")
	if err != nil {
		t.Fatal(err)
	}
	if who.Via == "" {
		t.Error("the session has no id")
	}
	who.Via = ""
	if diff := cmp.Diff(m, who); diff != "" {
		t.Errorf("signed in (-want +got):\n%s", diff)
	}
	if who, err := s.BySession(t.Context(), secret); err != nil || who.ID != m.ID {
		t.Errorf("the session is %v's, %v", who, err)
	}
	if err := s.CheckLink(t.Context(), token, ""); !errors.Is(err, ErrLink) {
		t.Errorf("CheckLink after use: %v", err)
	}
	if _, _, err := s.SignIn(t.Context(), token, ""); !errors.Is(err, ErrLink) {
		t.Errorf("a second use: %v", err)
	}
}

func TestTwoClicksAtOnce(t *testing.T) {
	s, _, m := newStore(t)
	token, err := s.NewLink(t.Context(), m.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	const clicks = 8
	var wg sync.WaitGroup
	errs := make([]error, clicks)
	for i := range errs {
		wg.Go(func() { _, _, errs[i] = s.SignIn(t.Context(), token, "") })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, ErrLink):
			t.Errorf("a click that lost: %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d clicks signed in, want 1", won, clicks)
	}
}

func TestLinkExpires(t *testing.T) {
	tests := []struct {
		name string
		life time.Duration
		wait time.Duration
		ok   bool
	}{
		{"just before", 0, LinkLife - time.Second, true},
		{"at the end", 0, LinkLife, false},
		{"its own life", 24 * time.Hour, 23 * time.Hour, true},
		{"long after", time.Minute, 240 * time.Hour, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, c, m := newStore(t)
			token, err := s.NewLink(t.Context(), m.ID, tt.life)
			if err != nil {
				t.Fatal(err)
			}
			c.pass(tt.wait)
			_, _, err = s.SignIn(t.Context(), token, "")
			if tt.ok && err != nil || !tt.ok && !errors.Is(err, ErrLink) {
				t.Errorf("SignIn = %v, want ok %v", err, tt.ok)
			}
		})
	}
}
