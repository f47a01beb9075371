package browser

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// registersWithin is within what a guardian is to register with a slip's code, the
// reading of the mail included.
const registersWithin = time.Minute

var registerLink = regexp.MustCompile(`https?://[^/\s]+(/register/(?:confirm|own)/[A-Za-z0-9_-]+)`)

// TestRegister registers on a telephone of 360 pixels, from the scanned code on.
func TestRegister(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			b := newPerson(t, o.URL(), phone)
			if !scripts {
				b.withoutScripts()
			}
			b.goTo("/register/" + o.code())
			b.write("address", "oya@gmail.com")
			b.follow("確認メールを受け取る")
			b.says("確認メールを開いてください")
			b.goTo(o.mailed("oya@gmail.com"))
			b.follow("登録する")
			b.says("登録が終わりました")
			t.Logf("\n%v", b.story)
			if took := b.story.time(); took > registersWithin {
				t.Errorf("it takes a person %v, not %v", took, registersWithin)
			}
		})
	}
}

// code returns a code of a child of the demo school, as it is printed.
func (o *office) code() string {
	o.Helper()
	children, refs, err := o.Enrol.Pupils(o.Context(), o.manager.School, "")
	o.must(err)
	passes, err := o.Enrol.Issue(o.Context(), o.manager.School, refs[len(children)-1:], false)
	o.must(err)
	return enrol.Pretty(passes[0].Code)
}

// card returns a child of a class that has a family card, and the card's code.
func (o *office) card(class string) (child, code string) {
	o.Helper()
	_, refs, err := o.Enrol.Pupils(o.Context(), o.manager.School, class)
	o.must(err)
	cards, err := o.Enrol.IssueCards(o.Context(), o.manager.School, refs[:1], false)
	o.must(err)
	return refs[0].Child, cards[0].Code
}

// mailed returns the path of the link in the newest mail to an address, once there is one.
func (o *office) mailed(to string) string {
	o.Helper()
	for range patience / step {
		for _, m := range o.Inbox.List() {
			if found := registerLink.FindStringSubmatch(m.Text); m.To == to && found != nil {
				return found[1]
			}
		}
		time.Sleep(step)
	}
	o.Fatalf("no mail with a link came")
	return ""
}

// registration are the pages of guardians' registration and of the office's part in it.
func (s *staged) registration() []stop {
	class, one := s.class("1年1組"), s.firstContact()
	leave, err := s.Links.Sign(link.Link{Kind: link.Leave, Class: s.manager.School, Family: one.Family, Contact: one.Contact, Expires: s.clock.Now().Add(time.Hour)})
	s.must(err)
	own, err := s.Links.Sign(link.Link{Kind: link.Own, Class: s.manager.School, Family: one.Family, Contact: one.Contact, Expires: s.clock.Now().Add(time.Hour)})
	s.must(err)
	fill := func(values string) func(b *tab) {
		return func(b *tab) {
			b.Helper()
			run[bool](b, `(f => { `+values+`; return true; })(document.querySelector("main form"))`)
			submit("main form")(b)
		}
	}
	const unprocessable = 422
	code := s.code()
	child, card := s.card(class)
	confirm, done := s.joined("oya@docomo.ne.jp", code), s.joined("haha@docomo.ne.jp", code)
	b := newPerson(s.TB, s.URL(), phone)
	b.goTo(done)
	b.follow("登録する")
	still, heard := s.stillRead("kiku@docomo.ne.jp", code), s.stillRead("mimi@docomo.ne.jp", code)
	b.goTo(heard)
	b.follow("届いています")
	return []stop{
		{name: "register", path: "/register/" + code},
		{name: "register, all wrong", path: "/register", then: fill(`f.code.value = "12345"; f.address.value = "山田太郎"; f.siblings.value = "x"`), status: unprocessable},
		{name: "register, a doubt", path: "/register/" + code, then: fill(`f.address.value = "oya@gmial.com"`), status: unprocessable},
		{name: "confirm", path: confirm},
		{name: "confirmed", path: done},
		{name: "a link that is cut off", path: confirm[:len(confirm)-4], status: 404},
		{name: "ask for the own page", path: "/register/own"},
		{name: "the own page was asked for", path: "/register/own?sent=1"},
		{name: "own page", path: "/register/own/" + own},
		{name: "own page, remove an address", path: "/register/own/" + own + "?leave=" + one.Contact},
		{name: "own page, a doubt", path: "/register/own/" + own, then: func(b *tab) {
			b.Helper()
			run[bool](b, `(e => { e.value = "subscribe@example.jp"; return true; })(document.getElementById("address"))`)
			submit("form:has(#address)")(b)
		}, status: unprocessable},
		{name: "is it still read", path: still},
		{name: "it is still read", path: heard},
		{name: "no more notices", path: "/register/leave/" + leave},
		{name: "reach", who: manager, path: "/reach"},
		{name: "reach, search", who: manager, path: "/reach?q=" + "a"},
		{name: "reach, unconfirmed for days", who: manager, path: "/reach?show=unverified&days=0"},
		{name: "reach, nobody", who: manager, path: "/reach?show=unverified&days=999"},
		{name: "all invitations", who: manager, path: "/reach/invited"},
		{name: "no such invitation", who: manager, path: "/reach/invited?q=nobody"},
		{name: "importing", who: manager, path: s.importing(s.clock.Now())},
		{name: "importing, cut off", who: manager, path: s.importing(s.clock.Now().Add(-time.Hour))},
		{name: "turn of the year", who: manager, path: "/roster/turn"},
		{name: "turn of the year, not a class list", who: manager, then: upload(s.TB, "list.pdf", "%PDF-1.7\n\x00"), status: unprocessable},
		{name: "turn of the year, faulty", who: manager, path: "/roster/turn", then: upload(s.TB, "year.csv", turnSheet+"99,1,例 九\n")},
		{name: "turn of the year, preview", who: manager, path: "/roster/turn", then: upload(s.TB, "year.csv", turnSheet)},
		{name: "turn of the year, not sure", who: manager, then: submit("form[action$=confirm]"), status: unprocessable},
		{name: "reach of a class", who: manager, path: "/reach/" + class},
		{name: "reach of a class, remove an address", who: manager, then: func(b *tab) {
			b.Helper()
			b.leave(func() {
				run[bool](b, `(a => { a.click(); return true; })(document.querySelector("main a[href^='?remove=']"))`)
			})
		}},
		{name: "family card, printed", who: manager, path: "/reach/" + class + "/cards?child=" + child},
		{name: "family card", path: enrol.CardPath + "/" + card},
		{name: "family card of nobody", path: enrol.CardPath + "/" + "0123456789", status: unprocessable},
		{name: "poster", who: manager, path: "/reach/" + class + "/poster"},
		{name: "invite", who: manager, path: "/reach/" + class + "/invite"},
		{name: "invite, nothing entered", who: manager, then: submit("#invite"), status: unprocessable},
		{name: "invited", who: manager, then: fill(`f.rows.value = "1 parent@gmail.com\nalone@docomo.ne.jp\ntaro@gmial.com\nだれか x@gmail.com"`)},
	}
}

