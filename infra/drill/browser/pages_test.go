package browser

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// who looks at a page.
type who int

const (
	guardian who = iota // or anybody else who is not signed in
	manager             // of the demo school
	newcomer            // manager of a school without a roster
	officer             // looks after the district of the demo school
	teacher             // of one of its classes
)

// stop is a page that people meet.
type stop struct {
	name   string
	who    who
	path   string       // where the way to it begins; "": where the person is
	then   func(b *tab) // the rest of the way
	status int          // 0: 200
}

// pages are all pages, in the order in which they can be met.
func pages(t testing.TB, s *staged) []stop {
	status := "/alerts/" + s.status
	file := func(name, content string) func(b *tab) { return upload(t, name, content) }
	return append([]stop{
		{name: "how to sign in", path: "/sign-in"},
		{name: "a sign-in link was asked for", path: "/sign-in/mail"},
		{name: "sign in by a link", path: s.signInPath()},
		{name: "a link that was used", path: "/sign-in/nonsense", status: http.StatusGone},
		{name: "how to let mail through", path: "/help/mail"},
		{name: "how to let mail through docomo", path: "/help/mail/docomo"},
		{name: "home", who: manager, path: "/"},
		{name: "compose", who: manager, path: "/alerts/new"},
		{name: "compose with errors", who: manager, then: spoil, status: http.StatusUnprocessableEntity},
		{name: "compose, replacing", who: manager, path: "/alerts/new?supersedes=" + s.status},
		{name: "a template", who: manager, path: "/quick/weather"},
		{name: "templates", who: manager, path: "/templates"},
		{name: "change a template", who: manager, path: "/templates/safety"},
		{name: "add a template", who: manager, path: "/templates/new"},
		{name: "add a template, nothing said", who: manager, then: submit("main form"), status: http.StatusUnprocessableEntity},
		{name: "preview", who: manager, path: "/alerts/new?from=" + s.status, then: submit("main form")},
		{name: "preview, to those who have not answered", who: manager, path: "/alerts/new?follows=" + s.status, then: submit("main form")},
		{name: "compose, to those who have not answered", who: manager, path: "/alerts/new?follows=" + s.status},
		{name: "preview of a drill", who: manager, path: "/alerts/new?from=" + s.drill, then: submit("main form")},
		{name: "preview after a test", who: manager, then: submit("[formaction='/alerts/test']")},
		{name: "sent, can be undone", who: manager, path: "/alerts/" + s.undo + "?sent=1"},
		{name: "status", who: manager, path: status},
		{name: "status of a drill", who: manager, path: "/alerts/" + s.drill},
		{name: "status of a closed alert", who: manager, path: "/alerts/" + s.over + "?closed=1"},
		{name: "status of an expired alert", who: manager, path: "/alerts/" + s.past},
		{name: "how alerts were answered", who: manager, path: "/usage"},
		{name: "call desk", who: manager, path: status + "/desk"},
		{name: "a family in hand", who: manager, then: nextFamily},
		{name: "call list on paper", who: manager, path: status + "/desk", then: submit("[action$='/desk/paper'] button")},
		{name: "key in a call list", who: manager, path: status + "/desk/paper/1/enter"},
		{name: "report", who: manager, path: status + "/report"},
		{name: "report of an alert that is over", who: manager, path: "/alerts/" + s.past + "/report"},
		{name: "class", who: manager, path: status + "/classes/" + s.group},
		{name: "gate, which class", who: manager, path: status + "/gate"},
		{name: "gate", who: manager, path: status + "/gate/" + s.group},
		{name: "gate, ticked off", who: manager, then: tickOff},
		{name: "help needed", who: manager, path: status + "/help"},
		{name: "drills", who: manager, path: "/drills"},
		{name: "replies", who: manager, path: status + "/replies"},
		{name: "close", who: manager, path: status + "/close"},
		{name: "update the page", who: manager, path: status + "/note"},
		{name: "update the page, nothing said", who: manager, then: submit("#note-form"), status: http.StatusUnprocessableEntity},
		{name: "no such alert", who: manager, path: "/alerts/nonsense", status: http.StatusNotFound},
		{name: "no such page", who: manager, path: "/nonsense", status: http.StatusNotFound},
		{name: "not by this way", who: manager, path: "/alerts/" + s.status + "/undo", status: http.StatusMethodNotAllowed},
		{name: "roster", who: manager, path: "/roster"},
		{name: "lost mail", who: manager, path: "/mail"},
		{name: "system", who: manager, path: "/system"},
		{name: "system, being checked", who: manager, then: checkNow},
		{name: "audit log", who: manager, path: "/audit"},
		{name: "own settings", who: manager, path: "/me"},
		{name: "prove who one is", who: manager, path: "/me/prove?next=/tokens"},
		{name: "reminders", who: manager, path: "/chase"},
		{name: "reminders, nothing said", who: manager, then: emptied("form[action='/chase']"), status: http.StatusUnprocessableEntity},
		{name: "API tokens", who: manager, path: "/tokens"},
		{name: "API tokens, nothing said", who: manager, then: submit("form[action='/tokens']"), status: http.StatusUnprocessableEntity},
		{name: "schools of the district", who: officer, path: "/district"},
		{name: "call desk of the district", who: officer, path: "/district/desk"},
		{name: "a household in hand", who: officer, then: nextFamily},
		{name: "call list of the district on paper", who: officer, path: "/district/desk", then: submit("[action$='/desk/paper'] button")},
		{name: "key in a call list of the district", who: officer, path: "/district/desk/paper/1/enter"},
		{name: "tell the district", who: officer, path: "/district/send"},
		{name: "tell the district, nothing said", who: officer, then: submit("#send"), status: http.StatusUnprocessableEntity},
		{name: "tell the district, preview", who: officer, path: "/district/send", then: districtAlert},
		{name: "told the district", who: officer, then: submit("#send")},
		{name: "told the district, undone", who: officer, then: submit("form[action='/district/undo']")},
		{name: "audit log, a wrong day", who: manager, path: "/audit?from=2026-01-01&to=2026-04-06", status: http.StatusUnprocessableEntity},
		{name: "sign out", who: manager, path: "/sign-out"},
		{name: "inbox", who: manager, path: "/inbox"},
		{name: "home without a roster", who: newcomer, path: "/"},
		{name: "roster, empty", who: newcomer, path: "/roster"},
		{name: "roster, not a class list", who: newcomer, then: file("list.pdf", "%PDF-1.7\n\x00"), status: http.StatusUnprocessableEntity},
		{name: "roster, columns", who: newcomer, path: "/roster", then: file("columns.csv", "x,y,z\n1,2,見本 太郎\n")},
		{name: "roster, preview", who: newcomer, path: "/roster", then: file("faulty.csv", faultySheet)},
		{name: "roster, result", who: newcomer, then: imported},
		{name: "turn of the year, done", who: newcomer, path: "/roster/turn", then: turned(file("year.csv", turnSheet))},
		{name: "turn of the year, undone", who: newcomer, then: takenBack},
		{name: "compose without grades", who: newcomer, path: "/alerts/new"},
		{name: "signed out", who: newcomer, path: "/sign-out", then: submit("main form")},
		{name: "answer for one", path: s.one},
		{name: "answer for siblings", path: s.siblings},
		{name: "answer, nothing chosen", then: submit(".big"), status: http.StatusUnprocessableEntity},
		{name: "answered", path: s.answered},
		{name: "answer a drill", path: s.drillLink},
		{name: "answer, a newer alert", path: s.newer},
		{name: "answer, not asked any more", path: s.notAsked},
		{name: "answer, expired", path: s.ended, status: http.StatusGone},
		{name: "answer, closed", path: s.closed, status: http.StatusGone},
		{name: "answer, unknown", path: "/a/nonsense", status: http.StatusNotFound},
		{name: "answer, example", path: "/a/example", status: http.StatusNotFound},
		{name: "read only", path: s.read},
	}, s.registers()...)
}

