package registration

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/web"
)

func (s *school) openOwn(address string) string {
	s.Helper()
	s.register(address, "name", "見本 花")
	s.do("POST", s.mailed(), url.Values{})
	if got := s.do("POST", "/register/own", url.Values{"address": {address}}); got.StatusCode != 303 {
		s.Fatalf("%d %s", got.StatusCode, got.body)
	}
	m := ownLink.FindStringSubmatch(s.inbox.List()[0].Text)
	if m == nil {
		s.Fatalf("no link in %q", s.inbox.List()[0].Text)
	}
	return m[1]
}

// counted is a table that counts what is asked of it.
type counted struct {
	table.Table
	n int
}

func (c *counted) Get(ctx context.Context, key table.Key) (table.Item, error) {
	c.n++
	return c.Table.Get(ctx, key)
}

func (c *counted) Query(ctx context.Context, q table.Query) (table.Page, error) {
	c.n++
	return c.Table.Query(ctx, q)
}

// TestOwnTakesAsLong: nobody sees by the time of an answer whether an address is a guardian's.
func TestOwnTakesAsLong(t *testing.T) {
	known := []string{"hana@gmail.com", "nobody@gmail.com"}
	ask := func(s *school, address string) {
		if got := s.do("POST", "/register/own", url.Values{"address": {address}}); got.StatusCode != 303 {
			t.Errorf("%s: %d %s", address, got.StatusCode, got.body)
		}
	}
	s := newSchool(t)
	s.openOwn(known[0])
	asked := &counted{Table: s.store.Table}
	s.store.Table, s.store.Roster.Table = asked, asked
	var works []func(context.Context)
	s.config.Background = func(work func(context.Context)) { works = append(works, work) }
	var err error
	s.handler, err = New(s.config)
	s.must(err)
	before := len(s.inbox.List())
	for i, address := range known {
		asked.n = 0
		if ask(s, address); asked.n != 1 || len(works) != i+1 || len(s.inbox.List()) != before {
			t.Errorf("%s: before the answer the store is asked %d times, and %d mails leave", address, asked.n, len(s.inbox.List())-before)
		}
	}
	for _, work := range works {
		work(t.Context())
	}
	if got := s.inbox.List(); len(got) != before+1 || got[0].To != known[0] {
		t.Errorf("%d mails leave", len(got)-before)
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSchool(t)
		s.openOwn(known[0])
		s.config.Background = nil
		s.handler, err = New(s.config)
		s.must(err)
		for _, address := range known {
			begun := time.Now()
			if ask(s, address); time.Since(begun) != web.MailPause {
				t.Errorf("%s: answered after %v", address, time.Since(begun))
			}
		}
	})
}

// TestOwnNotMailed: that a mail operator did not take the link is in the log, without the
// address, and whoever asked sees what he or she always sees.
func TestOwnNotMailed(t *testing.T) {
	s := newSchool(t)
	s.openOwn("hana@gmail.com")
	s.inbox.FailWith(func(*mail.Message) error { return &mail.SendError{Code: 421, Enhanced: "4.7.0", Text: "too fast"} })
	for address, logged := range map[string]bool{"hana@gmail.com": true, "nobody@gmail.com": false} {
		s.log.Reset()
		if got := s.do("POST", "/register/own", url.Values{"address": {address}}); got.StatusCode != 303 || got.Header.Get("Location") != "/register/own?sent=1" {
			t.Errorf("%s: %d, to %s", address, got.StatusCode, got.Header.Get("Location"))
		}
		if log := s.log.String(); strings.Contains(log, "too fast") != logged || strings.Contains(log, "@") {
			t.Errorf("%s: the log says %q", address, log)
		}
	}
}

// contact returns a contact of the one family, and its id.
func (s *school) contact(address string) roster.Contact {
	s.Helper()
	families, _, err := s.store.Roster.Families(s.Context(), "s1", "")
	s.must(err)
	for _, g := range families[0].Guardians {
		for _, c := range g.Contacts {
			if c.Address == address {
				return c
			}
		}
	}
	return roster.Contact{}
}

