package inbound

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/mail/incoming"
	"github.com/todoku/todoku/shared/roster"
)

const haha = "haha@docomo.ne.jp"

// asking is a bench with a family of two children and an alert that asks it.
type asking struct {
	*bench
	alerts *alert.Store
	family roster.Family
	alert  alert.Alert
	ref    alert.Ref
	starts time.Time
}

func newAsking(t *testing.T) *asking {
	t.Helper()
	b := newBench(t)
	clock := func() time.Time { return b.now }
	r := b.handler.Enrol.Roster
	q := &asking{bench: b, starts: b.now, alerts: &alert.Store{Table: b.table, IDs: id.NewSource(clock, rand.Reader), Now: clock}}
	b.handler.Alerts, b.handler.Links = q.alerts, b.handler.Poster.Links
	var err error
	q.family, err = r.PutFamily(t.Context(), "s1", roster.Family{
		Children: []roster.Child{
			{ID: r.IDs.New(), Name: "山田 三郎", Class: "c3", Guardians: []string{"g"}}, {ID: r.IDs.New(), Name: "山田 四葉", Class: "c3", Guardians: []string{"g"}}},
		Guardians: []roster.Guardian{{ID: "g", Name: "母", Contacts: []roster.Contact{{ID: r.IDs.New(), Address: haha, State: roster.Verified}}}},
	})
	b.must(err)
	q.alert = q.accept("", haha)
	q.ref = alert.Ref{Alert: q.alert.ID, Class: "c3", Family: q.family.ID}
	return q
}

// accept accepts an alert in the place of another, with a copy to a mailbox of the family;
// "": the family is not asked.
func (q *asking) accept(supersedes, mailbox string) alert.Alert {
	q.Helper()
	a, _, err := q.alerts.Accept(q.Context(), alert.Draft{
		School: "s1", Kind: alert.Safety, Subject: "安否の確認", Body: "回答してください。", All: true, UsefulUntil: q.now.Add(6 * time.Hour), Supersedes: supersedes,
	}, q.alerts.IDs.New())
	q.must(err)
	if supersedes != "" {
		q.must(q.alerts.Supersede(q.Context(), a))
	}
	if mailbox == "" {
		return a
	}
	m := alert.Made{Class: "c3", Family: alert.Family{
		ID: q.family.ID, Guardians: []alert.Guardian{{ID: "g", Name: "母"}},
		Copies: []alert.Copy{{Contact: q.family.Guardians[0].Contacts[0].ID, Mailbox: mailbox, Lane: "docomo", State: alert.Sent}},
	}}
	for _, c := range q.family.Children {
		m.Family.Children = append(m.Family.Children, alert.Child{ID: c.ID, Name: c.Name, Class: c.Class, Guardians: []int{0}})
	}
	q.must(q.alerts.Table.Write(q.Context(), "", alert.CreateOps(a.ID, []alert.Made{m})...))
	return a
}

// at moves the clock to a time after the start of the alert.
func (q *asking) at(d time.Duration) { q.now = q.starts.Add(d) }

// handOver returns the message of a reply that comes now.
func (q *asking) handOver(name, text, date string) string {
	q.Helper()
	local, err := q.handler.Links.SignReply(q.alert.ID, q.family.ID)
	q.must(err)
	raw := "From: <" + haha + ">\r\nSubject: Re: 安否の確認\r\nMessage-ID: <" + name + "@docomo.ne.jp>\r\nContent-Type: text/plain; charset=UTF-8\r\n"
	if date != "" {
		raw += "Date: " + date + "\r\n"
	}
	body, err := Notification([]byte(raw+"\r\n"+text), incoming.Envelope{From: haha, To: []string{local + "@" + domain}}, name, q.now)
	q.must(err)
	return body
}

func (q *asking) take(body string) {
	q.Helper()
	r, err := q.handler.Handle(q.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: body}}})
	if err != nil || len(r.BatchItemFailures) > 0 {
		q.Fatalf("not taken: %v %s", err, q.log)
	}
}

// said returns what counts of each child, "" if nothing was said.
func (q *asking) said() []string {
	q.Helper()
	f, err := q.alerts.Family(q.Context(), q.ref)
	q.must(err)
	var said []string
	for _, c := range f.Children {
		if c.Answer == nil {
			c.Answer = &alert.Answer{}
		}
		said = append(said, c.Answer.Choice)
	}
	return said
}

// kept returns why replies to an alert are for staff to read.
func (q *asking) kept(a alert.Alert) []alert.Why {
	q.Helper()
	replies, _, err := q.alerts.Replies(q.Context(), a.ID, 10)
	q.must(err)
	var kept []alert.Why
	for _, r := range replies {
		kept = append(kept, r.Why)
	}
	return kept
}

// TestReplyIsFound: the roster and the alerts go on after a mail has left; a reply to it is
// never lost.
func TestReplyIsFound(t *testing.T) {
	r := func(q *asking) *roster.Store { return q.handler.Enrol.Roster }
	tests := []struct {
		name   string
		change func(*asking)
		answer bool // or else it is kept for staff
	}{
		{"nothing has changed", func(*asking) {}, true},
		{"the children changed class", func(q *asking) {
			for i := range q.family.Children {
				q.family.Children[i].Class = "c4"
			}
			_, err := r(q).PutFamily(q.Context(), "s1", q.family)
			q.must(err)
		}, true},
		{"the family is part of another", func(q *asking) { q.must(r(q).DeleteFamily(q.Context(), "s1", q.family)) }, true},
		{"a newer alert asks the family", func(q *asking) { q.accept(q.alert.ID, haha) }, false},
		{"a newer alert does not ask the family", func(q *asking) { q.accept(q.alert.ID, "") }, false},
		{"a newer alert asks at another address", func(q *asking) { q.accept(q.alert.ID, "chichi@docomo.ne.jp") }, false},
		{"all of it", func(q *asking) {
			q.must(r(q).DeleteFamily(q.Context(), "s1", q.family))
			q.accept(q.alert.ID, "")
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := newAsking(t)
			q.at(time.Minute)
			tt.change(q)
			q.at(2 * time.Minute)
			q.take(q.handOver("m", "助けて", ""))
			want, kept := []string{"", ""}, 1
			if tt.answer {
				want, kept = []string{"help", "help"}, 0
			}
			if diff := cmp.Diff(want, q.said()); diff != "" {
				t.Errorf("what counts (-want +got):\n%s", diff)
			}
			replies := q.kept(q.alert)
			if newest, err := q.alerts.Newest(t.Context(), q.read()); err == nil && newest.ID != q.alert.ID {
				replies = append(replies, q.kept(newest)...)
			}
			if len(replies) != kept {
				t.Errorf("for staff: %q; %s", replies, q.log)
			}
		})
	}
}

// read reads the alert as it is now.
func (q *asking) read() alert.Alert {
	q.Helper()
	a, err := q.alerts.Alert(q.Context(), q.alert.ID)
	q.must(err)
	return a
}
