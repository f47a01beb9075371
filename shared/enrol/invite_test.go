package enrol_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
)

// outbox is the copies' queue, as far as Feed uses it.
type outbox struct {
	msgs []queue.Message
	ids  map[string]bool
}

func (o *outbox) Send(_ context.Context, msgs ...queue.Message) error {
	if err := queue.Check(msgs...); err != nil {
		return err
	}
	for _, m := range msgs {
		if !o.ids[m.ID] {
			o.ids[m.ID] = true
			o.msgs = append(o.msgs, m)
		}
	}
	return nil
}

func (b *bench) lanes() *lane.Lanes {
	b.Helper()
	l, err := lane.Load(nil)
	b.must(err)
	return l
}

func (b *bench) invite(text string) map[string]enrol.Row {
	b.Helper()
	rows, err := b.store.Invite(b.Context(), enrol.Invitation{School: "s1", Class: roster.Group{ID: "c1"}, By: "staff", Text: text}, b.lanes())
	b.must(err)
	byText := map[string]enrol.Row{}
	for _, r := range rows {
		byText[r.Text] = r
	}
	return byText
}

// feed runs the tick and sends what it put into the queue. It returns how many
// messages each group got.
func (b *bench) feed() map[string]int {
	b.Helper()
	o := &outbox{ids: map[string]bool{}}
	b.must(b.store.Feed(b.Context(), o))
	groups := map[string]int{}
	for _, m := range o.msgs {
		groups[m.Group]++
		if !enrol.IsInvitation(m.Body) {
			b.Fatalf("a message without an invitation: %s", m.Body)
		}
		b.must(b.post.Invite(b.Context(), m.Body))
		b.must(b.post.Invite(b.Context(), m.Body)) // queues hand out twice
	}
	return groups
}

func TestInvite(t *testing.T) {
	b := newBench(t)
	rows := b.invite(strings.Join([]string{
		"見本一郎\tmother@docomo.ne.jp", "見本　一郎 ＜father@gmail.com＞", "だれか other@docomo.ne.jp", "plain@softbank.ne.jp",
		"taro@gmial.com", "これはだれ", "", "hana@docomo.ne.jp",
	}, "\r\n"))
	for text, want := range map[string]struct {
		outcome enrol.Outcome
		child   string
	}{
		"見本一郎\tmother@docomo.ne.jp": {enrol.DidInvite, "見本 一郎"},
		"見本　一郎 ＜father@gmail.com＞":  {enrol.DidInvite, "見本 一郎"},
		"だれか other@docomo.ne.jp":    {enrol.Failed, ""},
		"plain@softbank.ne.jp":      {enrol.DidInvite, ""},
		"taro@gmial.com":            {enrol.Doubtful, ""},
		"これはだれ":                     {enrol.Failed, ""},
		"hana@docomo.ne.jp":         {enrol.DidInvite, ""},
	} {
		if got := rows[text]; got.Outcome != want.outcome || got.Child != want.child || (want.outcome != enrol.DidInvite) == (got.Why.JA == "") {
			t.Errorf("%q: %+v, want %v", text, got, want)
		}
	}
	f, _, c, children := b.contact("mother@docomo.ne.jp")
	if c.State != roster.Unverified || len(f.Guardians) != 2 || len(children) != 1 {
		t.Errorf("the office's address: %+v for %q", c, children)
	}
	if again := b.invite("見本一郎 mother@docomo.ne.jp"); again["見本一郎 mother@docomo.ne.jp"].Outcome != enrol.Already {
		t.Errorf("invited twice: %+v", again)
	}
	b.feed()
	if got := len(b.inbox.List()); got != 4 {
		t.Errorf("%d mails came, not 4", got)
	}
	for _, m := range b.inbox.List() {
		if m.To == "plain@softbank.ne.jp" && !strings.Contains(m.Text, "登録コード") {
			t.Errorf("who has no child is not asked for the code: %s", m.Text)
		}
	}
}

// Who was invited and does not answer is reminded twice, and then left alone; who
// confirmed is not reminded.
func TestReminders(t *testing.T) {
	b := newBench(t)
	b.invite("見本一郎 quiet@docomo.ne.jp\n見本一郎 quick@gmail.com")
	b.feed()
	joins, err := b.store.Joins(t.Context(), "s1")
	b.must(err)
	for _, j := range joins {
		if j.Address == "quick@gmail.com" {
			_, err := b.store.Confirm(t.Context(), "s1", j.ID)
			b.must(err)
		}
	}
	for range 60 {
		b.now = b.now.AddDate(0, 0, 1)
		b.feed()
	}
	got := map[string]int{}
	for _, m := range b.inbox.List() {
		got[m.To]++
	}
	if got["quiet@docomo.ne.jp"] != 1+len(enrol.Reminders) || got["quick@gmail.com"] != 1 {
		t.Errorf("mails: %v", got)
	}
	if _, _, c, _ := b.contact("quick@gmail.com"); c.State != roster.Verified {
		t.Errorf("confirmed, but %s", c.State)
	}
}