// fed is the copies' queue: it has the invitations in it sent at once.
type fed struct{ s *school }

func (f fed) Send(ctx context.Context, msgs ...queue.Message) error {
	var e events.SQSEvent
	for _, m := range msgs {
		e.Records = append(e.Records, events.SQSMessage{MessageId: m.ID, Body: m.Body})
	}
	i := &Inviter{Poster: f.s.poster, Log: slog.New(slog.NewTextHandler(f.s.log, nil))}
	res, err := i.After(nil)(ctx, e)
	if len(res.BatchItemFailures) > 0 {
		f.s.Errorf("handed back: %v", res.BatchItemFailures)
	}
	return err
}

// feed does what the tick does.
func (s *school) feed() {
	s.Helper()
	s.must(s.store.Feed(s.Context(), fed{s}))
}

// The mail that tells the school is sent again if its operator puts it off, and not
// at all if the family can be reached again.
func TestLostRoute(t *testing.T) {
	s := newSchool(t)
	own := s.openOwn("hana@docomo.ne.jp")
	s.must(s.store.Feed(t.Context(), fed{s}))
	leave := url.Values{"do": {"leave"}, "contact": {s.contact("hana@docomo.ne.jp").ID}}
	s.do("POST", own, leave)
	s.inbox.FailWith(func(*mail.Message) error { return &mail.SendError{Code: 451, Enhanced: "4.7.1", Text: "later"} })
	s.now = s.now.Add(enrol.FeedEvery)
	s.feed()
	s.inbox.FailWith(nil)
	before := len(s.inbox.List())
	s.now = s.now.Add(time.Minute)
	s.feed()
	if got := len(s.inbox.List()); got != before {
		t.Errorf("it was sent again at once")
	}
	s.now = s.now.Add(5 * time.Minute)
	s.feed()
	if got := s.inbox.List(); len(got) != before+1 || got[0].To != "renraku@hibari.example" {
		t.Errorf("%d mails, the newest %+v", len(got)-before, got[0])
	}

	own = s.openOwn("hana@gmail.com")
	leave.Set("contact", s.contact("hana@gmail.com").ID)
	s.do("POST", own, leave)
	s.openOwn("hana@icloud.com")
	before = len(s.inbox.List())
	s.now = s.now.Add(enrol.FeedEvery)
	s.feed()
	if got := len(s.inbox.List()); got != before {
		t.Error("the school is told of children who can be reached")
	}

	own = s.openOwn("hana@icloud.com")
	s.do("POST", own, url.Values{"do": {"add"}, "address": {"hana@au.com"}})
	s.do("POST", s.mailed(), url.Values{})
	s.inbox.FailWith(func(*mail.Message) error { return &mail.SendError{Permanent: true, Code: 550} })
	for _, a := range []string{"hana@au.com", "hana@icloud.com"} {
		s.do("POST", own, url.Values{"do": {"leave"}, "contact": {s.contact(a).ID}})
	}
	s.now = s.now.Add(enrol.FeedEvery)
	s.feed()
	if !strings.Contains(s.log.String(), "level=ERROR") {
		t.Error("that nobody was told is not in the log")
	}
}

// TestLostUsableRoute: an address that its operator refuses is no route; when the other
// one goes, the school is told.
func TestLostUsableRoute(t *testing.T) {
	s := newSchool(t)
	s.openOwn("hana@gmail.com")
	own := s.openOwn("hana@docomo.ne.jp")
	refused := s.contact("hana@gmail.com").ID
	families, _, err := s.store.Roster.Families(t.Context(), "s1", "")
	s.must(err)
	s.must(s.store.Roster.EditContacts(t.Context(), "s1", families[0].ID, func(c *roster.Contact) bool {
		if c.ID == refused {
			c.State, c.RefusedAt = roster.Refused, s.now
		}
		return c.ID == refused
	}))
	s.do("POST", own, url.Values{"do": {"leave"}, "contact": {s.contact("hana@docomo.ne.jp").ID}})
	before := len(s.inbox.List())
	s.now = s.now.Add(enrol.FeedEvery)
	s.feed()
	if got := s.inbox.List(); len(got) != before+1 || got[0].To != "renraku@hibari.example" {
		t.Errorf("%d mails for the school", len(got)-before)
	}
}

