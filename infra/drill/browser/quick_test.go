package browser

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/staff"
)

// Touches from a telephone in a pocket to a message that is on its way.
const (
	toUnlock    = 1 // a finger on the sensor, or a look and a swipe
	toOpen      = 1 // the page, which stands on the home screen
	mostTouches = 4
)

// teacher returns somebody with a class of the demo school.
func (o *office) teacher(class string) staff.Staff {
	o.Helper()
	m, err := o.Staff.PutStaff(o.Context(), staff.Staff{
		School: o.manager.School, Role: staff.Teacher, Name: "担任 見本", Mail: "tannin@demo.example.jp", Groups: []string{o.class(class)},
	})
	o.must(err)
	return m
}

// hold keeps a finger on a button until the page has had enough of it, or for a moment.
// The page, which leave is waiting to see go, may be away at the end.
func (b *tab) hold(words string, enough bool) {
	b.Helper()
	const holding = "document.querySelector('.holding')"
	p := b.at("“"+words+"”", "[...document.querySelectorAll('button')].find(e => e.checkVisibility() && e.innerText.includes("+quote(words)+"))")
	b.story.pressed(p.Words + "（押し続ける）")
	call(b, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: input.DispatchTouchEventTypeTouchStart, TouchPoints: []*input.TouchPoint{{X: p.X, Y: p.Y}}})
	b.until("the button is held", "!document.stale || "+holding)
	if enough {
		b.until("it was held long enough", "!document.stale || !"+holding) // it is the browser that counts
	}
	call(b, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: input.DispatchTouchEventTypeTouchEnd, TouchPoints: []*input.TouchPoint{}})
}

// patientButtons has buttons that are to be held wait a thousand times as long, so that no
// touch is too long on a slow machine, and keeps for how long that was to be.
const patientButtons = `(() => {
	const wait = setTimeout;
	window.setTimeout = (f, ms, ...more) => {
		if (f.name !== "send") return wait(f, ms, ...more);
		window.toHold = ms;
		return wait(f, 1000 * ms, ...more);
	};
})()`

// toHold is for how long a button is to be held.
const toHold = time.Second

// TestFourTouches: a teacher who is signed in tells the own class with four touches,
// of which two are in the browser, and takes it back with one more.
func TestFourTouches(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := newPerson(t, o.URL(), phone)
	o.signIn(b, o.teacher("1年1組"))
	before := len(o.Inbox.List())
	b.story = &story{}

	b.goTo("/")
	b.follow("大雨・台風")
	b.says("送り先：1年1組（32人）")
	b.inView("押し続けて送信")
	b.leave(func() { b.hold("押し続けて送信", true) })
	b.says("まだ1通も送っていません")

	touches := toUnlock + toOpen + b.story.presses
	t.Logf("%d touches from the lock screen to sent\n%v", touches, b.story)
	if touches > mostTouches {
		t.Errorf("it takes %d touches, not %d", touches, mostTouches)
	}
	a := o.latest()
	if a.All || len(a.Groups) != 1 || a.Groups[0] != o.class("1年1組") || a.Kind != alert.Notice || !strings.Contains(a.Subject, "悪天候") {
		t.Errorf("what was sent: %+v", a)
	}
	b.follow("送信を取り消す")
	b.says("誰にも送っていません")
	o.advance(time.Minute)
	if n := len(o.Inbox.List()); n != before {
		t.Errorf("%d mails were sent all the same", n-before)
	}
}

// inView fails unless a button is on the screen without scrolling.
func (b *tab) inView(words string) {
	b.Helper()
	if in := run[bool](b, `scrollTo(0, 0), (r => r.top >= 0 && r.bottom <= innerHeight)([...document.querySelectorAll("button")].find(e => e.innerText.includes(`+quote(words)+`)).getBoundingClientRect())`); !in {
		b.Errorf("%s: one has to scroll to “%s”", b.path(), words)
	}
}

// latest returns the school's newest alert.
func (o *office) latest() alert.Alert {
	o.Helper()
	alerts, _, err := o.Alerts.List(o.Context(), o.manager.School, "", 1)
	o.must(err)
	if len(alerts) == 0 {
		o.Fatal("nothing was sent")
	}
	return alerts[0]
}

// TestStrayTouch: a touch that is too short sends nothing and says so, a key leads to
// the page that asks, and what is ticked is spelled out.
func TestStrayTouch(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := newPerson(t, o.URL(), phone)
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: patientButtons})
	o.signIn(b, o.manager)
	b.goTo("/quick/home")
	b.says("全校（")
	run[bool](b, "document.stale = true") // which it stays, as nothing is left
	b.hold("押し続けて送信", false)
	b.says("離れるのが早すぎました")
	if ms := run[int64](b, "toHold"); ms != toHold.Milliseconds() {
		t.Errorf("the button is to be held for %d ms, not %v", ms, toHold)
	}
	b.touch("押し続けて送信")
	if got := b.path(); got != "/quick/home" {
		t.Fatalf("a short touch led to %s", got)
	}
	b.touch("全校")
	b.says("送り先を選んでください")
	b.touch("クラスを選ぶ")
	b.touch("1年1組")
	b.touch("1年2組")
	b.says("計")
	run[bool](b, "document.querySelector('[data-hold]').focus(), true")
	b.leave(func() { b.keys("\r") })
	b.says("を送信する（1年1組、1年2組")
	b.follow("を送信する（1年1組、1年2組")
	if a := o.latest(); a.All || len(a.Groups) != 2 {
		t.Errorf("sent to %v", a.Groups)
	}
}

// TestQuickWithoutScripts: without them, one more page asks.
func TestQuickWithoutScripts(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := newPerson(t, o.URL(), phone)
	b.withoutScripts()
	o.signIn(b, o.teacher("1年1組"))
	b.goTo("/")
	b.follow("不審者")
	b.follow("確認してから送る")
	b.follow("を送信する（1年1組")
	b.says("まだ1通も送っていません")
	o.advance(10 * time.Second)
}