func (s *staged) signInPath() string { return s.signInLink(s.manager)[len(s.URL()):] }

const faultySheet = `学年,組,出席番号,氏名,保護者1氏名,保護者1続柄,保護者1電話,保護者1メール
1,1,1,見本 一郎,見本 花子,母,090-0000-0001,hanako@example.jp
1,1,2,見本 二葉,見本 月子,母,090-0000-0002,tsukiko@docomo.ne.jo
1,2,1,例 三郎,例 陽子,母,090-0000-0003,これはアドレスではありません
,,1,,例 四季,母,090-0000-0004,shiki@example.jp
`

// checkNow has the doctor look, unless it is looking already.
func checkNow(b *tab) {
	b.Helper()
	const form = "form[action='/system/doctor']"
	if run[bool](b, `document.querySelector(`+quote(form)+`) !== null`) {
		submit(form)(b)
	}
}

// submit presses the button of a form, or the button itself.
func submit(selector string) func(b *tab) {
	return func(b *tab) {
		b.Helper()
		b.leave(func() {
			run[bool](b, `(e => { e.form ? e.click() : e.requestSubmit(); return true; })(document.querySelector(`+quote(selector)+`))`)
		})
	}
}

// tickOff taps the first child of a list that nobody has answered for.
func tickOff(b *tab) {
	b.Helper()
	row := run[string](b, `(e => { e.click(); return e.closest("li").id; })(document.querySelector(".gate .tap"))`)
	b.until("the child is ticked off", `document.getElementById(`+quote(row)+`)?.className === "seen"`)
	b.goTo(b.path())
}

