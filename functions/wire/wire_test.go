package wire

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/shared/config"
	"github.com/todoku/todoku/shared/mail/ses"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/settings"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// whole returns an environment in which every variable is set.
func whole(name string) string {
	switch {
	case name == string(config.Lanes):
		return ""
	case name == string(config.Mailboxes):
		return "proof@docomo.ne.jp"
	case name == string(config.MailSets):
		return "hour=3600"
	case name == string(config.Lease):
		return "180"
	case name == string(config.Proof), name == string(config.KeepAlerts):
		return "3600"
	case name == string(config.Dead):
		return "jobs=https://example.jp/d"
	case strings.HasSuffix(name, "_URL"), name == string(config.OpenIDIssuer):
		return "https://example.jp/q"
	}
	return "x"
}

var makers = map[string]func(*Parts) (any, error){
	"console": Console, "acknowledge": Acknowledge, "fanout": Fanout, "dispatch": Dispatch, "feedback": Feedback, "inbound": Inbound, "registration": Registration, "tick": Tick,
}

// TestPrepare makes every function that has a program, and checks what Lambda
// will hand it.
func TestPrepare(t *testing.T) {
	t.Setenv("AWS_REGION", "ap-northeast-1")
	for _, f := range plan.Present("../..") {
		t.Run(f.Name, func(t *testing.T) {
			h, err := prepare(f.Name, whole, slog.New(slog.DiscardHandler), makers[f.Name])
			if err != nil {
				t.Fatal(err)
			}
			if got := reflect.TypeOf(h).In(1); got != eventOf(f) {
				t.Errorf("the handler takes %v, and its trigger hands it %v", got, eventOf(f))
			}
		})
	}
}

// eventOf is what the trigger of a function hands it.
func eventOf(f plan.Function) reflect.Type {
	switch f.Trigger.(type) {
	case plan.HTTP:
		return reflect.TypeFor[events.APIGatewayV2HTTPRequest]()
	case plan.FromQueue:
		return reflect.TypeFor[events.SQSEvent]()
	}
	return reflect.TypeFor[events.CloudWatchEvent]()
}

