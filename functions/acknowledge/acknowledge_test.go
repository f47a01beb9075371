package acknowledge

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
	"github.com/todoku/todoku/shared/web"
	"github.com/todoku/todoku/shared/web/webtest"
)

const site = "http://todoku.test"

var noon = time.Date(2026, 4, 6, 3, 0, 0, 0, time.UTC) // in Japan

// school is a school with an alert out to two families, and a clock.
type school struct {
	t       testing.TB
	now     time.Time
	alerts  *alert.Store
	links   *link.Signer
	config  Config
	handler http.Handler
	log     *strings.Builder
	id      map[string]string // ids by what they are of
}

func newSchool(t testing.TB) *school {
	t.Helper()
	s := &school{t: t, now: noon, log: &strings.Builder{}, id: map[string]string{}}
	tb := bbolttest.Open(t, s.clock)
	ids := id.NewSource(s.clock, rand.Reader)
	for _, name := range []string{"family", "only", "class1", "class2", "hana", "taro", "hana-mail", "taro-mail", "aya-mail", "ichiro", "futaba", "mitsuru", "yotsuba", "aya"} {
		s.id[name] = ids.New()
	}
	s.alerts = &alert.Store{Table: tb, IDs: ids, Now: s.clock}
	schools := &roster.Store{Table: tb, IDs: ids, Now: s.clock}
	s.must(schools.PutSchool(t.Context(), roster.School{ID: "s1", Name: "ひばり小学校", Mail: "renraku@hibari.example", Phone: "03-0000-0000", Zone: "Asia/Tokyo"}))
	var err error
	s.links, err = link.NewSigner(link.Key{ID: 1, Secret: make([]byte, 32)})
	s.must(err)
	s.config = Config{
		Alerts: s.alerts, Roster: schools, Links: s.links, Now: s.clock,
		Log: slog.New(slog.NewTextHandler(s.log, nil)), School: web.School{Name: "ひばり小学校", Phone: "03-0000-0000"}, BaseURL: site,
	}
	s.handler, err = New(s.config)
	s.must(err)
	return s
}

func (s *school) clock() time.Time { return s.now }

func (s *school) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// alert sends an alert to the families.
func (s *school) alert(change func(*alert.Draft), families ...alert.Made) alert.Alert {
	s.t.Helper()
	d := alert.Draft{
		School: "s1", Kind: alert.Safety, Subject: "地震の安否確認", Body: "校庭に避難しています。\n回答してください。", All: true,
		UsefulUntil: s.now.Add(6 * time.Hour), Sender: alert.Sender{ID: "staff", Name: "教頭 山田"},
	}
	if change != nil {
		change(&d)
	}
	a, _, err := s.alerts.Accept(s.t.Context(), d, "")
	s.must(err)
	if len(families) > 0 {
		s.must(s.alerts.Table.Write(s.t.Context(), "", alert.CreateOps(a.ID, families)...))
	}
	return a
}

// siblings is a family of three children in two classes. Hana answers for all of
// them, Taro for the first two; Mitsuru has a mother of his own.
func (s *school) siblings() alert.Made {
	return alert.Made{Class: s.id["class1"], Family: alert.Family{
		ID: s.id["family"],
		Children: []alert.Child{
			{ID: s.id["ichiro"], Name: "見本 一郎", Class: s.id["class1"], Guardians: []int{0, 1}},
			{ID: s.id["futaba"], Name: "見本 二葉", Class: s.id["class2"], Guardians: []int{0, 1}},
			{ID: s.id["mitsuru"], Name: "見本 三", Class: s.id["class2"], Guardians: []int{0}},
		},
		Guardians: []alert.Guardian{{ID: s.id["hana"], Name: "見本 花"}, {ID: s.id["taro"], Name: "見本 太郎"}},
		Copies: []alert.Copy{
			{Contact: s.id["hana-mail"], Guardian: 0, Lane: "google", State: alert.Queued},
			{Contact: s.id["taro-mail"], Guardian: 1, Lane: "docomo", State: alert.Queued},
		},
	}}
}

// only is a family of one child.
func (s *school) only() alert.Made {
	return alert.Made{Class: s.id["class1"], Family: alert.Family{
		ID:        s.id["only"],
		Children:  []alert.Child{{ID: s.id["yotsuba"], Name: "例 四葉", Class: s.id["class1"], Guardians: []int{0}}},
		Guardians: []alert.Guardian{{ID: s.id["aya"], Name: "例 彩"}},
		Copies:    []alert.Copy{{Contact: s.id["aya-mail"], Guardian: 0, Lane: "au", State: alert.Queued}},
	}}
}

