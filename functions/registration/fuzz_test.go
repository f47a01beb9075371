package registration

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/link"
)

const (
	urlencoded = "application/x-www-form-urlencoded"
	multipart  = "multipart/form-data; boundary=x"
)

// part is a body of multipart/form-data with one field.
func part(name, value string) string {
	return "--x\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n--x--\r\n"
}

// post sends a body as it is; what a stranger gets is never a fault of ours.
func (s *school) post(path, contentType, body string) result {
	s.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.URL = &url.URL{Path: path}
	r.Header.Set("Content-Type", contentType)
	s.posts++ // each from somewhere else, so that no source's budget is used up
	r.RemoteAddr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(s.posts >> 16), byte(s.posts >> 8), byte(s.posts)}), 1).String()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if w.Code >= http.StatusInternalServerError {
		s.Errorf("%s %q: status %d\n%s", contentType, body, w.Code, s.log)
	}
	s.log.Reset()
	return result{w.Result(), w.Body.String()}
}

// FuzzRegister: the registration form takes anything; a family is found by its code
// alone, and nobody is named to who has none.
func FuzzRegister(f *testing.F) {
	s := newSchool(f)
	whole := url.Values{
		"code": {s.codes[0]}, "siblings": {s.codes[1] + "、x"}, "address": {"<hana@docomo.ne.jp> 花"}, "name": {"見本 花"}, "relation": {"母"}, "in": {"en"}, "sure": {"hana@docomo.ne.jp"},
	}
	for _, body := range []string{"", whole.Encode(), "code=%ff&address=%00", "address=a@b..c&suggested=x@y.example", "code=AAAA-AAAA-AA&address=hana@例え.テスト"} {
		f.Add("", urlencoded, body)
		f.Add("again=1", urlencoded, body)
		f.Add("check", urlencoded, body)
	}
	f.Add("", multipart, part("address", "hana@docomo.ne.jp"))
	f.Fuzz(func(t *testing.T, how, contentType, body string) {
		s.TB = t
		s.now = s.now.Add(time.Hour) // so that no address's budget is used up
		path := enrol.Path
		if how == "check" {
			path += "/check"
		}
		before := len(s.inbox.List())
		got := s.post(path, contentType, body)
		if strings.Contains(got.body, "一郎") || strings.Contains(got.body, "二葉") {
			t.Errorf("a child is named: %s", got.body)
		}
		if sent := len(s.inbox.List()) - before; sent > 1 || sent == 1 && (how == "check" || got.StatusCode != http.StatusSeeOther) {
			t.Errorf("%d mails at status %d", sent, got.StatusCode)
		}
	})
}

// withCards has a safety check be open, and returns the code of the first child's card.
func (s *school) withCards() string {
	s.Helper()
	clock := func() time.Time { return s.now }
	alerts := &alert.Store{Table: s.store.Table, IDs: s.store.IDs, Now: clock}
	a, _, err := alerts.Accept(s.Context(), alert.Draft{
		School: "s1", Kind: alert.Safety, Subject: "安否確認", Body: "回答してください。", All: true,
		UsefulUntil: s.now.Add(6 * time.Hour), Sender: alert.Sender{ID: "staff", Name: "教頭 山田"},
	}, "")
	s.must(err)
	families, _, err := s.store.Roster.Families(s.Context(), "s1", "")
	s.must(err)
	made := alert.Made{Class: "c1", Family: alert.Family{ID: families[0].ID}}
	for _, c := range families[0].Children {
		made.Family.Children = append(made.Family.Children, alert.Child{ID: c.ID, Name: c.Name, Class: c.Class})
	}
	s.must(s.store.Table.Write(s.Context(), "", alert.CreateOps(a.ID, []alert.Made{made})...))
	cards, err := s.store.IssueCards(s.Context(), "s1", []enrol.ChildRef{{Family: families[0].ID, Child: families[0].Children[0].ID}}, false)
	s.must(err)
	s.config.Alerts = alerts
	s.handler, err = New(s.config)
	s.must(err)
	return cards[0].Code
}

// FuzzCard: whatever is typed for a card's code, and whatever is answered with a card.
func FuzzCard(f *testing.F) {
	s := newSchool(f)
	code := s.withCards()
	page := s.do("GET", enrol.CardPath+"/"+code, nil)
	if page.StatusCode != http.StatusOK || !strings.Contains(page.body, "安否確認") {
		f.Fatalf("the card: status %d: %s", page.StatusCode, page.body)
	}
	_, id, _ := strings.Cut(page.body, `name="alert" value="`)
	id, _, _ = strings.Cut(id, `"`)
	for _, typed := range []string{code, enrol.Pretty(code), strings.ToLower(code), "ＡＢＣＤ", "../../x", "%2f", "\xff\x00", ""} {
		f.Add(typed, urlencoded, "alert="+id+"&choice=safe")
		f.Add(typed, urlencoded, "alert="+id+"&choice=help")
		f.Add(typed, multipart, part("choice", "safe"))
	}
	f.Fuzz(func(t *testing.T, typed, contentType, body string) {
		s.TB = t
		got := s.post(enrol.CardPath+"/"+typed, contentType, body)
		parsed, _ := enrol.ParseCode(typed)
		if took := got.StatusCode == http.StatusOK || got.StatusCode == http.StatusSeeOther; took && parsed != code {
			t.Errorf("%q is a card: status %d", typed, got.StatusCode)
		}
		if strings.Contains(got.body, "一郎") || strings.Contains(got.body, "二葉") {
			t.Errorf("a child is named: %s", got.body)
		}
	})
}

// FuzzOneClick: whatever a mail program posts to a link that unsubscribes, notices end or
// begin, and nothing else becomes of the contact.
func FuzzOneClick(f *testing.F) {
	const address = "hana@docomo.ne.jp"
	s := newSchool(f)
	s.openOwn(address)
	families, _, err := s.store.Roster.Families(f.Context(), "s1", "")
	s.must(err)
	token, err := s.links.Sign(link.Link{Kind: link.Leave, Class: "s1", Family: families[0].ID, Contact: s.contact(address).ID, Expires: s.now.Add(time.Hour)})
	s.must(err)
	for _, body := range []string{"List-Unsubscribe=One-Click", "", "again=1", "List-Unsubscribe=%ff&again=%00", "List-Unsubscribe", "%"} {
		f.Add(token, urlencoded, body)
		f.Add(token+"x", urlencoded, body)
		f.Add(token, multipart, part("List-Unsubscribe", "One-Click"))
	}
	f.Fuzz(func(t *testing.T, token, contentType, body string) {
		s.TB = t
		before := s.contact(address)
		s.post("/register/leave/"+token, contentType, body)
		after := s.contact(address)
		after.Quiet = before.Quiet
		if after.State != before.State || after.Address != before.Address || !after.Listens(false, s.now) {
			t.Errorf("the contact became %+v", after)
		}
	})
}
