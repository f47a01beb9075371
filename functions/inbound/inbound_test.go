package inbound

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail/inbox"
	"github.com/todoku/todoku/shared/mail/incoming"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// The samples in events/ are for these codes of two siblings.
const firstCode, secondCode = "012345678Q", "9ABCDEFGHS"

const domain = "in.school.example.jp"

// counting is a source of codes that tests know: 0, 1, 2 ...
type counting struct{ n byte }

func (c *counting) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = c.n
		c.n++
	}
	return len(b), nil
}

// flaky is a table that can be made busy.
type flaky struct {
	table.Table
	busy bool
}

func (f *flaky) Write(ctx context.Context, token string, ops ...table.Op) error {
	if f.busy {
		return table.ErrBusy
	}
	return f.Table.Write(ctx, token, ops...)
}

type bench struct {
	*testing.T
	now     time.Time
	table   *flaky
	inbox   *inbox.Inbox
	log     *bytes.Buffer
	handler *Handler
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, now: time.Date(2026, 4, 6, 3, 0, 0, 0, time.UTC), log: &bytes.Buffer{}}
	clock := func() time.Time { return b.now }
	tb := bbolttest.Open(t, clock)
	b.table = &flaky{Table: tb}
	ids := id.NewSource(clock, rand.Reader)
	r := &roster.Store{Table: b.table, IDs: ids, Now: clock}
	b.must(r.PutSchool(t.Context(), roster.School{ID: "s1", Name: "ひばり小学校", Mail: "renraku@hibari.example", Phone: "03-0000-0000"}))
	f, err := r.PutFamily(t.Context(), "s1", roster.Family{Children: []roster.Child{
		{ID: ids.New(), Name: "見本 一郎", Class: "c1"}, {ID: ids.New(), Name: "見本 二葉", Class: "c2"}}})
	b.must(err)
	store := &enrol.Store{Table: b.table, Roster: r, IDs: ids, Now: clock, Random: &counting{}}
	passes, err := store.Issue(t.Context(), "s1", []enrol.ChildRef{{Family: f.ID, Child: f.Children[0].ID}, {Family: f.ID, Child: f.Children[1].ID}}, false)
	b.must(err)
	if passes[0].Code != firstCode || passes[1].Code != secondCode {
		t.Fatalf("codes %s and %s: the samples are for others", passes[0].Code, passes[1].Code)
	}
	links, err := link.NewSigner(link.Key{ID: 1, Secret: make([]byte, 32)})
	b.must(err)
	b.inbox = inbox.New(0, clock)
	lanes, err := lane.Load(nil)
	b.must(err)
	poster := &enrol.Poster{Store: store, Mail: b.inbox, Links: links, Lanes: lanes, BaseURL: "http://todoku.test"}
	b.handler = &Handler{Enrol: store, Poster: poster, Domain: domain, Log: slog.New(slog.NewTextHandler(b.log, nil))}
	return b
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// handle hands over a mail, as the single machine does, and returns whether it is
// to come again.
func (b *bench) handle(from string, e incoming.Envelope, header ...string) (again bool) {
	b.Helper()
	raw := strings.Join(append([]string{"From: " + from}, header...), "\r\n") + "\r\n\r\n"
	body, err := Notification([]byte(raw), e, "m1", b.now)
	b.must(err)
	r, err := b.handler.Handle(b.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m1", Body: body}}})
	b.must(err)
	return len(r.BatchItemFailures) > 0
}

// joins returns the addresses that wait, with how many children.
func (b *bench) joins() map[string]int {
	b.Helper()
	all, err := b.handler.Enrol.Joins(b.Context(), "s1")
	b.must(err)
	waiting := map[string]int{}
	for _, j := range all {
		if j.Door != enrol.ByMail {
			b.Errorf("door %s", j.Door)
		}
		waiting[j.Address] = len(j.Children)
	}
	return waiting
}

func readEvent(t *testing.T, file string) (e events.SQSEvent) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSamples(t *testing.T) {
	const hanako = "hanako@docomo.ne.jp"
	one, none := map[string]int{hanako: 1}, map[string]int{}
	tests := map[string]map[string]int{
		"inbound": one, "inbound-utf8-content": one, "inbound-raw-delivery": one, "inbound-dmarc-none": one,
		"inbound-siblings":  {hanako: 2},
		"inbound-automatic": none, "inbound-bounce": none, "inbound-forged": none, "inbound-virus": none,
		"inbound-no-code": none, "inbound-plain-text": none, "inbound-malformed": none,
	}
	files, err := filepath.Glob("../../events/inbound*.json")
	if err != nil || len(files) != len(tests) {
		t.Errorf("%d samples, %d expectations, %v", len(files), len(tests), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			for range 2 { // events come twice
				r, err := b.handler.Handle(t.Context(), readEvent(t, file))
				if err != nil || len(r.BatchItemFailures) > 0 {
					t.Fatalf("Handle: %v, %v", r, err)
				}
			}
			if diff := cmp.Diff(tests[name], b.joins()); diff != "" {
				t.Errorf("joins (-want +got):\n%s", diff)
			}
			mails := b.inbox.List()
			if len(mails) != len(tests[name]) {
				t.Errorf("%d mails", len(mails))
			}
			for _, m := range mails {
				if m.To != hanako || m.From != "renraku@hibari.example" || !strings.Contains(m.Text, "http://todoku.test/register/confirm/") {
					t.Errorf("a mail from %s to %s: %s", m.From, m.To, m.Text)
				}
			}
			if strings.Contains(b.log.String(), "@") {
				t.Errorf("the log holds an address: %s", b.log)
			}
		})
	}
}