// link returns the token of the link that was mailed to a contact.
func (s *school) link(a alert.Alert, family alert.Made, contact string) string {
	s.t.Helper()
	token, err := s.links.Sign(link.Link{
		Kind: link.Answer, Alert: a.ID, Class: family.Class, Family: family.Family.ID, Contact: s.id[contact], Expires: a.UsefulUntil,
	})
	s.must(err)
	return token
}

// said returns what is recorded for a family's children, by name.
func (s *school) said(a alert.Alert, family alert.Made) map[string]string {
	s.t.Helper()
	f, err := s.alerts.Family(s.t.Context(), family.Ref(a.ID))
	s.must(err)
	said := map[string]string{}
	for _, c := range f.Children {
		if c.Answer != nil {
			said[c.Name] = c.Answer.Choice + " by " + c.Answer.By + " " + string(c.Answer.Way)
		}
	}
	return said
}

// result is an answer with its body.
type result struct {
	*http.Response
	body string
}

func (s *school) do(method, path string, form url.Values, header ...string) result {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	s.must(err)
	return result{res, string(body)}
}

func TestScripts(t *testing.T) {
	s := newSchool(t)
	siblings, only := s.siblings(), s.only()
	open := s.alert(nil, siblings, only)
	drill := s.alert(func(d *alert.Draft) { d.Kind = alert.Drill }, only)
	closed := s.alert(nil, only)
	_, err := s.alerts.Close(t.Context(), closed.ID)
	s.must(err)
	undone := s.alert(func(d *alert.Draft) { d.Undo = alert.UndoWindow }, only)
	_, err = s.alerts.Undo(t.Context(), undone.ID)
	s.must(err)
	past := s.alert(func(d *alert.Draft) { d.UsefulUntil = s.now.Add(time.Minute) }, only)
	s.now = s.now.Add(time.Minute)
	webtest.Files(t, func() *http.Client { return webtest.Client(s.handler) }, site, "testdata/*.txt", map[string]string{
		"open": open.ID, "hana": s.link(open, siblings, "hana-mail"), "taro": s.link(open, siblings, "taro-mail"), "aya": s.link(open, only, "aya-mail"),
		"drill": s.link(drill, only, "aya-mail"), "closed": s.link(closed, only, "aya-mail"), "undone": s.link(undone, only, "aya-mail"), "past": s.link(past, only, "aya-mail"),
		"stranger": s.link(open, only, "hana-mail"), "ichiro": s.id["ichiro"], "futaba": s.id["futaba"], "mitsuru": s.id["mitsuru"], "yotsuba": s.id["yotsuba"],
	})
}

// Whatever opens a link without a person's finger changes nothing.
func TestReadingChangesNothing(t *testing.T) {
	tests := map[string][]string{
		"GET":                   nil,
		"HEAD":                  nil,
		"GET prefetch":          {"Sec-Purpose", "prefetch"},
		"GET prerender":         {"Sec-Purpose", "prefetch;prerender"},
		"GET Purpose: prefetch": {"Purpose", "prefetch"},
		"GET by a scanner":      {"User-Agent", "MailScanner/1.0"},
	}
	for name, header := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSchool(t)
			only := s.only()
			a := s.alert(nil, only)
			method, _, _ := strings.Cut(name, " ")
			query := "?" + childField(s.id["yotsuba"]) + "=safe&all=safe&alert=" + a.ID + "&done=1"
			if got := s.do(method, "/a/"+s.link(a, only, "aya-mail")+query, nil, header...); got.StatusCode != http.StatusOK {
				t.Errorf("status %d", got.StatusCode)
			}
			if said := s.said(a, only); len(said) > 0 {
				t.Errorf("recorded %v", said)
			}
		})
	}
}