// A registration's mail that an operator puts off is sent again by itself, once.
func TestPutOff(t *testing.T) {
	s := newSchool(t)
	s.inbox.FailWith(func(*mail.Message) error { return &mail.SendError{Code: 451, Enhanced: "4.7.1", Text: "later"} })
	wait := s.register("hana@docomo.ne.jp").Header.Get("Location")
	if got := s.do("GET", wait, nil); !strings.Contains(got.body, "自動で送り直します") {
		t.Errorf("the page does not say so: %s", got.body)
	}
	s.now = s.now.Add(6 * time.Minute)
	s.feed() // put off once more
	s.inbox.FailWith(nil)
	s.now = s.now.Add(11 * time.Minute)
	s.feed()
	s.do("POST", s.mailed(), url.Values{})
	if got := s.states(); !strings.Contains(got, "hana@docomo.ne.jp verified") {
		t.Errorf("registered: %s", got)
	}

	s.inbox.FailWith(func(*mail.Message) error { return &mail.SendError{Code: 451} })
	wait = s.register("taro@docomo.ne.jp").Header.Get("Location")
	s.inbox.FailWith(nil)
	s.now = s.now.Add(enrol.Again)
	s.do("POST", wait, url.Values{}) // the person was quicker
	before := len(s.inbox.List())
	for range 3 {
		s.now = s.now.Add(24 * time.Hour)
		s.feed()
	}
	if got := len(s.inbox.List()); got != before {
		t.Errorf("%d further mails, though it was sent", got-before)
	}
}

func TestOwnPage(t *testing.T) {
	s := newSchool(t)
	own := s.openOwn("hana@docomo.ne.jp")
	id := s.contact("hana@docomo.ne.jp").ID
	if got := s.do("GET", own, nil); !strings.Contains(got.body, "見本 一郎（1年1組）") || strings.Contains(got.body, "二葉") {
		t.Errorf("the own page shows other children than her own: %s", got.body)
	}
	change := func(form ...string) result {
		t.Helper()
		v := url.Values{"contact": {id}}
		for i := 0; i < len(form); i += 2 {
			v.Set(form[i], form[i+1])
		}
		return s.do("POST", own, v)
	}
	if got := change("do", "pause", "until", "2026-04-10"); got.StatusCode != 303 || s.contact("hana@docomo.ne.jp").Listens(false, s.now) {
		t.Errorf("paused: %d", got.StatusCode)
	}
	if !s.contact("hana@docomo.ne.jp").Listens(false, s.now.AddDate(0, 0, 5)) {
		t.Error("a pause does not end")
	}
	for _, day := range []string{"2026-04-05", "2027-04-05", "soon"} {
		if got := change("do", "pause", "until", day); got.StatusCode != 422 {
			t.Errorf("paused until %s: %d", day, got.StatusCode)
		}
	}
	if got := change("do", "pause"); got.StatusCode != 303 || !s.contact("hana@docomo.ne.jp").Listens(false, s.now) {
		t.Errorf("resumed: %d", got.StatusCode)
	}
	if got := change("do", "lang", "in", "en"); got.StatusCode != 303 {
		t.Errorf("language: %d", got.StatusCode)
	}
	before := len(s.inbox.List())
	if got := change("do", "test"); got.StatusCode != 303 || len(s.inbox.List()) != before+1 {
		t.Errorf("test mail: %d, %d mails", got.StatusCode, len(s.inbox.List())-before)
	}
	// A new address in the place of the old one: the old one is used until then.
	if got := change("do", "add", "address", "new@gmail.com", "replaces", id); got.StatusCode != 303 || s.states() != "見本 花  hana@docomo.ne.jp verified" {
		t.Errorf("added: %d, %s", got.StatusCode, s.states())
	}
	s.do("POST", s.mailed(), url.Values{})
	if got := s.states(); got != "見本 花  new@gmail.com verified" {
		t.Errorf("replaced: %s", got)
	}
	if got := s.do("GET", own, nil); got.StatusCode != 404 {
		t.Errorf("the link of the address that is gone: %d", got.StatusCode)
	}
}

