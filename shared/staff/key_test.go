package staff

import (
	"errors"
	"fmt"
	"testing"

	"github.com/todoku/todoku/shared/problem"
)

func TestKeys(t *testing.T) {
	s, _, m := newStore(t)
	for i := range MaxKeys {
		if _, err := s.AddKey(t.Context(), m.ID, fmt.Sprint("device ", i), []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.AddKey(t.Context(), m.ID, "one more", []byte(`{}`)); !problem.Is(err, problem.Conflict) {
		t.Errorf("one more: %v", err)
	}
	if _, err := s.AddKey(t.Context(), m.ID, " ", []byte(`{}`)); !problem.Is(err, problem.Invalid) {
		t.Errorf("without a name: %v", err)
	}
	keys, err := s.Keys(t.Context(), m.ID)
	if err != nil || len(keys) != MaxKeys {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	secret, who, err := s.SignInByKey(t.Context(), m.ID, keys[0])
	if err != nil || who.ID != m.ID {
		t.Fatal(err)
	}
	if by, err := s.BySession(t.Context(), secret); err != nil || by.Via != who.Via {
		t.Errorf("the session is %q, not %q: %v", by.Via, who.Via, err)
	}
	if _, _, err := s.SignInByKey(t.Context(), m.ID, keys[0]); !errors.Is(err, ErrSession) {
		t.Errorf("with a key that was used since: %v", err)
	}
	if err := s.RemoveKey(t.Context(), m.ID, keys[1].ID); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveKey(t.Context(), m.ID, keys[1].ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
	if _, _, err := s.SignInByKey(t.Context(), m.ID, keys[1]); !errors.Is(err, ErrSession) {
		t.Errorf("with a key that was removed: %v", err)
	}
	m.Disabled = true
	if _, err := s.PutStaff(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.SignInByKey(t.Context(), m.ID, keys[2]); !errors.Is(err, ErrSession) {
		t.Errorf("disabled: %v", err)
	}
}

func TestCeremony(t *testing.T) {
	s, c, _ := newStore(t)
	first, err := s.BeginCeremony(t.Context(), []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	late, err := s.BeginCeremony(t.Context(), []byte(`{"a":2}`))
	if err != nil {
		t.Fatal(err)
	}
	if state, err := s.EndCeremony(t.Context(), first); err != nil || string(state) != `{"a":1}` {
		t.Errorf("%s, %v", state, err)
	}
	for _, secret := range []string{first, "", "unknown"} {
		if _, err := s.EndCeremony(t.Context(), secret); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", secret, err)
		}
	}
	c.pass(CeremonyLife)
	if _, err := s.EndCeremony(t.Context(), late); !errors.Is(err, ErrNotFound) {
		t.Errorf("too late: %v", err)
	}
}
