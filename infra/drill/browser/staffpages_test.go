package browser

import (
	"net/http"
	"testing"

	"github.com/todoku/todoku/shared/staff"
)

// staffPages are the pages about who works here, and those of a teacher who may not send
// to the whole school.
func staffPages(_ testing.TB, s *staged) []stop {
	one := s.colleague()
	var held string // the path of what a teacher has sent to the whole school
	return []stop{
		{name: "sign in by a code", path: "/sign-in/code"},
		{name: "sign in by a code, a wrong one", then: submit("form[action='/sign-in/code']"), status: http.StatusUnprocessableEntity},
		{name: "sign in, no address", path: "/sign-in", then: submit("form[action='/sign-in/mail']"), status: http.StatusUnprocessableEntity},
		{name: "people", who: manager, path: "/people"},
		{name: "somebody new", who: manager, path: "/people/new"},
		{name: "somebody new, nothing said", who: manager, then: submit("form[action='/people']"), status: http.StatusUnprocessableEntity},
		{name: "a person", who: manager, path: "/people/" + one.ID},
		{name: "a printed code", who: manager, then: submit("form[action$='/code']")},
		{name: "people from a list", who: manager, path: "/people/import"},
		{name: "people from a list, preview", who: manager, then: pasted("氏名,メールアドレス,職名,担任\n例 新,new@demo.example.jp,教諭,1年1組\n誤 記,x@demo.example.jp,社長,9年9組\n")},
		{name: "hand over", who: manager, path: "/people/hand-over"},
		{name: "hand over, preview", who: manager, then: leaves(one.ID)},
		{name: "how staff sign in", who: manager, path: "/people/sign-in"},
		{name: "how staff sign in, not yet", who: manager, then: stricter, status: http.StatusConflict},
		{name: "break-glass, how strict", who: manager, path: "/break-glass/settings"},
		{name: "home of a teacher", who: teacher, path: "/"},
		{name: "a template of a teacher", who: teacher, path: "/quick/weather"},
		{name: "what a teacher may not see", who: teacher, path: "/people", status: http.StatusForbidden},
		{name: "break-glass", who: teacher, path: "/break-glass"},
		{name: "break-glass, nothing said", who: teacher, then: submit("form[action='/break-glass']"), status: http.StatusUnprocessableEntity},
		{name: "break-glass, held", who: teacher, then: func(b *tab) { breaksGlass(b); held = b.path() }},
		{name: "break-glass, the second person's", who: manager, then: func(b *tab) { b.goTo(held) }},
	}
}

// colleague is a teacher with a name that nobody else has.
func (s *staged) colleague() staff.Staff {
	s.Helper()
	id := s.Alerts.IDs.New()
	m, err := s.Staff.PutStaff(s.Context(), staff.Staff{
		School: s.manager.School, Role: staff.Teacher, Name: "例 一子 " + id[20:], Mail: id + "@demo.example.jp", Groups: []string{s.class("1年2組")},
	})
	s.must(err)
	return m
}

// pasted pastes a list of people and goes on to its preview.
func pasted(list string) func(b *tab) {
	return func(b *tab) {
		b.Helper()
		run[bool](b, `(document.querySelector("textarea[name=text]").value = `+quote(list)+`, true)`)
		submit("form[action='/people/import/preview']")(b)
	}
}

// leaves ticks somebody off, leaves the classes to nobody, and goes on to the preview.
func leaves(id string) func(b *tab) {
	return func(b *tab) {
		b.Helper()
		run[bool](b, `(f => {
			for (const e of f.querySelectorAll("input[type=text]")) e.value = "";
			return f.querySelector("input[name=leaves][value='`+id+`']").checked = true;
		})(document.querySelector("form[action='/people/hand-over/preview']"))`)
		submit("form[action='/people/hand-over/preview']")(b)
	}
}

// stricter asks for passkeys before there are any.
func stricter(b *tab) {
	b.Helper()
	run[bool](b, `document.querySelector("input[name=rule][value=passkey]").checked = true`)
	submit("form[action='/people/sign-in']")(b)
}

// breaksGlass tells the whole school.
func breaksGlass(b *tab) {
	b.Helper()
	run[bool](b, `(f => { f.subject.value = "不審者が校内に侵入しました"; f.body.value = "児童は教室にいます。学校に来ないでください。"; return true; })(document.querySelector("form[action='/break-glass']"))`)
	submit("form[action='/break-glass']")(b)
}