// TestPrepareSaysWhatIsMissing names every variable at once.
func TestPrepareSaysWhatIsMissing(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	_, err := prepare("tick", func(string) string { return "" }, slog.New(slog.DiscardHandler), Tick)
	for _, want := range []string{"TODOKU_TABLE", "TODOKU_JOBS_URL", "TODOKU_COPIES_URL", "AWS_REGION"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
}

// secrets is a Secrets Manager and a clock.
type secrets struct {
	now   time.Time
	value string
	err   error
	reads int
}

func (s *secrets) read(context.Context) ([]byte, error) {
	s.reads++
	return []byte(s.value), s.err
}

func secretOf(ids ...int) string {
	var keys []string
	for _, id := range ids {
		secret := base64.StdEncoding.EncodeToString(slices.Repeat([]byte{byte(id)}, 32))
		keys = append(keys, fmt.Sprintf(`{"ID":%d,"Secret":%q}`, id, secret))
	}
	return "[" + strings.Join(keys, ",") + "]"
}

func TestKeys(t *testing.T) {
	s := &secrets{now: time.Unix(1_800_000_000, 0), err: errors.New("away")}
	var log strings.Builder
	k := &keys{read: s.read, now: func() time.Time { return s.now }, log: slog.New(slog.NewTextHandler(&log, nil))}
	for _, step := range []struct {
		name   string
		pass   time.Duration
		value  string
		err    error
		first  int // id of the key that signs; 0: there is none
		reads  int
		logged bool
	}{
		{name: "not to be had", err: errors.New("away"), reads: 1},
		{name: "not yet", value: "{}", reads: 2},
		{name: "first use", value: secretOf(1), first: 1, reads: 3},
		{name: "soon again", pass: config.KeysLife - 1, value: secretOf(2, 1), first: 1, reads: 3},
		{name: "after their life", pass: 1, value: secretOf(2, 1), first: 2, reads: 4},
		{name: "away then", pass: config.KeysLife, err: errors.New("away"), first: 2, reads: 5, logged: true},
		{name: "not asked at once again", pass: retryAfter - 1, err: errors.New("away"), first: 2, reads: 5, logged: true},
		{name: "back", pass: 1, value: secretOf(3), first: 3, reads: 6, logged: true},
	} {
		s.now, s.value, s.err = s.now.Add(step.pass), step.value, step.err
		got, err := k.get()
		first := 0
		if len(got) > 0 {
			first = int(got[0].ID)
		}
		if first != step.first || s.reads != step.reads || (err == nil) != (step.first > 0) || (log.Len() > 0) != step.logged {
			t.Errorf("%s: key %d after %d reads, %v; log %q", step.name, first, s.reads, err, log.String())
		}
	}
}

func TestSplit(t *testing.T) {
	records := func(ids ...string) (e events.SQSEvent) {
		for _, id := range ids {
			e.Records = append(e.Records, events.SQSMessage{MessageId: id})
		}
		return e
	}
	fails := func(prefix string) func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
		return func(_ context.Context, e events.SQSEvent) (res events.SQSEventResponse, err error) {
			for _, m := range e.Records {
				if !strings.HasPrefix(m.MessageId, prefix) {
					t.Errorf("%s went to the handler of %s", m.MessageId, prefix)
				}
				if strings.HasSuffix(m.MessageId, "bad") {
					res.BatchItemFailures = append(res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
				}
				if strings.HasSuffix(m.MessageId, "broken") {
					err = io.ErrUnexpectedEOF
				}
			}
			return res, err
		}
	}
	h := split(func(m events.SQSMessage) bool { return strings.HasPrefix(m.MessageId, "a") }, fails("a"), fails("b"))
	res, err := h(t.Context(), records("a1", "b-bad", "a-bad", "b2"))
	want := []events.SQSBatchItemFailure{{ItemIdentifier: "a-bad"}, {ItemIdentifier: "b-bad"}}
	if diff := cmp.Diff(want, res.BatchItemFailures); diff != "" || err != nil {
		t.Errorf("failures (-want +got): %s, %v", diff, err)
	}
	if _, err := h(t.Context(), records("a1", "b-broken")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a handler's error became %v", err)
	}
}

// TestGiveUp keeps the reason of a message's last failure, and no other.
func TestGiveUp(t *testing.T) {
	for _, tt := range []struct {
		name     string
		receives string
		fails    bool
		err      error
		want     string // "": nothing is kept
	}{
		{"last try", "20", true, nil, "the store is busy"},
		{"last try of all", "20", false, errors.New("the whole batch"), "the whole batch"},
		{"tries are left", "19", true, nil, ""},
		{"done at last", "20", false, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tab := bbolttest.Open(t, time.Now)
			p := &Parts{store: tab, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
			h := p.giveUp("events", 20, func(ctx context.Context, e events.SQSEvent) (res events.SQSEventResponse, _ error) {
				if tt.fails {
					queue.HandBack(ctx, &res, "m", errors.New("the store is busy"))
				}
				return res, tt.err
			})
			m := events.SQSMessage{MessageId: "m", Attributes: map[string]string{queue.AttrReceiveCount: tt.receives}}
			if _, err := h(t.Context(), events.SQSEvent{Records: []events.SQSMessage{m}}); !errors.Is(err, tt.err) {
				t.Error(err)
			}
			why, err := tab.Get(t.Context(), table.Key{Partition: "dead/why", Sort: "events/m"})
			if got := string(why.Value); got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("kept %q, %v", got, err)
			}
		})
	}
}

// TestNoSchool: without a school the doctor says that he looks at no domain, and the first one
// is another version.
func TestNoSchool(t *testing.T) {
	e := &examiner{parts: &Parts{Now: time.Now}, roster: &roster.Store{Table: bbolttest.Open(t, time.Now), Now: time.Now}, account: ses.OpenDoctor(settings.AWS{}, nil)}
	s, err := e.setup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if found, _ := s.More[0](t.Context()); len(found) != 1 || found[0].ID != "no-school" {
		t.Errorf("found %v", found)
	}
	before, err := e.version(t.Context())
	if err == nil {
		err = e.roster.PutSchool(t.Context(), roster.School{ID: "s", Name: "見本小学校", Mail: "anzen@school.example.jp", Phone: "03-0000-0000"})
	}
	if err != nil {
		t.Fatal(err)
	}
	if after, err := e.version(t.Context()); err != nil || after == before {
		t.Errorf("%q, then %q, %v", before, after, err)
	}
}

// TestPartsAreShared: what reads keys, brakes and lanes reads them once for all of a function.
func TestPartsAreShared(t *testing.T) {
	p := &Parts{Now: time.Now}
	links, docket, gate, hosts := p.Links(), p.Docket(), p.gate(), p.Hosts()
	if p.Links() != links || p.Docket() != docket || p.gate() != gate || p.Hosts() != hosts {
		t.Error("a part is there twice")
	}
}