func TestLeave(t *testing.T) {
	s := newSchool(t)
	own := s.openOwn("hana@docomo.ne.jp")
	id := s.contact("hana@docomo.ne.jp").ID
	if got := s.do("GET", own+"?leave="+id, nil); !strings.Contains(got.body, "最後のアドレス") || s.states() == "" {
		t.Errorf("asked before: %s", got.body)
	}
	if got := s.do("POST", own, url.Values{"do": {"leave"}, "contact": {id}}); got.StatusCode != 200 || s.states() != "" {
		t.Errorf("left: %d, %s", got.StatusCode, s.states())
	}
	s.now = s.now.Add(enrol.FeedEvery)
	s.feed()
	told := s.inbox.List()[0]
	if told.To != "renraku@hibari.example" || !strings.Contains(told.Text, "1年1組") || strings.Contains(told.Text, "一郎") {
		t.Errorf("the school is told: %+v", told)
	}
	s.now = s.now.Add(enrol.OwnLife)
	if got := s.do("GET", own, nil); got.StatusCode != 410 {
		t.Errorf("the link an hour later: %d", got.StatusCode)
	}
}

// TestFoundSlip has somebody register with a slip that was found and the name of the
// child's mother: the own page behind that address shows and changes nothing of hers.
func TestFoundSlip(t *testing.T) {
	s := newSchool(t)
	s.openOwn("hana@docomo.ne.jp")
	own := s.openOwn("thief@gmail.com")
	if got := s.do("GET", own, nil); got.StatusCode != 200 || strings.Contains(got.body, "hana@docomo.ne.jp") {
		t.Errorf("the page of another address: %d %s", got.StatusCode, got.body)
	}
	before, id := s.states(), s.contact("hana@docomo.ne.jp").ID
	for _, do := range []string{"leave", "pause", "quiet", "test"} {
		form := url.Values{"do": {do}, "contact": {id}, "until": {"2026-04-10"}, "quiet": {"1"}}
		if got := s.do("POST", own, form); got.StatusCode != 404 {
			t.Errorf("%s: %d", do, got.StatusCode)
		}
	}
	s.do("POST", own, url.Values{"do": {"add"}, "address": {"thief2@gmail.com"}, "replaces": {id}})
	s.do("POST", s.mailed(), url.Values{})
	if got := s.states(); !strings.HasPrefix(got, before) || !s.contact("hana@docomo.ne.jp").Listens(true, s.now) {
		t.Errorf("before: %s; after: %s", before, got)
	}
}

// An address that nobody registered gets no mail, and the page says the same.
func TestOwnTellsNothing(t *testing.T) {
	s := newSchool(t)
	if got := s.do("POST", "/register/own", url.Values{"address": {"nobody@gmail.com"}}); got.StatusCode != 303 || got.Header.Get("Location") != "/register/own?sent=1" || len(s.inbox.List()) > 0 {
		t.Errorf("%d, %d mails", got.StatusCode, len(s.inbox.List()))
	}
}

