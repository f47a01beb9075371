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

// check fails for everything that is wrong with the page on the tab.
func (b *tab) check(t *testing.T, name, axe string) {
	t.Helper()
	for _, f := range b.faults(axe) {
		t.Errorf("%s (%s): %s", name, b.path(), f)
	}
}

// faults returns all that is wrong with the page: what the browser reports, how it
// is laid out on each screen, also with text of twice the size, and what axe-core
// finds. axe is its script.
func (b *tab) faults(axe string) (all []string) {
	b.Helper()
	add := func(how string, found []string) {
		for _, f := range found {
			all = append(all, how+": "+f)
		}
	}
	add("on the line", b.watch.problems(b.base))
	b.loadAxe(axe)
	for _, s := range []screen{desktop, phone} {
		b.look(s)
		add(s.name, b.measure())
		add(s.name, b.axe())
	}
	b.fontSize(twice)
	add("text at 200 %", b.measure())
	b.fontSize(usual)
	return all
}

// Sizes of text, in pixels.
const usual, twice = 16, 32

// axeScript returns axe-core, or skips the test.
func axeScript(t testing.TB) string { return peers.AxeCore(t) }
