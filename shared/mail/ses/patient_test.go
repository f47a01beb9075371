package ses

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoku/todoku/shared/mail"
)

// answers is a mail.Sender that gives these answers, one after the other.
type answers struct {
	list  []error
	asked int
}

func (a *answers) Send(context.Context, *mail.Message) error {
	a.asked++
	return a.list[min(a.asked, len(a.list))-1]
}

func TestPatient(t *testing.T) {
	throttled := &mail.SendError{Scope: mail.ScopeOperator, Text: AccountRate + ": Maximum sending rate exceeded."}
	refused := &mail.SendError{Permanent: true, Text: "no"}
	paused := &mail.SendError{Scope: mail.ScopeOperator, Text: "Sending paused for this account."}
	for _, c := range []struct {
		name  string
		list  []error
		left  time.Duration // until the deadline
		asked int
		waits time.Duration
		err   error
	}{
		{"taken at once", []error{nil}, time.Minute, 1, 0, nil},
		{"taken at the third try", []error{throttled, throttled, nil}, time.Minute, 3, 2 * wait, nil},
		{"never taken", []error{throttled}, time.Minute, tries, (tries - 1) * wait, throttled},
		{"refused", []error{throttled, refused}, time.Minute, 2, wait, refused},
		{"an account that cannot send", []error{paused}, time.Minute, 1, 0, paused},
		{"no time to wait", []error{throttled, nil}, reserve, 1, 0, throttled},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), c.left)
				defer cancel()
				a := &answers{list: c.list}
				err := Patient{a, func() float64 { return 0.5 }}.Send(ctx, &mail.Message{})
				if !errors.Is(err, c.err) || a.asked != c.asked || time.Since(began) != c.waits {
					t.Errorf("%v after %d tries and %v", err, a.asked, time.Since(began))
				}
			})
		})
	}
}

func TestPatientIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		a := &answers{list: []error{&mail.SendError{Scope: mail.ScopeOperator, Text: AccountRate}}}
		if err := (Patient{a, func() float64 { return 0.5 }}).Send(ctx, &mail.Message{}); !isAccountRate(err) || a.asked != 1 {
			t.Errorf("%v after %d tries", err, a.asked)
		}
	})
}