// One click ends notices, and leaves safety checks alone (RFC 8058).
func TestOneClick(t *testing.T) {
	s := newSchool(t)
	s.openOwn("hana@docomo.ne.jp")
	families, _, err := s.store.Roster.Families(t.Context(), "s1", "")
	s.must(err)
	token, err := s.links.Sign(link.Link{Kind: link.Leave, Class: "s1", Family: families[0].ID, Contact: s.contact("hana@docomo.ne.jp").ID, Expires: s.now.Add(time.Hour)})
	s.must(err)
	path := "/register/leave/" + token
	if got := s.do("GET", path, nil); got.StatusCode != 200 || !s.contact("hana@docomo.ne.jp").Listens(true, s.now) {
		t.Errorf("opening it: %d", got.StatusCode)
	}
	if got := s.do("POST", path, url.Values{"List-Unsubscribe": {"One-Click"}}); got.StatusCode != 200 {
		t.Errorf("a mail program is led on: %d", got.StatusCode) // it must not be
	}
	if c := s.contact("hana@docomo.ne.jp"); c.Listens(true, s.now) || !c.Listens(false, s.now) {
		t.Errorf("after one click: %+v", c)
	}
	s.do("POST", path, url.Values{"again": {"1"}})
	if !s.contact("hana@docomo.ne.jp").Listens(true, s.now) {
		t.Error("notices do not come back")
	}
}

// TestDoubtsAtTheOtherDoors: a list's address is asked about on the own page; one that
// came by a mail, where nobody could be asked, on the page that confirms it.
func TestDoubtsAtTheOtherDoors(t *testing.T) {
	s := newSchool(t)
	own := s.openOwn("hana@docomo.ne.jp")
	mails := len(s.inbox.List())
	got := s.do("POST", own, url.Values{"do": {"add"}, "address": {"subscribe@pta.example"}})
	if got.StatusCode != 422 || !strings.Contains(got.body, "メーリングリスト") || len(s.inbox.List()) != mails {
		t.Errorf("adding a list: %d", got.StatusCode)
	}
	if got := s.do("POST", own, url.Values{"do": {"add"}, "address": {"x@gmial.com"}, "suggested": {"x@gmail.com"}}); got.StatusCode != 303 || s.inbox.List()[0].To != "x@gmail.com" {
		t.Errorf("taking the suggestion: %d", got.StatusCode)
	}
	if got := s.do("POST", own, url.Values{"do": {"add"}, "address": {"subscribe@pta.example"}, "sure": {"subscribe@pta.example"}}); got.StatusCode != 303 {
		t.Errorf("adding what is meant: %d", got.StatusCode)
	}
	a, err := address.Parse("office@hibari.example")
	s.must(err)
	j, err := s.store.Join(t.Context(), enrol.Request{Codes: []string{s.codes[0]}, Address: a, Door: enrol.ByMail})
	s.must(err)
	_, err = s.poster.Send(t.Context(), "s1", j.ID)
	s.must(err)
	if got := s.do("GET", s.mailed(), nil); !strings.Contains(got.body, "窓口や自動送信用") {
		t.Error("the page that confirms an office's address does not say so")
	}
}

// TestStillRead: a year after, the page asks whether the address is still read, and
// shows no child: an operator may have given the address to somebody else.
func TestStillRead(t *testing.T) {
	s := newSchool(t)
	s.openOwn("hana@docomo.ne.jp")
	s.now = s.now.Add(366 * 24 * time.Hour)
	lanes, err := lane.Load(nil)
	s.must(err)
	s.must(s.store.Recheck(t.Context(), lanes))
	s.feed()
	path := s.mailed()
	if told := s.inbox.List()[0]; !strings.Contains(told.Subject, "届いていますか") || strings.Contains(told.Text, "心当たりがない") {
		t.Errorf("the mail says %q: %s", told.Subject, told.Text)
	}
	if got := s.do("GET", path, nil); !strings.Contains(got.body, "届いています") || strings.Contains(got.body, "一郎") {
		t.Errorf("the page: %s", got.body)
	}
	if c := s.contact("hana@docomo.ne.jp"); c.Answered.Equal(s.now) {
		t.Error("opening the page was taken for an answer")
	}
	if got := s.do("POST", path, nil); got.StatusCode != 303 || !s.contact("hana@docomo.ne.jp").Answered.Equal(s.now) {
		t.Errorf("pressed: %d", got.StatusCode)
	}
}
