package proof_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/proof"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// bench is a prover whose jobs nobody does.
type bench struct {
	*testing.T
	now    time.Time
	prover *proof.Prover
	sent   []queue.Message
}

func (b *bench) Send(_ context.Context, msgs ...queue.Message) error {
	b.sent = append(b.sent, msgs...)
	return nil
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)}
	now := func() time.Time { return b.now }
	tab := bbolttest.Open(t, now)
	ids := id.NewSource(now, rand.Reader)
	b.prover = &proof.Prover{
		Records: proof.Records{Table: tab, Now: now, Every: time.Hour, Started: b.now},
		Alerts:  &alert.Store{Table: tab, IDs: ids, Now: now}, Roster: &roster.Store{Table: tab, IDs: ids, Now: now},
		Jobs: b, Address: proof.Simulated, Log: slog.New(slog.DiscardHandler),
		Proven: func(string, time.Duration) { t.Error("proven") },
	}
	return b
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) found() {
	b.must(b.prover.Roster.PutSchool(b.Context(), roster.School{ID: "school", Name: "見本小学校", Mail: "anzen@school.example.jp", Phone: "03-0000-0000"}))
}

// late returns why a lane is red, "" for the system.
func (b *bench) late(lane string) error {
	b.Helper()
	all, err := b.prover.Standings(b.Context())
	b.must(err)
	i := slices.IndexFunc(all, func(s proof.Standing) bool { return s.Lane == lane })
	if i < 0 {
		b.Fatalf("nothing is said of %q", lane)
	}
	return all[i].Late
}

func (b *bench) after(d time.Duration) error {
	b.now = b.now.Add(d)
	return b.prover.Run(b.Context())
}

// TestStuck: a proof of which nothing becomes fails after its time, is begun again
// once that is over, and is red on /healthz.
func TestStuck(t *testing.T) {
	b := newBench(t)
	b.found()
	b.must(b.after(0))
	if len(b.sent) > 0 {
		t.Error("a proof was begun right after the start, before what waited")
	}
	b.must(b.after(2 * time.Minute))
	if len(b.sent) != 1 {
		t.Fatalf("%d jobs, want that of the first proof", len(b.sent))
	}
	b.must(b.after(time.Minute))
	if s, err := b.prover.State(t.Context()); err != nil || s.Failed != "" || s.Alert == "" {
		t.Errorf("while there is time: %+v, %v", s, err)
	}
	b.must(b.after(proof.Patience))
	s, err := b.prover.State(t.Context())
	if err != nil || s.Failed != "accepted, but not fanned out" || s.Alert != "" {
		t.Errorf("after its time: %+v, %v", s, err)
	}
	b.must(b.after(proof.Patience))
	if len(b.sent) != 2 {
		t.Errorf("%d jobs: one that failed is tried again at once, not after a rhythm", len(b.sent))
	}
	b.now = b.now.Add(b.prover.Limit())
	if err := b.late(""); err == nil || !strings.Contains(err.Error(), "not fanned out") {
		t.Errorf("/healthz says %v", err)
	}
}

// TestNoSchool: there is nothing to prove anything for, which is no fault; with a school it
// begins.
func TestNoSchool(t *testing.T) {
	b := newBench(t)
	b.must(b.after(2 * time.Minute))
	if s, err := b.prover.State(t.Context()); err != nil || !s.Begun.IsZero() || len(b.sent) > 0 {
		t.Errorf("%+v, %d jobs, %v", s, len(b.sent), err)
	}
	b.found()
	b.must(b.after(time.Minute))
	if len(b.sent) != 1 {
		t.Errorf("%d jobs with a school", len(b.sent))
	}
}

// TestNever: with no rhythm nothing is proven.
func TestNever(t *testing.T) {
	b := newBench(t)
	b.prover.Every = 0
	b.must(b.after(2 * time.Hour))
	if len(b.sent) > 0 {
		t.Error("a proof was begun")
	}
}

// TestCheck: no data is red, but for the time that a first proof may take.
func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name    string
		started bool // the process that proves is this one
		after   time.Duration
		red     bool
	}{
		{"just started", true, time.Minute, false},
		{"up to the limit", true, 2*time.Hour + proof.Patience - time.Second, false},
		{"at the limit", true, 2*time.Hour + proof.Patience, true},
		{"another process proves", false, time.Minute, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.prover.Mailboxes = []proof.Mailbox{{Lane: "docomo", Address: "proof@docomo.ne.jp"}}
			if !tt.started {
				b.prover.Started = time.Time{}
			}
			b.now = b.now.Add(tt.after)
			for _, lane := range []string{"", "docomo"} {
				if err := b.late(lane); (err != nil) != tt.red {
					t.Errorf("%q: %v", lane, err)
				}
			}
		})
	}
}

// operator takes mail one by one.
type operator struct{ took []string }

func (o *operator) Send(_ context.Context, m *mail.Message) error {
	o.took = append(o.took, m.To.Address)
	return nil
}

// TestSender: the proof's mail ends at a check of the operator, and all else goes on
// in its order.
func TestSender(t *testing.T) {
	refused := errors.New("the operator is away")
	o := &operator{}
	s := proof.Sender{Sender: o, Check: func(context.Context) error { return refused }}
	var msgs []*mail.Message
	for _, to := range []string{"a@x.example", proof.Simulated, "b@x.example", "c@x.example", "Proof@Proof.Invalid"} {
		m := &mail.Message{}
		m.To.Address = to
		msgs = append(msgs, m)
	}
	errs := map[int]error{}
	s.SendAll(t.Context(), msgs, func(i int, err error) { errs[i] = err })
	if want := []string{"a@x.example", "b@x.example", "c@x.example"}; !slices.Equal(o.took, want) {
		t.Errorf("%v left, want %v", o.took, want)
	}
	for i := range msgs {
		if simulated := i == 1 || i == 4; (errs[i] != nil) != simulated {
			t.Errorf("message %d: %v", i, errs[i])
		}
	}
	if len(errs) != len(msgs) {
		t.Errorf("%d of %d are done", len(errs), len(msgs))
	}
	if err := s.Send(t.Context(), msgs[1]); !errors.Is(err, refused) {
		t.Errorf("alone: %v", err)
	}
}

// TestPhone: a phone opens the page before it answers; what is wrong is told without
// the path, which is a capability.
func TestPhone(t *testing.T) {
	var asked []string
	status := http.StatusSeeOther
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path+" "+r.PostFormValue("all"))
		if r.Method == http.MethodPost {
			w.WriteHeader(status)
		}
	}))
	t.Cleanup(s.Close)
	phone := proof.Phone(s.URL)
	if err := phone(t.Context(), "secret", "id", "safe"); err != nil {
		t.Error(err)
	}
	if want := []string{"GET /a/secret ", "POST /a/secret safe"}; !slices.Equal(asked, want) {
		t.Errorf("%q, want %q", asked, want)
	}
	status = http.StatusGone
	if err := phone(t.Context(), "secret", "id", "safe"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("refused: %v", err)
	}
	s.Close()
	if err := proof.Phone(s.URL+"/secret")(t.Context(), "secret", "id", "safe"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("away: %v", err)
	}
}
