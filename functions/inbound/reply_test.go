package inbound

import (
	"crypto/rand"
	"fmt"
	"slices"
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

// press answers by the link, for some of the children.
func (q *asking) press(choice string, children ...roster.Child) {
	q.Helper()
	choices := map[string]string{}
	for _, c := range children {
		choices[c.ID] = choice
	}
	q.must(q.alerts.Answer(q.Context(), q.alert, alert.AnswerRequest{Ref: q.ref, By: "g", Way: alert.ByLink, Choices: choices}))
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

// TestOlderReply: a reply is taken five minutes after the alert, and after something else
// was said by the link in the first minute.
func TestOlderReply(t *testing.T) {
	const second, day = time.Second, 24 * time.Hour
	tests := []struct {
		name         string
		link, reply  string
		date, handed time.Duration // after the start; no date: none
		want         string
		kept         bool
	}{
		{"it came before", "help", "無事です", 0, 30 * second, "help", true},
		{"its operator had it for long", "help", "無事です", 30 * second, 200 * second, "help", true},
		{"it was written after", "help", "無事です", 120 * second, 200 * second, "safe", false},
		{"no date", "help", "無事です", 0, 200 * second, "safe", false},
		{"a clock that is ahead", "help", "無事です", day, 200 * second, "safe", false},
		{"a clock that is days behind", "help", "無事です", -3 * day, 200 * second, "safe", false},
		{"a clock that is ahead, and it came before", "help", "無事です", day, 30 * second, "help", true},
		{"help, and it came before", "safe", "助けて", 0, 30 * second, "safe", true},
		{"help, by a clock that is a little behind", "safe", "助けて", 30 * second, 200 * second, "help", false},
		{"help, by a clock that is days behind", "safe", "助けて", -3 * day, 200 * second, "help", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := newAsking(t)
			date := ""
			if tt.date != 0 {
				date = q.starts.Add(tt.date).In(time.FixedZone("JST", 9*60*60)).Format(time.RFC1123Z)
			}
			q.at(tt.handed)
			body := q.handOver("m", tt.reply, date)
			q.at(time.Minute)
			q.press(tt.link, q.family.Children...)
			for range 2 { // mail comes twice
				q.at(5 * time.Minute)
				q.take(body)
			}
			if diff := cmp.Diff([]string{tt.want, tt.want}, q.said()); diff != "" {
				t.Errorf("what counts (-want +got):\n%s", diff)
			}
			if kept := q.kept(q.alert); slices.Equal(kept, []alert.Why{alert.Older}) != tt.kept || !tt.kept && len(kept) > 0 {
				t.Errorf("for staff: %q", kept)
			}
		})
	}
}

// TestRepliesWaited: two replies that had to wait count in the order in which they came,
// whichever is taken first.
func TestRepliesWaited(t *testing.T) {
	for _, reverse := range []bool{false, true} {
		t.Run(fmt.Sprintf("reverse %t", reverse), func(t *testing.T) {
			q := newAsking(t)
			q.at(30 * time.Second)
			bodies := []string{q.handOver("one", "無事です", "")}
			q.at(40 * time.Second)
			bodies = append(bodies, q.handOver("two", "助けて", ""))
			if reverse {
				slices.Reverse(bodies)
			}
			for i, body := range bodies {
				q.at(5*time.Minute + time.Duration(i)*time.Second)
				q.take(body)
			}
			if diff := cmp.Diff([]string{"help", "help"}, q.said()); diff != "" {
				t.Errorf("what counts (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReplyAfterOne: what was said of one child since does not keep a reply from the other,
// and a mail that comes again after that is no news for staff.
func TestReplyAfterOne(t *testing.T) {
	q := newAsking(t)
	q.at(30 * time.Second)
	body := q.handOver("m", "助けて", "")
	q.at(time.Minute)
	q.press("safe", q.family.Children[0])
	q.at(5 * time.Minute)
	q.take(body)
	if diff := cmp.Diff([]string{"safe", "help"}, q.said()); diff != "" {
		t.Errorf("what counts (-want +got):\n%s", diff)
	}
	f, err := q.alerts.Family(t.Context(), q.ref)
	q.must(err)
	if !f.Children[1].Answer.At.After(f.Children[0].Answer.At) {
		t.Errorf("who knows of %v is not told of %v", f.Children[0].Answer.At, f.Children[1].Answer.At)
	}
	q.at(6 * time.Minute)
	q.press("safe", q.family.Children...)
	q.take(body)
	if kept := q.kept(q.alert); len(kept) > 0 {
		t.Errorf("for staff: %q", kept)
	}
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