// A mail that an operator puts off comes again through the tick; one that it
// refused does not.
func TestInviteFails(t *testing.T) {
	b := newBench(t)
	b.invite("見本一郎 later@docomo.ne.jp\n見本一郎 never@gmail.com")
	b.inbox.FailWith(func(m *mail.Message) error {
		if m.To.Address == "never@gmail.com" {
			return &mail.SendError{Permanent: true, Code: 550, Enhanced: "5.1.1", Text: "User unknown"}
		}
		return &mail.SendError{Code: 451, Enhanced: "4.7.1", Text: "later"}
	})
	b.feed()
	b.inbox.FailWith(nil)
	for range 20 {
		b.now = b.now.Add(enrol.FeedEvery)
		b.feed()
	}
	if mails := b.inbox.List(); len(mails) != 1 || mails[0].To != "later@docomo.ne.jp" {
		t.Errorf("mails: %+v", mails)
	}
	r, err := b.store.Reach(t.Context(), "s1", b.lanes())
	b.must(err)
	if r.All.Refused != 1 || r.All.Children != 3 || r.All.None != 1 {
		t.Errorf("reach: %+v", r.All)
	}
}

// TestInvitations700 puts 700 invitations in at once: each feeding gives a slot of
// a lane one batch at most, lanes do not wait for each other, and an alert that
// comes in between waits behind one batch.
func TestInvitations700(t *testing.T) {
	const n = 700
	b := newBench(t)
	domains := []string{"gmail.com", "gmail.com", "gmail.com", "gmail.com", "docomo.ne.jp", "docomo.ne.jp", "icloud.com", "ezweb.ne.jp", "softbank.ne.jp", "yahoo.co.jp"}
	for from := 0; from < n; from += 350 { // at most enrol.MaxRows in one form
		var text strings.Builder
		for i := from; i < from+350; i++ {
			fmt.Fprintf(&text, "parent%d@%s\n", i, domains[i%len(domains)])
		}
		b.invite(text.String())
	}
	lanes := b.lanes()
	minutes, most := 0, 0
	for sent := 0; sent < n; minutes++ {
		groups := b.feed()
		for g, m := range groups {
			most = max(most, m)
			name, _, _ := strings.Cut(g, "#")
			if m > queue.MaxBatch {
				t.Errorf("group %s got %d messages at once", g, m)
			}
			if lanes.Named(name).Label.JA == name {
				t.Errorf("%s is the lane of no operator", name)
			}
			sent += m
		}
		if more := b.feed(); len(more) > 0 {
			t.Fatalf("a second run within the minute sent %v", more)
		}
		if len(groups) == 0 {
			t.Fatalf("it stands still after %d of %d", sent, n)
		}
		b.now = b.now.Add(enrol.FeedEvery)
	}
	if got := len(b.inbox.List()); got != n {
		t.Errorf("%d mails came, not %d", got, n)
	}
	t.Logf("%d invitations left in %d minutes, at most %d of a slot at once", n, minutes, most)
}

func TestIsInvitation(t *testing.T) {
	body, err := json.Marshal(map[string]any{"invite": map[string]string{"s": "s1"}})
	if err != nil || !enrol.IsInvitation(string(body)) || enrol.IsInvitation(`{"a":"x","k":"y"}`) {
		t.Error("a copy passes for an invitation, or the other way round")
	}
}

func TestReach(t *testing.T) {
	b := newBench(t)
	b.register("mother@docomo.ne.jp", "母", b.codes(b.one)...)
	b.register("mother2@docomo.ne.jp", "母", b.codes(b.one)...)
	r, err := b.store.Reach(t.Context(), "s1", b.lanes())
	b.must(err)
	if got := r.All; got.VerifiedOnes != 2 || got.OneOperator != 2 || got.One != 1 || got.Unverified != 1 || got.Percent() != 66 {
		t.Errorf("%+v", got)
	}
	if found := enrol.Search(r.Children, "見本 ｍother2"); len(found) != 2 {
		t.Errorf("found %d children", len(found))
	}
	for range 3 {
		b.must(b.store.Keep(t.Context()))
		b.now = b.now.AddDate(0, 0, 1)
		b.must(b.store.Keep(t.Context()))
	}
	scores, err := b.store.Scores(t.Context(), "s1", 100)
	b.must(err)
	if len(scores) != 4 || scores[0].Day != "2026-04-06" || scores[3].Percent() != 66 {
		t.Errorf("%+v", scores)
	}
}
