package ses_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/drill/peers"
	"github.com/todoku/todoku/infra/drill/sesfake"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/mail/mailtest"
	"github.com/todoku/todoku/shared/mail/ses"
)

var noon = time.Date(2026, 4, 7, 3, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

// open returns a Sender and the SES that it sends to.
func open(t testing.TB, cfg sesfake.Config) (*ses.Sender, *sesfake.Server) {
	t.Helper()
	server := sesfake.New(cfg)
	t.Cleanup(server.Close)
	http := httptest.NewServer(server)
	t.Cleanup(http.Close)
	return ses.New(peers.SESClient(http.URL), ses.Sets{"todoku": time.Hour}, clock), server
}

func TestConformance(t *testing.T) {
	answers := map[mailtest.Failure]*sesfake.Answer{
		mailtest.Temporary: &sesfake.Unverified,
		mailtest.Permanent: &sesfake.BadAddress,
		mailtest.Operator:  &sesfake.Throttled,
	}
	mailtest.Run(t, func(t *testing.T) mailtest.Fixture {
		s, server := open(t, sesfake.Config{Now: clock})
		return mailtest.Fixture{
			Sender:  inReplyCodes{t, s},
			Now:     noon,
			Arrived: func() []mail.Received { return received(t, server) },
			Fail:    func(address string, f mailtest.Failure) { server.AnswerWith(address, answers[f]) },
		}
	})
}

// inReplyCodes gives a refusal the reply code that the suite expects of its kind:
// the suite speaks SMTP, and SES refuses without a code.
type inReplyCodes struct {
	t      *testing.T
	sender mail.Sender
}

func (s inReplyCodes) Send(ctx context.Context, m *mail.Message) error {
	err := s.sender.Send(ctx, m)
	var e *mail.SendError
	if !errors.As(err, &e) || errors.Is(err, mail.ErrInvalid) || errors.Is(err, mail.ErrExpired) {
		return err
	}
	if e.Code != 0 || e.Enhanced != "" {
		s.t.Errorf("SES has no reply codes, the error has: %v", e)
	}
	coded := *e
	if coded.Code, coded.Enhanced = 450, "4.2.1"; e.Permanent {
		coded.Code, coded.Enhanced = 550, "5.1.1"
	}
	return &coded
}

func received(t *testing.T, server *sesfake.Server) []mail.Received {
	t.Helper()
	var all []mail.Received
	for _, m := range server.Sent() {
		r, err := mail.Receive(m.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if m.To != r.To || m.From != r.From {
			t.Errorf("the envelope is from %s to %s, the mail from %s to %s", m.From, m.To, r.From, r.To)
		}
		all = append(all, r)
	}
	return all
}

func TestTagsAndConfigurationSetTravel(t *testing.T) {
	s, server := open(t, sesfake.Config{})
	if err := s.Send(t.Context(), mailtest.Letter(7)); err != nil {
		t.Fatal(err)
	}
	got := server.Sent()[0]
	if diff := cmp.Diff(map[string]string{"Copy": "7"}, got.Tags); diff != "" || got.ConfigurationSet != "todoku" {
		t.Errorf("configuration set %q, tags (-want +got):\n%s", got.ConfigurationSet, diff)
	}
}

// TestNoSecondTry counts requests: the SDK would try three times by itself.
func TestNoSecondTry(t *testing.T) {
	for name, test := range map[string]struct {
		answer   *sesfake.Answer
		accepted int
		want     mail.SendError
	}{
		"throttled":            {&sesfake.Throttled, 0, mail.SendError{Scope: mail.ScopeOperator}},
		"broken":               {&sesfake.Broken, 0, mail.SendError{Maybe: true}},
		"away":                 {&sesfake.Away, 0, mail.SendError{Maybe: true}},
		"accepted, reply lost": {&sesfake.ReplyLost, 1, mail.SendError{Maybe: true}},
	} {
		t.Run(name, func(t *testing.T) {
			s, server := open(t, sesfake.Config{})
			server.AnswerWith(mailtest.Address(0), test.answer)
			checkError(t, s.Send(t.Context(), mailtest.Letter(0)), test.want)
			stats := server.Stats()
			if stats.Accepted != test.accepted || stats.Accepted+stats.Throttled+stats.Refused != 1 {
				t.Errorf("SES saw %+v", stats)
			}
		})
	}
}

func TestPaused(t *testing.T) {
	s, server := open(t, sesfake.Config{})
	server.Pause(true)
	checkError(t, s.Send(t.Context(), mailtest.Letter(0)), mail.SendError{Scope: mail.ScopeOperator})
	server.Pause(false)
	if err := s.Send(t.Context(), mailtest.Letter(0)); err != nil {
		t.Error(err)
	}
}

func TestNobodyListens(t *testing.T) {
	http := httptest.NewServer(nil)
	http.Close()
	s := ses.New(peers.SESClient(http.URL), nil, clock)
	checkError(t, s.Send(t.Context(), mailtest.Letter(0)), mail.SendError{Scope: mail.ScopeOperator})
}

// TestCancelledWhileSESWorks ends the context when the request has arrived.
func TestCancelledWhileSESWorks(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s, _ := open(t, sesfake.Config{Latency: func(string) time.Duration {
		close(arrived)
		<-release
		return 0
	}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	err := s.Send(ctx, mailtest.Letter(0))
	close(release)
	checkError(t, err, mail.SendError{Maybe: true})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not say that it was cancelled", err)
	}
}

func checkError(t *testing.T, err error, want mail.SendError) {
	t.Helper()
	var e *mail.SendError
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want a *SendError", err)
	}
	got := mail.SendError{Scope: e.Scope, Permanent: e.Permanent, Maybe: e.Maybe, Code: e.Code}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestRate(t *testing.T) {
	s, _ := open(t, sesfake.Config{Rate: 14})
	if err := s.Send(t.Context(), mailtest.Letter(0)); err != nil {
		t.Fatal(err)
	}
	perSecond, left, err := s.Rate(t.Context())
	if err != nil || perSecond != 14 || left != 1e6-1 {
		t.Errorf("rate %v a second, %v left, %v", perSecond, left, err)
	}
}
