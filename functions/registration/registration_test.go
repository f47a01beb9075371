package registration

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/mail/inbox"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table/bbolt"
	"github.com/todoku/todoku/shared/web"
	"github.com/todoku/todoku/shared/web/webtest"
)

const site = "http://todoku.test"

// school is a school with two children and their codes, an inbox, and a clock.
type school struct {
	*testing.T
	now     time.Time
	store   *enrol.Store
	inbox   *inbox.Inbox
	handler http.Handler
	log     *strings.Builder
	codes   []string
	links   *link.Signer
	poster  *enrol.Poster
}

func newSchool(t *testing.T) *school {
	t.Helper()
	s := &school{T: t, now: time.Date(2026, 4, 6, 0, 0, 0, 0, time.UTC), log: &strings.Builder{}}
	clock := func() time.Time { return s.now }
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "todoku.db"))
	s.must(err)
	t.Cleanup(func() { _ = db.Close() })
	db.NoSync = true // nothing of this outlives the test
	tb, err := bbolt.New(db, clock)
	s.must(err)
	ids := id.NewSource(clock, rand.Reader)
	r := &roster.Store{Table: tb, IDs: ids, Now: clock}
	s.must(r.PutSchool(t.Context(), roster.School{ID: "s1", Name: "ひばり小学校", Mail: "renraku@hibari.example", Phone: "03-0000-0000", Zone: "Asia/Tokyo"}))
	s.must(r.PutGroup(t.Context(), "s1", roster.Group{ID: "c1", Kind: roster.Class, Name: "1年1組"}))
	s.store = &enrol.Store{Table: tb, Roster: r, IDs: ids, Now: clock, Random: rand.Reader}
	s.inbox = inbox.New(0, clock)
	links, err := link.NewSigner(link.Key{ID: 1, Secret: make([]byte, 32)})
	s.must(err)
	s.links = links
	lanes, err := lane.Load(nil)
	s.must(err)
	f, err := r.PutFamily(t.Context(), "s1", roster.Family{Children: []roster.Child{{Name: "見本 一郎", Class: "c1"}, {Name: "見本 二葉", Class: "c1"}}})
	s.must(err)
	for _, c := range f.Children {
		p, err := s.store.Issue(t.Context(), "s1", []enrol.ChildRef{{Family: f.ID, Child: c.ID}}, false)
		s.must(err)
		s.codes = append(s.codes, enrol.Pretty(p[0].Code))
	}
	s.poster = &enrol.Poster{Store: s.store, Mail: s.inbox, Links: links, Lanes: lanes, BaseURL: site}
	s.handler, err = New(Config{
		Enrol: s.store, Poster: s.poster, Links: links, Lanes: lanes,
		Now: clock, Log: slog.New(slog.NewTextHandler(s.log, nil)), School: web.School{Name: "ひばり小学校", Phone: "03-0000-0000"}, BaseURL: site,
	})
	s.must(err)
	return s
}

func (s *school) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// result is an answer with its body.
type result struct {
	*http.Response
	body string
}

func (s *school) do(method, path string, form url.Values) result {
	s.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	s.must(err)
	return result{res, string(body)}
}

