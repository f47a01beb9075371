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
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/mail/inbox"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
	"github.com/todoku/todoku/shared/web"
	"github.com/todoku/todoku/shared/web/webtest"
)

const site = "http://todoku.test"

// school is a school with two children and their codes, an inbox, and a clock.
type school struct {
	testing.TB
	now     time.Time
	store   *enrol.Store
	inbox   *inbox.Inbox
	handler http.Handler
	log     *strings.Builder
	codes   []string
	links   *link.Signer
	poster  *enrol.Poster
	config  Config
	posts   int // by fuzzers
}

func newSchool(t testing.TB) *school {
	t.Helper()
	s := &school{TB: t, now: time.Date(2026, 4, 6, 0, 0, 0, 0, time.UTC), log: &strings.Builder{}}
	clock := func() time.Time { return s.now }
	tb := bbolttest.Open(t, clock)
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
	s.config = Config{
		Enrol: s.store, Poster: s.poster, Links: links, Lanes: lanes,
		Now: clock, Log: s.logger(), School: web.School{Name: "ひばり小学校", Phone: "03-0000-0000"}, BaseURL: site,
		Background: func(work func(context.Context)) { work(context.Background()) },
	}
	s.handler, err = New(s.config)
	s.must(err)
	return s
}

func (s *school) logger() *slog.Logger { return slog.New(slog.NewTextHandler(s.log, nil)) }

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
	webtest.Templates(t, templates, map[string]web.Data{
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

// TestRegisterWhileBusy: the form comes back with what was typed.
func TestRegisterWhileBusy(t *testing.T) {
	s := newSchool(t)
	s.store.Table = &busyOnce{Table: s.store.Table}
	a := s.register("hana@docomo.ne.jp")
	if a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.body, "少し待ってから") || !strings.Contains(a.body, `value="hana@docomo.ne.jp"`) {
		t.Errorf("status %d: %.300s", a.StatusCode, a.body)
	}
	if a := s.register("hana@docomo.ne.jp"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("again: status %d", a.StatusCode)
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
