package browser

import (
	"regexp"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/roster"
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

// mailed returns the path of the link in the newest mail to an address.
func (o *office) mailed(to string) string {
	o.Helper()
	for _, m := range o.Inbox.List() {
		if found := registerLink.FindStringSubmatch(m.Text); m.To == to && found != nil {
			return found[1]
		}
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
	confirm, done := s.joined("oya@docomo.ne.jp", code), s.joined("haha@docomo.ne.jp", code)
	b := newPerson(s.TB, s.URL(), phone)
	b.goTo(done)
	b.follow("登録する")
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
		{name: "no more notices", path: "/register/leave/" + leave},
		{name: "reach", who: manager, path: "/reach"},
		{name: "reach, search", who: manager, path: "/reach?q=" + "a"},
		{name: "reach of a class", who: manager, path: "/reach/" + class},
		{name: "poster", who: manager, path: "/reach/" + class + "/poster"},
		{name: "invite", who: manager, path: "/reach/" + class + "/invite"},
		{name: "invite, nothing entered", who: manager, then: submit("#invite"), status: unprocessable},
		{name: "invited", who: manager, then: fill(`f.rows.value = "1 parent@gmail.com\nalone@docomo.ne.jp\ntaro@gmial.com\nだれか x@gmail.com"`)},
	}
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