func TestAnswer(t *testing.T) {
	s := newSchool(t)
	by := func(choice, who string) string { return choice + " by " + s.id[who] + " link" }
	child := func(name string) string { return childField(s.id[name]) }
	tests := []struct {
		name, contact string
		form          url.Values
		status        int
		want          map[string]string
	}{
		{"the same for all", "hana-mail", url.Values{"all": {"safe"}}, 303,
			map[string]string{"見本 一郎": by("safe", "hana"), "見本 二葉": by("safe", "hana"), "見本 三": by("safe", "hana")}},
		{"all, of those whom the guardian answers for", "taro-mail", url.Values{"all": {"safe"}}, 303,
			map[string]string{"見本 一郎": by("safe", "taro"), "見本 二葉": by("safe", "taro")}},
		{"child by child", "hana-mail", url.Values{child("ichiro"): {"safe"}, child("futaba"): {"help"}}, 303,
			map[string]string{"見本 一郎": by("safe", "hana"), "見本 二葉": by("help", "hana")}},
		{"the button for all counts before the marks", "taro-mail", url.Values{"all": {"help"}, child("ichiro"): {"safe"}}, 303,
			map[string]string{"見本 一郎": by("help", "taro"), "見本 二葉": by("help", "taro")}},
		{"somebody else's child", "taro-mail", url.Values{child("mitsuru"): {"safe"}}, 403, map[string]string{}},
		{"one of them somebody else's", "taro-mail", url.Values{child("ichiro"): {"safe"}, child("mitsuru"): {"safe"}}, 403, map[string]string{}},
		{"a child of another family", "taro-mail", url.Values{child("yotsuba"): {"safe"}}, 403, map[string]string{}},
		{"a child that does not exist", "taro-mail", url.Values{childField("x"): {"safe"}}, 403, map[string]string{}},
		{"nothing chosen", "hana-mail", url.Values{}, 422, map[string]string{}},
		{"an answer that is not offered", "hana-mail", url.Values{child("ichiro"): {"maybe"}}, 422, map[string]string{}},
		{"a hostile answer", "hana-mail", url.Values{child("ichiro"): {"\"><script>\x00"}}, 422, map[string]string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			siblings := s.siblings()
			a := s.alert(nil, siblings)
			tt.form.Set("alert", a.ID)
			got := s.do("POST", "/a/"+s.link(a, siblings, tt.contact), tt.form)
			if got.StatusCode != tt.status {
				t.Errorf("status %d, want %d: %.300s", got.StatusCode, tt.status, got.body)
			}
			if strings.Contains(got.body, "<script>") {
				t.Error("what was sent became a part of the page")
			}
			if diff := cmp.Diff(tt.want, s.said(a, siblings)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNothingChosenAgain: what was answered before is not taken for what was sent just now.
func TestNothingChosenAgain(t *testing.T) {
	s := newSchool(t)
	siblings := s.siblings()
	a := s.alert(nil, siblings)
	path := "/a/" + s.link(a, siblings, "hana-mail")
	s.do("POST", path, url.Values{"alert": {a.ID}, "all": {"safe"}})
	got := s.do("POST", path, url.Values{"alert": {a.ID}})
	if got.StatusCode != 422 || strings.Contains(got.body, "回答を受け付けました") || !strings.Contains(got.body, "これまでの回答") {
		t.Errorf("status %d: %s", got.StatusCode, got.body)
	}
}

// busyWrites is a table that can be read, and has no time to write.
type busyWrites struct{ table.Table }

func (busyWrites) Write(context.Context, string, ...table.Op) error { return table.ErrBusy }

func TestAnswerWhileBusy(t *testing.T) {
	s := newSchool(t)
	siblings := s.siblings()
	a := s.alert(nil, siblings)
	s.alerts.Table = busyWrites{s.alerts.Table}
	form := url.Values{"alert": {a.ID}, childField(s.id["futaba"]): {"help"}}
	got := s.do("POST", "/a/"+s.link(a, siblings, "hana-mail"), form)
	if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") != "5" {
		t.Errorf("status %d, Retry-After %q", got.StatusCode, got.Header.Get("Retry-After"))
	}
	for _, want := range []string{"まだ回答を記録できていません", `name="` + childField(s.id["futaba"]) + `" value="help" checked`, "03-0000-0000"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
	if log := s.log.String(); strings.Contains(log, "見本") || !strings.Contains(log, a.ID) {
		t.Errorf("the log should name the alert, and nobody: %s", log)
	}
}

// TestWithoutKeys must not call a link wrong that nobody can judge.
func TestWithoutKeys(t *testing.T) {
	s := newSchool(t)
	siblings := s.siblings()
	token := s.link(s.alert(nil, siblings), siblings, "hana-mail")
	s.config.Links = link.NewSignerOf(func() ([]link.Key, error) { return nil, errors.New("away") })
	var err error
	s.handler, err = New(s.config)
	s.must(err)
	got := s.do("GET", "/a/"+token, nil)
	if got.StatusCode != http.StatusInternalServerError || !strings.Contains(got.body, "03-0000-0000") {
		t.Errorf("status %d: %s", got.StatusCode, got.body)
	}
}

// A link in an old mail opens the newest alert, and answers there if it can.
func TestSuperseded(t *testing.T) {
	s := newSchool(t)
	child := func(name string) string { return childField(s.id[name]) }
	siblings := s.siblings()
	elsewhere := s.siblings()
	elsewhere.Class = s.id["class2"]
	elsewhere.Family.Children = elsewhere.Family.Children[1:]
	noContact := s.siblings()
	noContact.Family.Copies = noContact.Family.Copies[1:]
	tests := []struct {
		name   string
		newest []alert.Made
		wait   time.Duration
		done   bool // the newest has all its families
		answer bool
		others bool // the newest is for others
	}{
		{"the family is in the newest", []alert.Made{siblings}, 0, true, true, false},
		{"it is kept in another class there", []alert.Made{elsewhere}, 0, true, true, false},
		{"it is not in the newest", []alert.Made{s.only()}, 0, true, false, true},
		{"it is not in the newest yet", []alert.Made{s.only()}, 0, false, false, false},
		{"the address is no longer on record", []alert.Made{noContact}, 0, true, false, false},
		{"the old link has expired", []alert.Made{siblings}, 2 * time.Hour, true, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.now = noon
			old := s.alert(func(d *alert.Draft) { d.UsefulUntil = s.now.Add(time.Hour) }, siblings)
			newest := s.alert(func(d *alert.Draft) { d.Supersedes, d.Subject = old.ID, "迎えは不要です" }, tt.newest...)
			s.must(s.alerts.Supersede(t.Context(), newest))
			if tt.done {
				s.must(s.alerts.SaveProgress(t.Context(), newest, &alert.Progress{Job: alert.FanOut, Done: true}))
			}
			s.now = s.now.Add(tt.wait)
			path := "/a/" + s.link(old, siblings, "hana-mail")
			page := s.do("GET", path, nil)
			if page.StatusCode != 200 || !strings.Contains(page.body, "迎えは不要です") || !strings.Contains(page.body, "新しい連絡が出ています") {
				t.Fatalf("status %d: %.500s", page.StatusCode, page.body)
			}
			if form := strings.Contains(page.body, "<form"); form != tt.answer {
				t.Errorf("the page has a form: %v, want %v", form, tt.answer)
			}
			if others := strings.Contains(page.body, "対象ではありません"); others != tt.others {
				t.Errorf("the page says that the alert is for others: %v, want %v", others, tt.others)
			}
			if !tt.answer {
				s.do("POST", path, url.Values{"alert": {newest.ID}, child("futaba"): {"safe"}})
				if said := s.said(newest, tt.newest[0]); len(said) > 0 {
					t.Errorf("recorded %v", said)
				}
				return
			}
			stale := s.do("POST", path, url.Values{"alert": {old.ID}, child("futaba"): {"safe"}})
			if stale.StatusCode != http.StatusConflict || !strings.Contains(stale.body, "新しい連絡が出ました") {
				t.Errorf("an answer to the old text: status %d", stale.StatusCode)
			}
			if got := s.do("POST", path, url.Values{"alert": {newest.ID}, child("futaba"): {"safe"}}); got.StatusCode != http.StatusSeeOther {
				t.Errorf("answering in the newest: status %d", got.StatusCode)
			}
			want := map[string]string{"見本 二葉": "safe by " + s.id["hana"] + " link"}
			if diff := cmp.Diff(want, s.said(newest, tt.newest[0])); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTokens(t *testing.T) {
	s := newSchool(t)
	only := s.only()
	a := s.alert(nil, only)
	good := s.link(a, only, "aya-mail")
	forged, err := link.NewSigner(link.Key{ID: 1, Secret: append(make([]byte, 31), 1)})
	s.must(err)
	other, err := forged.Sign(link.Link{Kind: link.Answer, Alert: a.ID, Class: only.Class, Family: only.Family.ID, Contact: s.id["aya-mail"], Expires: a.UsefulUntil})
	s.must(err)
	read, err := s.links.Sign(link.Link{Kind: link.Read, Alert: a.ID, Expires: a.UsefulUntil})
	s.must(err)
	tests := map[string]string{
		"cut off":                         "/a/" + good[:len(good)-1],
		"with something after it":         "/a/" + good + "x",
		"in capitals":                     "/a/" + strings.ToUpper(good),
		"of another key":                  "/a/" + other,
		"nonsense":                        "/a/nonsense",
		"not UTF-8":                       "/a/%ff%00",
		"long":                            "/a/" + strings.Repeat("A", 9000),
		"for reading, used for answering": "/a/" + read,
		"for answering, used for reading": "/r/" + good,
		"of no alert":                     "/a/" + s.link(alert.Alert{ID: s.id["aya"], UsefulUntil: a.UsefulUntil}, only, "aya-mail"),
		"of no family":                    "/a/" + s.link(a, s.siblings(), "hana-mail"),
	}
	for name, path := range tests {
		t.Run(name, func(t *testing.T) {
			form := url.Values{"alert": {a.ID}, childField(s.id["yotsuba"]): {"safe"}}
			answers := []result{s.do("GET", path, nil)}
			if strings.HasPrefix(path, "/a/") {
				answers = append(answers, s.do("POST", path, form))
			}
			for _, got := range answers {
				if got.StatusCode != http.StatusNotFound || !strings.Contains(got.body, "リンクが正しくありません") || !strings.Contains(got.body, "tel:03-0000-0000") {
					t.Errorf("status %d: %.300s", got.StatusCode, got.body)
				}
			}
		})
	}
	if log := s.log.String(); strings.Contains(log, good[:40]) {
		t.Error("the log holds a token")
	}
}
