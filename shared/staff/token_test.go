package staff

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/problem"
)

func TestTokens(t *testing.T) {
	s, c, m := newStore(t)
	first, secret, err := s.NewToken(t.Context(), m.ID, "attendance", 0)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(secret, tokenPrefix) || len(secret) < len(tokenPrefix)+40 {
		t.Errorf("the token has %d characters or another prefix", len(secret))
	}
	second, _, err := s.NewToken(t.Context(), m.ID, "weather", 0)
	if err != nil {
		t.Fatal(err)
	}
	c.pass(time.Hour)
	if who, err := s.ByToken(t.Context(), secret); err != nil || who.ID != m.ID {
		t.Errorf("ByToken = %v, %v", who, err)
	}
	first.Used = c.Now()
	got, err := s.Tokens(t.Context(), m.ID)
	if diff := cmp.Diff([]Token{first, second}, got); diff != "" || err != nil {
		t.Errorf("the list (-want +got), %v:\n%s", err, diff)
	}

	if err := s.Revoke(t.Context(), m.ID, first.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ByToken(t.Context(), secret); !errors.Is(err, ErrToken) {
		t.Errorf("a revoked token: %v", err)
	}
	got, err = s.Tokens(t.Context(), m.ID)
	if diff := cmp.Diff([]Token{second}, got); diff != "" || err != nil {
		t.Errorf("the list after (-want +got), %v:\n%s", err, diff)
	}
	for _, tokenID := range append(unknown, first.ID) {
		if err := s.Revoke(t.Context(), m.ID, tokenID); !errors.Is(err, ErrNotFound) {
			t.Errorf("Revoke(%.20q) = %v, want ErrNotFound", tokenID, err)
		}
	}
}

func TestTokensEnd(t *testing.T) {
	for _, tt := range []struct {
		name       string
		life       time.Duration
		told, ends time.Duration // from now
	}{
		{"as long as may be", 0, TokenLife - TokenNotice, TokenLife},
		{"a month", 30 * 24 * time.Hour, 16 * 24 * time.Hour, 30 * 24 * time.Hour},
		{"a day", 24 * time.Hour, 12 * time.Hour, 24 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c, m := newStore(t)
			made, secret, err := s.NewToken(t.Context(), m.ID, "attendance", tt.life)
			if err != nil || !made.Ends.Equal(c.Now().Add(tt.ends)) {
				t.Fatalf("ends %v, %v", made.Ends, err)
			}
			told := func() (ids []string) {
				t.Helper()
				if err := s.TellEnding(t.Context(), func(k Token) error { ids = append(ids, k.ID); return nil }); err != nil {
					t.Fatal(err)
				}
				return ids
			}
			c.pass(tt.told - time.Second)
			if ids := told(); len(ids) > 0 {
				t.Error("told too early")
			}
			c.pass(time.Second)
			if ids := told(); len(ids) != 1 || ids[0] != made.ID {
				t.Errorf("told of %v", ids)
			}
			c.pass(tt.ends - tt.told - time.Second)
			if ids := told(); len(ids) > 0 {
				t.Error("told twice")
			}
			if _, err := s.ByToken(t.Context(), secret); err != nil {
				t.Errorf("a second before its end: %v", err)
			}
			c.pass(time.Second)
			if _, err := s.ByToken(t.Context(), secret); !errors.Is(err, ErrToken) {
				t.Errorf("at its end: %v", err)
			}
			if all, err := s.Tokens(t.Context(), m.ID); err != nil || len(all) != 1 || !all[0].Over(c.Now()) {
				t.Errorf("the list at its end: %v, %v", all, err)
			}
			c.pass(tokenKept)
			if all, err := s.Tokens(t.Context(), m.ID); err != nil || len(all) != 0 {
				t.Errorf("the list long after: %v, %v", all, err)
			}
		})
	}
}

func TestTokenLives(t *testing.T) {
	s, c, m := newStore(t)
	for _, life := range []time.Duration{-time.Second, TokenLife + time.Second} {
		if _, _, err := s.NewToken(t.Context(), m.ID, "attendance", life); !problem.Is(err, problem.Invalid) {
			t.Errorf("%v: %v", life, err)
		}
	}
	made, _, err := s.NewToken(t.Context(), m.ID, "attendance", 0)
	if err == nil {
		err = s.Revoke(t.Context(), m.ID, made.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.pass(TokenLife - TokenNotice)
	if err := s.TellEnding(t.Context(), func(Token) error { t.Error("told of a revoked token"); return nil }); err != nil {
		t.Error(err)
	}
}