// nextFamily takes the next family in hand, or goes on with the one that is.
func nextFamily(b *tab) {
	b.Helper()
	b.leave(func() {
		run[bool](b, `(e => { e.click(); return true; })(document.querySelector("#next, #live .notice a.button"))`)
	})
}

// emptied sends a form with nothing in its fields.
func emptied(selector string) func(b *tab) {
	return func(b *tab) {
		b.Helper()
		run[bool](b, `(f => { for (const e of f.querySelectorAll("input[type=text]")) e.value = ""; return true; })(document.querySelector(`+quote(selector)+`))`)
		submit(selector)(b)
	}
}

// spoil sends the form of an alert with everything wrong that can be.
func spoil(b *tab) {
	b.Helper()
	run[bool](b, `(f => {
		f.answers.value = "own";
		for (const e of f.querySelectorAll(".own input")) { e.value = ""; e.checked = false; }
		f.useful_until.value = "2020-01-01T00:00";
		f.remind_after.value = "soon";
		return true;
	})(document.getElementById("compose"))`)
	submit("#compose")(b)
}

// districtAlert fills in an alert to all schools and goes on to its preview.
func districtAlert(b *tab) {
	b.Helper()
	run[bool](b, `(f => { f.subject.value = "大雪による休校"; f.body.value = "明日は休校です。"; return true; })(document.getElementById("send"))`)
	submit("#send")(b)
}

// upload chooses a file of that content for the roster and sends it.
func upload(t testing.TB, name, content string) func(b *tab) {
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(b *tab) {
		b.Helper()
		b.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{path}))
		submit("form[enctype]")(b)
	}
}

// imported confirms an import and waits for its result.
func imported(b *tab) {
	b.Helper()
	submit("form[action$=confirm]")(b)
	b.until("the import is done", "!document.querySelector('progress')")
	b.goTo(b.path())
}

// turned uploads a list for the turn of the year, confirms it and waits for its result.
func turned(upload func(b *tab)) func(b *tab) {
	return func(b *tab) {
		b.Helper()
		upload(b)
		run[bool](b, `(e => { if (e) e.checked = true; return true; })(document.getElementById("sure"))`)
		imported(b)
	}
}

// takenBack undoes it.
func takenBack(b *tab) {
	b.Helper()
	submit("form[action$=undo]")(b)
	b.until("it is undone", "!document.querySelector('progress')")
	b.goTo(b.path())
}

// TestPages looks at every page in both languages, on a telephone and on a
// desktop: see check.
func TestPages(t *testing.T) {
	t.Parallel()
	axe := axeScript(t)
	s := stage(newOffice(t))
	look := func(stops func(testing.TB) []stop) func(t *testing.T) {
		return func(t *testing.T) {
			for _, language := range []string{"ja", "en"} {
				t.Run(language, func(t *testing.T) {
					t.Parallel()
					people := s.people(t, language)
					for _, p := range stops(t) {
						b := people[p.who]
						b.visit(t, p)
						if lang := run[string](b, "document.documentElement.lang"); lang != language {
							t.Errorf("%s is in %q", p.name, lang)
						}
						for _, words := range said[p.name] {
							if language == "ja" {
								b.says(words)
							}
						}
						t.Logf("%4.1f KB: %s", b.watch.kilobytes(), p.name)
						b.check(t, p.name, axe)
					}
				})
			}
		}
	}
	t.Run("languages", look(func(t testing.TB) []stop { return pages(t, s) }))
	t.Run("staff", look(func(t testing.TB) []stop { return staffPages(t, s) }))
	trouble := s.inTrouble()
	t.Run("in trouble", look(func(testing.TB) []stop { return trouble }))
}

// people returns somebody in each role, who speaks the language.
func (s *staged) people(t testing.TB, language string) map[who]*tab {
	people := map[who]*tab{guardian: nil, manager: nil, newcomer: nil, officer: nil, teacher: nil}
	for role := range people {
		b := newPerson(t, s.URL(), phone)
		b.speak(language)
		b.forgetful()
		people[role] = b
	}
	s.signIn(people[manager], s.manager)
	s.signIn(people[newcomer], s.newSchool())
	s.signIn(people[officer], s.newOfficer())
	s.signIn(people[teacher], s.teacher("1年1組"))
	return people
}

// visit goes to a page.
func (b *tab) visit(t testing.TB, p stop) {
	t.Helper()
	b.TB = t
	if p.path != "" {
		b.goTo(p.path)
	}
	if p.then != nil {
		p.then(b)
	}
	if p.status == 0 {
		p.status = http.StatusOK
	}
	if got := b.watch.answered(); got != p.status {
		t.Errorf("%s: status %d, not %d", p.name, got, p.status)
	}
}
