package memo_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lang"
	tmail "github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/mail/inbox"
	"github.com/todoku/todoku/shared/memo"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// office is a school with people, a queue that keeps what it is given, and an inbox.
type office struct {
	t       *testing.T
	now     time.Time
	staff   *staff.Store
	sent    []queue.Message
	box     *inbox.Inbox
	postman *memo.Postman
	log     strings.Builder
}

func (o *office) Send(_ context.Context, msgs ...queue.Message) error {
	o.sent = append(o.sent, msgs...)
	return queue.Check(msgs...)
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)}
	now := func() time.Time { return o.now }
	tab := bbolttest.Open(t, now)
	o.staff = &staff.Store{Table: tab, IDs: id.NewSource(now, rand.Reader), Now: now, Random: rand.Reader}
	school := &roster.Store{Table: tab, IDs: o.staff.IDs, Now: now}
	o.must(school.PutSchool(t.Context(), roster.School{ID: "s", Name: "見本小学校", Mail: "anzen@school.example.jp", Phone: "03-0000-0000"}))
	o.box = inbox.New(0, now)
	o.postman = &memo.Postman{Staff: o.staff, Roster: school, Mail: o.box, BaseURL: "https://todoku.example.jp", Now: now, Log: slog.New(slog.NewTextHandler(&o.log, nil))}
	return o
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) hire(name string, role staff.Role) staff.Staff {
	o.t.Helper()
	m, err := o.staff.PutStaff(o.t.Context(), staff.Staff{School: "s", Name: name, Mail: name + "@school.example.jp", Role: role})
	o.must(err)
	return m
}

func (o *office) memo() memo.Memo {
	return memo.Memo{
		School: "s", About: "silence-1", Path: "/alerts/1", Until: o.now.Add(time.Hour),
		Subject: lang.T("届いていません", "It does not arrive"), Body: lang.T("電話してください。\n", "Please phone.\n"),
	}
}

// work hands what was sent to the handler, and returns the ids of what it hands back.
func (o *office) work() []string {
	o.t.Helper()
	var e events.SQSEvent
	for _, m := range o.sent {
		e.Records = append(e.Records, events.SQSMessage{MessageId: m.ID, Body: m.Body, Attributes: map[string]string{queue.AttrGroup: m.Group}})
	}
	res, err := o.postman.After(func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		for _, m := range e.Records {
			if m.Body != "a copy" {
				o.t.Errorf("dispatch was given %q", m.Body)
			}
		}
		return events.SQSEventResponse{}, nil
	})(o.t.Context(), e)
	o.must(err)
	var back []string
	for _, f := range res.BatchItemFailures {
		back = append(back, f.ItemIdentifier)
	}
	return back
}

func (o *office) arrived() (to []string) {
	for _, e := range o.box.List() {
		to = append(to, e.To)
	}
	return to
}

func TestTell(t *testing.T) {
	o := newOffice(t)
	manager := o.hire("manager", staff.Manager)
	gone := o.hire("gone", staff.Manager)
	o.hire("teacher", staff.Teacher)
	o.must(o.Send(t.Context(), queue.Message{Group: "docomo#1", ID: "1", Body: "a copy"}))
	told, err := (&memo.Office{Staff: o.staff, Copies: o}).Tell(t.Context(), o.memo(), memo.Managers)
	o.must(err)
	if told != 2 {
		t.Errorf("%d are told", told)
	}
	gone.Disabled = true
	_, err = o.staff.PutStaff(t.Context(), gone)
	o.must(err)
	for range 2 { // the queue hands out twice
		if back := o.work(); back != nil {
			t.Errorf("handed back: %v", back)
		}
	}
	if diff := cmp.Diff([]string{manager.Mail}, o.arrived()); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
	text := o.box.List()[0].Text
	for _, want := range []string{"電話してください。", "Please phone.", "https://todoku.example.jp/alerts/1", "03-0000-0000"} {
		if !strings.Contains(text, want) {
			t.Errorf("the mail does not say %q:\n%s", want, text)
		}
	}
}

// What an operator puts off comes again, until it is too late; then it is an error.
func TestPutOff(t *testing.T) {
	o := newOffice(t)
	m := o.hire("manager", staff.Manager)
	office := &memo.Office{Staff: o.staff, Copies: o}
	_, err := office.Tell(t.Context(), o.memo(), memo.Person(m.ID))
	o.must(err)
	o.box.FailWith(func(*tmail.Message) error { return &tmail.SendError{Code: 451} })
	if back := o.work(); len(back) != 1 {
		t.Errorf("handed back: %v", back)
	}
	o.now = o.now.Add(2 * time.Hour)
	if back := o.work(); back != nil {
		t.Errorf("handed back when it is too late: %v", back)
	}
	if !strings.Contains(o.log.String(), "level=ERROR") {
		t.Errorf("nobody learns of it:\n%s", o.log.String())
	}
	if strings.Contains(o.log.String(), "@") {
		t.Errorf("an address in the log:\n%s", o.log.String())
	}
}
