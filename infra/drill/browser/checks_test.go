package browser

import (
	_ "embed"
	"fmt"
	"testing"

	"github.com/todoku/todoku/infra/drill/peers"
)

// layout is the script that measures a page.
//
//go:embed layout.js
var layout string

// measure returns what is wrong with how a page is laid out on the tab's screen.
// Only a finger needs large targets.
func (b *tab) measure() []string {
	b.Helper()
	limits := fmt.Sprintf(`{width: %d, target: %d}`, b.screen.width, map[bool]int{true: 44}[b.screen.finger])
	return run[[]string](b, "("+layout+")("+limits+")")
}

// violation is what axe-core finds.
type violation struct {
	ID, Help string
	Nodes    []struct {
		HTML           string `json:"html"`
		FailureSummary string `json:"failureSummary"`
	}
}

// loadAxe brings axe-core into the page, past its content security policy, as
// browsers' own tools are.
func (b *tab) loadAxe(script string) {
	b.Helper()
	run[bool](b, script+"\n;true")
}

// axe returns what axe-core finds wrong with the page: of all its rules, those
// that are off by themselves because they came with WCAG 2.2 included.
func (b *tab) axe() []string {
	b.Helper()
	found := run[[]violation](b, `axe.run(document, {preload: false, resultTypes: ["violations"],
		rules: {"target-size": {enabled: true}}}).then(r => r.violations)`)
	var said []string
	for _, v := range found {
		for _, n := range v.Nodes {
			said = append(said, fmt.Sprintf("axe %s: %s: %.200s: %s", v.ID, v.Help, n.HTML, n.FailureSummary))
		}
	}
	return said
}

// check fails for everything that is wrong with the page on the tab: what the
// browser reports, how it is laid out, also with text of twice the size, and what
// axe-core finds. axe is its script.
func (b *tab) check(t *testing.T, name, axe string) {
	t.Helper()
	fail := func(how string, found []string) {
		t.Helper()
		for _, f := range found {
			t.Errorf("%s (%s, %s): %s", name, b.path(), how, f)
		}
	}
	fail("on the line", b.watch.problems(b.base))
	b.loadAxe(axe)
	for _, s := range []screen{phone, desktop} {
		b.look(s)
		fail(s.name, b.measure())
		fail(s.name, b.axe())
	}
	b.look(phone)
	b.fontSize(twice)
	fail("text at 200 %", b.measure())
	b.fontSize(usual)
}

// Sizes of text, in pixels.
const usual, twice = 16, 32

// axeScript returns axe-core, or skips the test.
func axeScript(t testing.TB) string { return peers.AxeCore(t) }