func (s *school) register(address string, more ...string) result {
	s.Helper()
	form := url.Values{"code": {s.codes[0]}, "address": {address}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return s.do("POST", enrol.Path, form)
}

var confirmLink = regexp.MustCompile(site + `(/register/confirm/[A-Za-z0-9_-]+)`)

// mailed returns the path of the link in the newest mail.
func (s *school) mailed() string {
	s.Helper()
	mails := s.inbox.List()
	if len(mails) == 0 {
		s.Fatal("no mail came")
	}
	m := confirmLink.FindStringSubmatch(mails[0].Text)
	if m == nil {
		s.Fatalf("no link in %q", mails[0].Text)
	}
	return m[1]
}

func (s *school) states() string {
	s.Helper()
	families, _, err := s.store.Roster.Families(s.Context(), "s1", "")
	s.must(err)
	var all []string
	for _, f := range families {
		for _, g := range f.Guardians {
			for _, c := range g.Contacts {
				all = append(all, fmt.Sprintf("%s %s %s %s", g.Name, g.Relation, c.Address, c.State))
			}
		}
	}
	return strings.Join(all, "; ")
}

func TestTemplates(t *testing.T) {
	webtest.Templates(t, pages(), map[string]web.Data{
		"form.html": &formPage{}, "wait.html": &waitPage{}, "confirm.html": &confirmPage{},
		"own_ask.html": &askPage{}, "own.html": &ownPage{}, "own_leave.html": &ownPage{}, "left.html": &leftPage{}, "leave.html": &leavePage{}, "card.html": &cardPage{},
	})
}

func TestFromSlipToContact(t *testing.T) {
	s := newSchool(t)
	got := s.register("見本花＜hana＠docomo．ne．jp＞", "name", "見本 花", "relation", "母", "siblings", s.codes[1])
	wait := got.Header.Get("Location")
	if got.StatusCode != 303 || !strings.HasPrefix(wait, "/register/wait/") {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	page := s.do("GET", wait, nil)
	for _, want := range []string{"hana@docomo.ne.jp", "hibari.example", "ドコモ"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the waiting page does not say %q", want)
		}
	}
	if strings.Contains(page.body, "一郎") {
		t.Error("the waiting page shows the child before the address is proven")
	}
	confirm := s.mailed()
	for _, method := range []string{"GET", "HEAD", "GET"} {
		if shown := s.do(method, confirm, nil); shown.StatusCode != 200 || method == "GET" && !strings.Contains(shown.body, "見本 二葉") {
			t.Fatalf("%s: %d %s", method, shown.StatusCode, shown.body)
		}
	}
	if got := s.states(); got != "" {
		t.Fatalf("opening the link registered %s", got)
	}
	for range 2 { // a double click
		if got := s.do("POST", confirm, url.Values{}); got.StatusCode != 303 {
			t.Fatalf("%d %s", got.StatusCode, got.body)
		}
	}
	if got, want := s.states(), "見本 花 母 hana@docomo.ne.jp verified"; got != want {
		t.Errorf("the roster has %q, not %q", got, want)
	}
	if got := s.do("GET", wait, nil); !strings.Contains(got.body, "登録が終わりました") {
		t.Errorf("the waiting page still waits: %s", got.body)
	}
	if strings.Contains(s.log.String(), "@") || strings.Contains(s.log.String(), "見本") {
		t.Errorf("the log names somebody: %s", s.log)
	}
}

// A link of one kind is no link of another, and a broken one says what to do.
func TestLinks(t *testing.T) {
	s := newSchool(t)
	wait := s.register("hana@docomo.ne.jp").Header.Get("Location")
	confirm := s.mailed()
	swap := strings.Replace(wait, "wait", "confirm", 1)
	for _, path := range []string{swap, strings.Replace(confirm, "confirm", "wait", 1), confirm[:len(confirm)-3], "/register/confirm/x"} {
		if got := s.do("GET", path, nil); got.StatusCode != 404 || !strings.Contains(got.body, "もう一度") {
			t.Errorf("GET %s: %d", path, got.StatusCode)
		}
	}
	if got := s.do("POST", swap, url.Values{}); got.StatusCode != 404 || s.states() != "" {
		t.Errorf("the waiting page's token confirms: %d", got.StatusCode)
	}
	s.now = s.now.Add(enrol.JoinLife)
	if got := s.do("POST", confirm, url.Values{}); got.StatusCode != 410 || s.states() != "" {
		t.Errorf("a link of last month: %d", got.StatusCode)
	}
}

func TestWhatBecameOfTheMail(t *testing.T) {
	s := newSchool(t)
	s.inbox.FailWith(func(*mail.Message) error {
		return &mail.SendError{Permanent: true, Code: 550, Enhanced: "5.1.1", Text: "User unknown"}
	})
	wait := s.register("hana@docomo.ne.jp").Header.Get("Location")
	if got := s.do("GET", wait, nil); !strings.Contains(got.body, "届きませんでした") || !strings.Contains(got.body, "綴りが違うか") {
		t.Errorf("a refused mail: %s", got.body)
	}
	s.inbox.FailWith(nil)
	if got := s.do("POST", wait, url.Values{}); got.StatusCode != 429 {
		t.Errorf("again at once: %d", got.StatusCode)
	}
	s.now = s.now.Add(enrol.Again)
	if got := s.do("POST", wait, url.Values{}); got.StatusCode != 303 {
		t.Errorf("again a minute later: %d", got.StatusCode)
	}
	if got := s.do("GET", wait, nil); strings.Contains(got.body, "届きませんでした") || len(s.inbox.List()) != 1 {
		t.Errorf("after the second mail: %s", got.body)
	}
}

// The form says the same of every code that nobody has, and shows no child.
func TestCodeTellsNothing(t *testing.T) {
	s := newSchool(t)
	right, wrong := s.do("GET", "/register/"+s.codes[0], nil), s.do("GET", "/register/00000-00000", nil)
	if a, b := strings.ReplaceAll(right.body, s.codes[0], "CODE"), strings.ReplaceAll(wrong.body, "00000-00000", "CODE"); a != b {
		t.Error("the form of a code that works differs from that of one that does not")
	}
	var last result
	for range enrol.MaxWrong + 1 {
		last = s.do("POST", enrol.Path, url.Values{"code": {"00000-00000"}, "address": {"x@gmail.com"}, "name": {"残る名前"}})
	}
	if last.StatusCode != 429 || !strings.Contains(last.body, "残る名前") {
		t.Errorf("after %d wrong codes: %d", enrol.MaxWrong, last.StatusCode)
	}
}

// TestPasted sends what people paste, and compares what the mail goes to or what is said.
func TestPasted(t *testing.T) {
	tests := []struct{ pasted, want string }{ // an address, or a part of what the page says
		{"taro@docomo.ne.jp", "taro@docomo.ne.jp"},
		{"  taro@docomo.ne.jp \n", "taro@docomo.ne.jp"},
		{"Taro@Docomo.NE.JP", "Taro@docomo.ne.jp"},
		{"山田太郎<taro@docomo.ne.jp>", "taro@docomo.ne.jp"},
		{"山田　太郎 ＜taro@docomo.ne.jp＞", "taro@docomo.ne.jp"},
		{"\"山田 太郎\" <taro@docomo.ne.jp>", "taro@docomo.ne.jp"},
		{"ｔａｒｏ＠ｄｏｃｏｍｏ．ｎｅ．ｊｐ", "taro@docomo.ne.jp"},
		{"mailto:taro@docomo.ne.jp", "taro@docomo.ne.jp"},
		{"taro@docomo.ne.jp。", "taro@docomo.ne.jp"},
		{"taro@docomo.ne.jp、", "taro@docomo.ne.jp"},
		{"<taro@docomo.ne.jp>", "taro@docomo.ne.jp"},
		{"（taro@docomo.ne.jp）", "taro@docomo.ne.jp"},
		{"taro\u200b@docomo.ne.jp", "taro@docomo.ne.jp"},
		{"taro@docomo.ne.jp <taro@docomo.ne.jp>", "taro@docomo.ne.jp"},
		{"taro..yamada@docomo.ne.jp", "taro..yamada@docomo.ne.jp"},
		{"taro.@ezweb.ne.jp", "taro.@ezweb.ne.jp"},
		{"taro+school@gmail.com", "taro+school@gmail.com"},
		{"taroーyamada@docomo.ne.jp", "taro-yamada@docomo.ne.jp"},
		{"taro_y@i.softbank.jp", "taro_y@i.softbank.jp"},
		{"taro@ymobile.ne.jp", "taro@ymobile.ne.jp"},
		{"taro@rakumail.jp", "taro@rakumail.jp"},
		{"taro@yahoo.co.jp", "taro@yahoo.co.jp"},
		{"", "メールアドレスを入力してください"},
		{"山田太郎", "「@」がありません"},
		{"taro(at)docomo.ne.jp", "「@」に直してください"},
		{"taro@", "「@」の後ろが空です"},
		{"@docomo.ne.jp", "「@」の前が空です"},
		{"taro@docomo", "途中で切れています"},
		{"taro@@docomo.ne.jp", "「@」が二つ以上"},
		{"太郎@docomo.ne.jp", "使えない文字があります"},
		{"ta ro@docomo.ne.jp", "空白があれば詰め"},
		{"a@docomo.ne.jp、b@gmail.com", "二つ以上あります"},
		{"taro@192.168.0.1", "数字だけのアドレス"},
		{"taro..yamada@gmail.com", "「.」"},
		{"taro@docomo.ne.jo", "docomo.ne.jp"},
		{"taro@docomo.co.jp", "docomo.ne.jp"},
		{"taro@gmial.com", "gmail.com"},
		{"taro@gmail.co.jp", "gmail.com"},
		{"taro@ezewb.ne.jp", "ezweb.ne.jp"},
		{"taro@gmail.con", "gmail.com"},
		{"info@hibari.example", "窓口や自動送信用"},
		{strings.Repeat("a", 65) + "@docomo.ne.jp", "長すぎて"},
	}
	for _, tt := range tests {
		t.Run(tt.pasted[:min(len(tt.pasted), 40)], func(t *testing.T) {
			s := newSchool(t)
			got := s.register(tt.pasted)
			if got.StatusCode == 303 {
				if to := s.inbox.List()[0].To; strings.ReplaceAll(to, `"`, "") != tt.want {
					t.Errorf("the mail went to %s, not to %s", to, tt.want)
				}
				return
			}
			if got.StatusCode != 422 || !strings.Contains(got.body, tt.want) || len(s.inbox.List()) > 0 {
				t.Errorf("%d, %d mails, and not %q in the page", got.StatusCode, len(s.inbox.List()), tt.want)
			}
		})
	}
}

// A doubt is a question: the address can be taken as it is, or the suggestion.
func TestDoubt(t *testing.T) {
	for name, tt := range map[string]struct{ field, value, want string }{
		"as it is":       {"sure", "taro@gmial.com", "taro@gmial.com"},
		"the suggestion": {"suggested", "taro@gmail.com", "taro@gmail.com"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSchool(t)
			if got := s.register("taro@gmial.com"); !strings.Contains(got.body, `name="`+tt.field+`" value="`+tt.value+`"`) {
				t.Fatalf("there is no such button: %s", got.body)
			}
			if got := s.register("taro@gmial.com", tt.field, tt.value); got.StatusCode != 303 || s.inbox.List()[0].To != tt.want {
				t.Errorf("%d, mails %+v", got.StatusCode, s.inbox.List())
			}
		})
	}
	s := newSchool(t)
	if got := s.do("POST", "/register/check", url.Values{"address": {"taro@gmial.com"}}); !strings.Contains(got.body, `"suggested":"taro@gmail.com"`) {
		t.Errorf("while it is typed: %s", got.body)
	}
}

var ownLink = regexp.MustCompile(site + `(/register/own/[A-Za-z0-9_-]+)`)

// openOwn registers an address and returns the path of its own page.
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

func (fed) Postpone(context.Context, string, time.Duration) error { return nil }

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

	own = s.openOwn("hana@au.com")
	s.inbox.FailWith(func(*mail.Message) error { return &mail.SendError{Permanent: true, Code: 550} })
	for _, a := range []string{"hana@icloud.com", "hana@au.com"} {
		s.do("POST", own, url.Values{"do": {"leave"}, "contact": {s.contact(a).ID}})
	}
	s.now = s.now.Add(enrol.FeedEvery)
	s.feed()
	if !strings.Contains(s.log.String(), "level=ERROR") {
		t.Error("that nobody was told is not in the log")
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
