package mail_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/todoku/todoku/shared/mail"
)

// sendFunc is a Sender without a SendAll of its own.
type sendFunc func(m *mail.Message) error

func (f sendFunc) Send(_ context.Context, m *mail.Message) error { return f(m) }

func TestSendAllStopsForTheOperator(t *testing.T) {
	down := &mail.SendError{Scope: mail.ScopeOperator, Code: 421}
	refused := &mail.SendError{Permanent: true, Code: 550}
	var tried []string
	s := sendFunc(func(m *mail.Message) error {
		tried = append(tried, m.ID)
		return map[string]error{"2": refused, "3": down}[m.ID]
	})
	var got []error
	msgs := []*mail.Message{{ID: "1"}, {ID: "2"}, {ID: "3"}, {ID: "4"}}
	mail.SendAll(t.Context(), s, msgs, func(_ int, err error) { got = append(got, err) })
	if diff := cmp.Diff([]string{"1", "2", "3"}, tried); diff != "" {
		t.Errorf("tried (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]error{nil, refused, down, down}, got, cmpopts.EquateErrors()); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func TestExpired(t *testing.T) {
	noon := time.Date(2026, 4, 7, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name     string
		deadline time.Time
		want     bool
	}{
		{"no deadline", time.Time{}, false},
		{"later", noon.Add(1), false},
		{"this moment", noon, false},
		{"past", noon.Add(-1), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &mail.Message{Deadline: tt.deadline}
			if got := m.Expired(noon); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

func TestUnsendable(t *testing.T) {
	tests := []struct {
		name      string
		cause     error
		permanent bool
	}{
		{"expired", mail.ErrExpired, false},
		{"invalid", mail.ErrInvalid, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := mail.Unsendable(tt.cause)
			if e.Permanent != tt.permanent || e.Scope != mail.ScopeRecipient || !errors.Is(e, tt.cause) {
				t.Errorf("got %+v", e)
			}
		})
	}
}
