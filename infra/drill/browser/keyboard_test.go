package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// focus is where the keyboard is.
type focus struct {
	ID, Name, Words string
	Seen            bool // it is in view, and marked so that it cannot be missed
}

// focused returns what has the focus. The mark is an outline of two pixels or
// more (WCAG 2.4.7, 2.4.13); what merely got the focus from the page, such as a
// summary of errors, has a frame of its own.
const focused = `(e => {
	const s = getComputedStyle(e), r = (e.closest("label") || e).getBoundingClientRect();
	const marked = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2;
	return {id: e.id, name: e.name || "", words: (e.closest("label") || e).innerText.trim(),
		seen: marked && r.bottom > 0 && r.top < innerHeight && r.width > 0};
})(document.activeElement)`

// tabTo presses Tab until the focus is where it should be. It fails for every
// stop on the way at which one cannot see the focus.
func (b *tab) tabTo(what string, is func(f focus) bool) {
	b.Helper()
	const most = 60 // presses
	var way []string
	for range most {
		b.keys(kb.Tab)
		f := run[focus](b, focused)
		way = append(way, firstWords(f.Name+" "+f.Words))
		if !f.Seen {
			b.Errorf("%s: the focus cannot be seen on %+v", b.path(), f)
		}
		if is(f) {
			return
		}
	}
	b.Fatalf("%s: no way to %s by Tab, but to:\n%s", b.path(), what, strings.Join(way, "\n"))
}

func named(name string) func(focus) bool { return func(f focus) bool { return f.Name == name } }

func saying(words string) func(focus) bool {
	return func(f focus) bool { return strings.Contains(f.Words, words) }
}

// enter presses Enter on what leads to another page.
func (b *tab) enter() {
	b.Helper()
	b.leave(func() { b.keys(kb.Enter) })
}

// TestKeyboard sends an alert with Tab, Space, Enter and letters, from the first
// page on, and takes a wrong turn on the way.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := newPerson(t, o.URL(), desktop)
	o.signIn(b, o.manager)
	b.tabTo("the button", saying("新しい連絡を作る"))
	b.enter()
	b.tabTo("the subject", named("subject"))
	b.keys("Drill A")
	b.enter()
	b.followsErrors()
	b.keys("One.")
	b.keys(kb.Enter)
	b.keys("Two.")
	b.tabTo("the whole school", named("all"))
	b.keys(" ")
	b.tabTo("the button", saying("確認画面へ進む"))
	b.enter()
	b.says("One.\nTwo.")
	b.tabTo("the button", saying("を送信する（全校・301人）"))
	b.enter()
	b.tabTo("the way back", saying("送信を取り消す"))
	b.says("まだ1通も送っていません")
}

// followsErrors goes from the summary of what is wrong to each field, and ends in
// that of the text.
func (b *tab) followsErrors() {
	b.Helper()
	if f := run[focus](b, focused); f.ID != "summary" {
		b.Errorf("the focus is on %+v, not on the summary of errors", f)
	}
	fields := run[[]string](b, `[...document.querySelectorAll("#summary a")].map(e => e.hash.slice(1))`)
	if len(fields) != 2 {
		b.Errorf("the summary leads to %q, not to text and groups", fields)
	}
	for i := len(fields) - 1; i >= 0; i-- {
		b.followsError(fields[i])
	}
}

// followsError presses Enter on a link of the summary.
func (b *tab) followsError(field string) {
	b.Helper()
	run[bool](b, `document.querySelector("#summary").focus(), true`)
	b.tabTo("the link to "+field, func(focus) bool {
		return run[bool](b, `document.activeElement.hash === "#`+field+`"`)
	})
	b.keys(kb.Enter)
	b.until("the focus is in "+field, `document.activeElement.id === `+quote(field))
	if visible := run[bool](b, "document.activeElement.getBoundingClientRect().top < innerHeight"); !visible {
		b.Errorf("%s is out of view", field)
	}
}

// TestEveryErrorHasItsField follows every link of the summary when all of the
// form is wrong.
func TestEveryErrorHasItsField(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := newPerson(t, o.URL(), desktop)
	o.signIn(b, o.manager)
	b.goTo("/alerts/new")
	spoil(b)
	fields := run[[]string](b, `[...document.querySelectorAll("#summary a")].map(e => e.hash.slice(1))`)
	if len(fields) < 6 {
		t.Errorf("only these are wrong: %q", fields)
	}
	for _, field := range fields {
		b.followsError(field)
	}
}