// turnSheet is a new year's list in which hardly anybody of the demo school is.
const turnSheet = "学年,組,氏名\n1,1,新入 一子\n1,2,新入 二郎\n"

// stillRead registers an address and returns the path of the page that asks, later,
// whether it is still read.
func (s *staged) stillRead(address, code string) string {
	s.Helper()
	b := newPerson(s.TB, s.URL(), phone)
	b.goTo(s.joined(address, code))
	b.follow("登録する")
	at, err := s.Roster.FindByAddress(s.Context(), s.manager.School, address)
	s.must(err)
	s.must(s.Enrol.AskStill(s.Context(), s.manager.School, at.Family, at.Contact, s.Lanes))
	joins, err := s.Enrol.Joins(s.Context(), s.manager.School)
	s.must(err)
	j := joins[len(joins)-1]
	token, err := s.Links.Sign(link.Link{Kind: link.Confirm, Alert: j.ID, Class: j.School, Expires: j.Expires})
	s.must(err)
	return enrol.Path + "/confirm/" + token
}

// importing puts an import into the state in which it is while it runs, and returns the
// path of its page.
func (s *staged) importing(touched time.Time) string {
	s.Helper()
	in := s.Roster.IDs.New()
	value := fmt.Sprintf(`{"id":%q,"file":"名簿.csv","state":"running","sent":%q,"touched":%q,"total":700,"done":210}`, in, touched.Format(time.RFC3339), touched.Format(time.RFC3339))
	s.must(s.Roster.Table.Write(s.Context(), "", table.Create{Key: table.Key{Partition: "school/" + s.manager.School + "/imports", Sort: in}, Value: []byte(value)}))
	return "/roster/imports/" + in
}

func (s *staged) firstContact() (at roster.Place) {
	s.Helper()
	families, _, err := s.Roster.Families(s.Context(), s.manager.School, "")
	s.must(err)
	for _, f := range families {
		for _, g := range f.Guardians {
			for _, c := range g.Contacts {
				return roster.Place{Family: f.ID, Guardian: g.ID, Contact: c.ID}
			}
		}
	}
	s.Fatal("the demo school has no contact")
	return at
}

// joined registers an address and returns the path of its confirmation.
func (s *staged) joined(address, code string) string {
	s.Helper()
	b := newPerson(s.TB, s.URL(), phone)
	b.goTo("/register/" + code)
	b.write("address", address)
	b.follow("確認メールを受け取る")
	return s.mailed(address)
}
