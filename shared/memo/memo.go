// Package memo mails people of a school what they should know of the system's own
// accord: that an operator swallows mails, who has not answered, what is wrong with
// the school's mail.
//
// A memo travels through the copies' queue, so that whoever notices something needs
// no right to send mail and does not wait for it. Each member of staff is a group of
// their own there: a memo that their operator puts off holds up no alert. It is
// tried again until its deadline.
package memo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/letter"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
)

// Memo is what somebody should know.
type Memo struct {
	School  string    `json:"school"`
	About   string    `json:"about"` // names what it is about: 1 to 60 letters, digits and '-'. The same thing is told once
	Subject lang.Text `json:"subject"`
	Body    lang.Text `json:"body"` // lines end in \n. No names and addresses: those are behind the link
	Path    string    `json:"path"` // of the page that shows it, such as /alerts/ID; "": none
	// Until is when it is of no use any more.
	Until time.Time `json:"until"`
}

// letterTo is the body of a message: a memo to one member of staff.
type letterTo struct {
	Memo struct {
		Memo
		Staff string `json:"staff"`
	} `json:"memo"`
}

// bodyPrefix begins the body of a memo, and of nothing else in the queue.
const bodyPrefix = `{"memo":`

// Office hands memos out.
type Office struct {
	Staff  *staff.Store
	Copies queue.Sender
}

// Tell queues a memo to everybody of the school for whom it is, and returns how many
// those are. Telling the same again within five minutes tells nobody twice.
func (o *Office) Tell(ctx context.Context, m Memo, isFor func(staff.Staff) bool) (int, error) {
	people, err := o.Staff.OfSchool(ctx, m.School)
	if err != nil {
		return 0, err
	}
	var msgs []queue.Message
	for _, p := range people {
		if p.Disabled || p.Mail == "" || !isFor(p) {
			continue
		}
		msgs = append(msgs, m.message(p.ID))
	}
	if len(msgs) == 0 {
		return 0, nil
	}
	return len(msgs), o.Copies.Send(ctx, msgs...)
}

func (m Memo) message(staffID string) queue.Message {
	var l letterTo
	l.Memo.Memo, l.Memo.Staff = m, staffID
	body, err := json.Marshal(l)
	if err != nil {
		panic(err) // strings and times only
	}
	return queue.Message{Group: "memo#" + staffID, ID: "memo-" + m.About + "-" + staffID, Body: string(body)}
}

// Managers is for those who manage the school.
func Managers(m staff.Staff) bool { return m.Role == staff.Manager }

// Person is for one member of staff.
func Person(id string) func(staff.Staff) bool {
	return func(m staff.Staff) bool { return m.ID == id }
}

// Postman sends the memos among the messages of the copies' queue.
type Postman struct {
	Staff   *staff.Store
	Roster  *roster.Store
	Mail    mail.Sender
	BaseURL string
	Now     func() time.Time
	Log     *slog.Logger
}

// After returns a handler that hands the other messages of a batch to next, and then
// sends the memos.
func (p *Postman) After(next queue.Handler) queue.Handler {
	return queue.Beside(next, isMemo, p.deliver)
}

func isMemo(m events.SQSMessage) bool { return strings.HasPrefix(m.Body, bodyPrefix) }

// deliver sends one memo, or says why it is to come again. What cannot ever be sent is
// logged, as an error: somebody was not told.
func (p *Postman) deliver(ctx context.Context, m events.SQSMessage) error {
	err := p.send(ctx, m.Body)
	var failed *mail.SendError
	switch {
	case errors.Is(err, errVoid), errors.As(err, &failed) && failed.Permanent:
		p.Log.Error("memo not told", "message", m.MessageId, "err", err)
		return nil
	case err != nil:
		p.Log.Info("memo handed back", "message", m.MessageId, "err", err)
	}
	return err
}

// errVoid says that a memo cannot be sent, now or later.
var errVoid = errors.New("memo: cannot be sent")

func (p *Postman) send(ctx context.Context, body string) error {
	var l letterTo
	if err := json.Unmarshal([]byte(body), &l); err != nil {
		return fmt.Errorf("%w: %w", errVoid, err)
	}
	m := l.Memo
	now := p.Now()
	if now.After(m.Until) {
		return fmt.Errorf("%w: it is too late to tell %s", errVoid, m.About)
	}
	to, err := p.Staff.Staff(ctx, m.Staff)
	switch {
	case errors.Is(err, staff.ErrNotFound), err == nil && (to.Disabled || to.School != m.School || to.Mail == ""):
		return nil // they have left
	case err != nil:
		return err
	}
	school, err := p.Roster.School(ctx, m.School)
	if err != nil {
		return err
	}
	a, err := address.Parse(to.Mail)
	if err != nil {
		return fmt.Errorf("%w: %w", errVoid, err)
	}
	link := ""
	if m.Path != "" {
		link = p.BaseURL + m.Path
	}
	told := table.Key{Partition: "memo/" + m.About, Sort: m.Staff}
	if _, err := p.Staff.Table.Get(ctx, told); err == nil {
		return nil // the queue hands a message out again now and then
	}
	reader := letter.To{School: school, ID: "memo-" + m.About + "-" + m.Staff, Mailbox: a.Mailbox(), Now: now}
	out := letter.ToStaff(reader, m.Subject, m.Body, link, lang.T("画面を開く", "Open the page"))
	out.Deadline = m.Until
	if err := p.Mail.Send(ctx, out); err != nil {
		return err
	}
	// If this is not noted the memo may be told twice, which is better than not at all.
	err = p.Staff.Table.Write(context.WithoutCancel(ctx), "", table.Create{Key: told, Value: []byte("{}"), Expires: m.Until.Add(24 * time.Hour)})
	if _, there := table.Conflict(err); err != nil && !there {
		p.Log.Warn("a memo that was told is not noted", "staff", m.Staff, "err", err)
	}
	return nil
}
