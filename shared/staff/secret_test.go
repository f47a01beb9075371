package staff

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/table"
)

func TestUnknownSecrets(t *testing.T) {
	s, _, _ := newStore(t)
	for _, secret := range unknown {
		if _, _, err := s.SignIn(t.Context(), secret, ""); !errors.Is(err, ErrLink) {
			t.Errorf("SignIn(%.20q) = %v", secret, err)
		}
		if _, err := s.BySession(t.Context(), secret); !errors.Is(err, ErrSession) {
			t.Errorf("BySession(%.20q) = %v", secret, err)
		}
		if _, err := s.ByToken(t.Context(), secret); !errors.Is(err, ErrToken) {
			t.Errorf("ByToken(%.20q) = %v", secret, err)
		}
		if err := s.SignOut(t.Context(), secret); err != nil {
			t.Errorf("SignOut(%.20q) = %v", secret, err)
		}
	}
}

func TestSecretsAreNotKept(t *testing.T) {
	s, _, m := newStore(t)
	spy := &spy{Table: s.Table}
	s.Table = spy
	link, err := s.NewLink(t.Context(), m.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	session, _, err := s.SignIn(t.Context(), link, "")
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := s.NewToken(t.Context(), m.ID, "attendance", 0)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(spy.written.String(), m.ID) {
		t.Fatal("the spy saw nothing")
	}
	for what, secret := range map[string]string{"link": link, "session": session, "token": strings.TrimPrefix(token, tokenPrefix)} {
		if strings.Contains(spy.written.String(), secret) {
			t.Errorf("the %s's secret was written", what)
		}
	}
}

type spy struct {
	table.Table
	written strings.Builder
}

func (s *spy) Write(ctx context.Context, token string, ops ...table.Op) error {
	for _, op := range ops {
		s.written.WriteString(op.OpKey().String())
		if c, ok := op.(table.Create); ok {
			s.written.Write(c.Value)
		}
	}
	b, err := json.Marshal(ops)
	s.written.Write(b)
	if err != nil {
		return err
	}
	return s.Table.Write(ctx, token, ops...)
}
