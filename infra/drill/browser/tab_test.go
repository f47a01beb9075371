package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const (
	// patience is how long anything may take. Nothing ever takes so long on a
	// machine that works; a slow one must not fail.
	patience = 3 * time.Minute
	step     = 20 * time.Millisecond // between two looks
)

// screen is a size in CSS pixels.
type screen struct {
	name          string
	width, height int64
	finger        bool // a touch screen; otherwise there is a mouse
}

var (
	phone   = screen{"phone", 360, 740, true}
	desktop = screen{"desktop", 1280, 900, false}
)

// tab is a page in a window of its own, with somebody in front of it.
type tab struct {
	testing.TB
	ctx    context.Context
	screen screen
	base   string // where the machine is
	watch  *watch // what the browser reports
	story  *story // what the person has done
}

// newPerson opens a browser without any cookie.
func newPerson(t testing.TB, base string, s screen) *tab {
	t.Helper()
	b := &tab{TB: t, screen: s, base: base, story: &story{}}
	return b.open(start(t), chromedp.WithNewBrowserContext())
}

// newTab opens another page in the person's browser.
func (b *tab) newTab() *tab {
	b.Helper()
	second := *b
	return second.open(b.ctx)
}

func (b *tab) open(parent context.Context, options ...chromedp.ContextOption) *tab {
	b.Helper()
	ctx, end := chromedp.NewContext(parent, options...)
	b.Cleanup(end)
	b.ctx, b.watch = ctx, &watch{}
	b.do(chromedp.Func(func(context.Context, *chromedp.Target) error { return nil })) // opens it
	b.must(chromedp.Listen(ctx, b.watch.hear))
	call(b, network.Enable, network.EnableParams{})
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: standing})
	b.look(b.screen)
	return b
}

// standing has the clock by which a page shows how long something is still possible stand
// still until a test moves it: a slow machine must not find that the time is over.
const standing = `(() => {
	let now = performance.now();
	performance.now = () => now;
	window.pass = (ms) => { now += ms; return true; };
})()`

// pass moves the page's clock.
func (b *tab) pass(by time.Duration) {
	b.Helper()
	run[bool](b, fmt.Sprintf("pass(%d)", by.Milliseconds()))
}

// look gives the tab a screen.
func (b *tab) look(s screen) {
	b.Helper()
	b.screen = s
	if s.finger {
		b.do(chromedp.EmulateViewport(s.width, s.height, chromedp.EmulateMobile, chromedp.EmulateTouch))
		return
	}
	b.do(chromedp.EmulateViewport(s.width, s.height))
}