// A store that is busy loses nothing: the mail comes again.
func TestBusy(t *testing.T) {
	b := newBench(t)
	e := incoming.Envelope{From: "a@docomo.ne.jp", To: []string{firstCode + "@" + domain}}
	b.table.busy = true
	if !b.handle("a@docomo.ne.jp", e) {
		t.Error("not handed back")
	}
	b.table.busy = false
	if b.handle("a@docomo.ne.jp", e) || len(b.inbox.List()) != 1 {
		t.Errorf("%d mails", len(b.inbox.List()))
	}
}

// One address gets few mails however often it asks, and a code few joins: a slip
// that was found is no means to mail strangers.
func TestLimits(t *testing.T) {
	b := newBench(t)
	e := incoming.Envelope{From: "a@docomo.ne.jp", To: []string{firstCode + "@" + domain}}
	for range 100 {
		b.handle("a@docomo.ne.jp", e)
		b.now = b.now.Add(2 * enrol.Again)
	}
	if n := len(b.inbox.List()); n != enrol.MaxLetters {
		t.Errorf("%d mails to one address, want %d", n, enrol.MaxLetters)
	}
	for i := range 100 {
		b.handle(fmt.Sprintf("a%d@docomo.ne.jp", i), incoming.Envelope{From: "x@docomo.ne.jp", To: []string{secondCode + "@" + domain}})
	}
	if n := len(b.inbox.List()); n != enrol.MaxLetters+enrol.MaxJoins {
		t.Errorf("%d mails in all, want %d", n, enrol.MaxLetters+enrol.MaxJoins)
	}
}

// After its wrong codes of an hour a sender's codes are not looked at.
func TestGuessing(t *testing.T) {
	b := newBench(t)
	const from = "guess@docomo.ne.jp"
	for i := range enrol.MaxWrong {
		b.handle(from, incoming.Envelope{From: from, To: []string{wrongCode(i) + "@" + domain}})
	}
	right := incoming.Envelope{From: from, To: []string{firstCode + "@" + domain}}
	if b.handle(from, right); len(b.joins()) > 0 {
		t.Error("a code was looked at after too many wrong ones")
	}
	b.now = b.now.Add(time.Hour)
	if b.handle(from, right); len(b.joins()) != 1 {
		t.Error("an hour later the right code does not work")
	}
}

// wrongCode returns the i-th code that is well formed and nobody's.
func wrongCode(i int) string {
	for n := range 32 {
		c := fmt.Sprintf("ZZZ%c%cZZZZ%c", enrol.Alphabet[i/32], enrol.Alphabet[i%32], enrol.Alphabet[n])
		if _, ok := enrol.ParseCode(c); ok {
			return c
		}
	}
	panic("no check character fits")
}

// FuzzParse: whatever SNS hands on, reading ends without a panic.
func FuzzParse(f *testing.F) {
	good, err := Notification([]byte("From: a@docomo.ne.jp\r\n\r\n"), incoming.Envelope{From: "a@docomo.ne.jp", To: []string{firstCode + "@" + domain}}, "m1", time.Unix(0, 0))
	if err != nil {
		f.Fatal(err)
	}
	wrapped, err := json.Marshal(map[string]string{"Type": "Notification", "Message": good})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(string(wrapped))
	f.Fuzz(func(t *testing.T, body string) {
		if m, err := parse(body); err == nil && m.Sender.Domain == "" {
			t.Error("a mail without a sender")
		} else if err != nil && !errors.Is(err, errForeign) && !errors.Is(err, incoming.ErrNoMail) && !errors.Is(err, incoming.ErrFrom) && !errors.Is(err, incoming.ErrTooLarge) {
			t.Errorf("an error that nobody knows: %v", err)
		}
	})
}