// withoutScripts turns the scripts of all further pages off.
func (b *tab) withoutScripts() {
	b.Helper()
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// fontSize sets how large the person wants text to be; 16 is the usual.
func (b *tab) fontSize(pixels int64) {
	b.Helper()
	call(b, page.SetFontSizes, page.SetFontSizesParams{FontSizes: &page.FontSizes{Standard: pixels, Fixed: pixels}})
}

// speak has all further pages in a language that the person chose before.
func (b *tab) speak(language string) {
	b.Helper()
	call(b, network.SetCookie, network.SetCookieParams{Name: "lang", Value: language, URL: b.base})
}

// forgetful has the browser keep nothing from one page for the next, so that each
// costs what it costs who opens it first.
func (b *tab) forgetful() {
	b.Helper()
	call(b, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
}

// goTo opens a path of the machine, or an address.
func (b *tab) goTo(address string) {
	b.Helper()
	if address[0] == '/' {
		address = b.base + address
	}
	b.leave(func() { call(b, page.Navigate, page.NavigateParams{URL: address}) })
}

// leave does what leads to another page, and waits until that is there.
func (b *tab) leave(act func()) {
	b.Helper()
	run[bool](b, "document.stale = true")
	b.watch.forget()
	act()
	b.until("the next page is there", "!document.stale && document.readyState === 'complete'")
	b.sleepUntil("all of the page is there", func() bool { return len(b.watch.waiting()) == 0 })
}

// place is where something on the page is, on the screen.
type place struct {
	X, Y  float64
	Words string // what it says
	Under bool   // something else is over it
}

// find finds, of what can be pressed and says the words, that which says least
// else, and scrolls there. Its address may be given instead, with "href=".
const find = `(words => {
	const said = e => (e.innerText || "").replace(/\s+/g, " ").trim();
	const all = [...document.querySelectorAll("a,button,label,summary")].filter(e => e.checkVisibility({visibilityProperty: true})
		&& (words.startsWith("href=") ? (e.getAttribute("href") || "").includes(words.slice(5)) : said(e).includes(words)));
	all.sort((a, b) => said(a).length - said(b).length);
	return all[0];
})(%s)`

// where returns the middle of an element.
const where = `(e => {
	if (!e) return null;
	e.scrollIntoView({block: "center", inline: "nearest", behavior: "instant"});
	const r = e.getClientRects()[0], x = r.left + r.width / 2, y = r.top + r.height / 2;
	const top = document.elementFromPoint(x, y);
	return {x, y, words: (e.innerText || e.name || "").trim(), under: !(top && (e.contains(top) || top.contains(e)))};
})(%s)`

// at returns where an element is that a script finds, once it is there.
func (b *tab) at(what, script string) place {
	b.Helper()
	var p *place
	b.sleepUntil(what+" is on the page", func() bool {
		found, err := chromedp.Run(b.limited(), chromedp.Evaluate[*place](fmt.Sprintf(where, script)))
		p = found
		return err == nil && p != nil
	})
	if p.Under {
		b.Fatalf("%s: something lies over %s", b.path(), what)
	}
	return *p
}

// touch touches or clicks something that says the words, and stays on the page.
func (b *tab) touch(words string) {
	b.Helper()
	p := b.at("“"+words+"”", fmt.Sprintf(find, quote(words)))
	b.story.pressed(p.Words)
	b.press(p)
}

func (b *tab) press(p place) {
	b.Helper()
	b.do(b.pressing(p))
}

func (b *tab) pressing(p place) chromedp.Action[chromedp.Void] {
	if b.screen.finger {
		return chromedp.TapXY(p.X, p.Y)
	}
	return chromedp.MouseClickXY(p.X, p.Y)
}

// lost is after how long a press that the browser has not acknowledged is taken for
// one on a page that was just going away: that is never acknowledged.
const lost = 3 * time.Second

// pressTwice presses as an impatient person does, who does not look at what the
// first press has done.
func (b *tab) pressTwice(p place) {
	b.Helper()
	b.press(p)
	ctx, cancel := context.WithTimeout(b.ctx, lost)
	defer cancel()
	err := chromedp.Do(ctx, b.pressing(p))
	if errors.Is(err, context.DeadlineExceeded) {
		b.Log("the page went away under the second press")
		return
	}
	b.must(err)
}

// follow touches or clicks what leads to another page.
func (b *tab) follow(words string) {
	b.Helper()
	b.leave(func() { b.touch(words) })
	b.story.read(run[string](b, "document.title"))
}

// write puts text into the field with an id, as an input method does.
func (b *tab) write(id, text string) {
	b.Helper()
	b.press(b.at("#"+id, "document.getElementById("+quote(id)+")"))
	call(b, input.InsertText, input.InsertTextParams{Text: text})
	b.story.wrote(id, text)
}

// keys types; see package kb for those that are no characters. What a key does
// when it goes down decides whether it also gives a character, as on a keyboard.
func (b *tab) keys(keys string) {
	b.Helper()
	for _, r := range keys {
		k := kb.Keys[r]
		e := input.DispatchKeyEventParams{
			Type: input.DispatchKeyEventTypeKeyDown, Key: k.Key, Code: k.Code, Text: k.Text, UnmodifiedText: k.Unmodified,
			WindowsVirtualKeyCode: k.Windows, NativeVirtualKeyCode: k.Native,
		}
		call(b, input.DispatchKeyEvent, e)
		e.Type, e.Text, e.UnmodifiedText = input.DispatchKeyEventTypeKeyUp, "", ""
		call(b, input.DispatchKeyEvent, e)
	}
}

// until waits for a script to be true.
func (b *tab) until(what, script string) {
	b.Helper()
	b.sleepUntil(what, func() bool {
		yes, err := chromedp.Run(b.limited(), chromedp.Evaluate[bool]("!!("+script+")"))
		return err == nil && yes // between two pages there is nothing to ask
	})
}

// asked returns whether a script is true, also of a page that may just go away.
func (b *tab) asked(script string) (yes bool) {
	b.Helper()
	b.sleepUntil("there is a page to ask", func() (there bool) {
		var err error
		yes, err = chromedp.Run(b.limited(), chromedp.Evaluate[bool]("!!("+script+")"))
		return err == nil
	})
	return yes
}

// says fails unless the page comes to show the words.
func (b *tab) says(words string) {
	b.Helper()
	b.until("the page says “"+words+"”", "document.body.innerText.includes("+quote(words)+")")
}

func (b *tab) sleepUntil(what string, holds func() bool) {
	b.Helper()
	for range patience / step {
		if holds() {
			return
		}
		time.Sleep(step)
	}
	b.Fatalf("%s: it did not come about: %s\nstill under way: %q\n%s", b.path(), what, b.watch.waiting(), run[string](b, "document.body.innerText"))
}

// path is where the tab is; tokens in it are no secrets here.
func (b *tab) path() string { return run[string](b, "location.pathname + location.search") }

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	b.must(chromedp.Do(b.limited(), actions...))
}

// limited returns a context in which nothing takes for ever. The first use of a
// tab must not be limited: that would be the tab's life.
func (b *tab) limited() context.Context {
	if chromedp.FromContext(b.ctx).Target == nil {
		return b.ctx
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	context.AfterFunc(ctx, cancel)
	return ctx
}

func (b *tab) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// run runs a script on the page and returns its value.
func run[T any](b *tab, script string) T {
	b.Helper()
	v, err := chromedp.Run(b.limited(), chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%v in %.200s", err, script)
	}
	return v
}

// call gives the browser a command of its protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.Helper()
	r, err := chromedp.Call(b.limited(), command, params)
	b.must(err)
	return r
}

// quote writes a string as a script does.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string
	}
	return string(b)
}
