package browser

import (
	"testing"
	"time"
)

// TestSentPage stays on the page on which somebody has sent an alert: its buttons come, what
// was said of sending goes, and neither focus nor a press is lost when the figures change.
func TestSentPage(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	b := newPerson(t, o.URL(), phone)
	o.signIn(b, o.manager)
	b.preview("一度だけ送る連絡")
	submit("#send .big")(b)
	b.says("連絡を受け付けました")
	run[bool](b, "performance.now = () => 60000; document.unmoved = true") // a minute later
	o.advance(10 * time.Second)
	b.until("the buttons are there", "!!document.querySelector('#live #to-desk')")
	b.until("nothing is said of sending", "!document.body.innerText.includes('連絡を受け付けました')")

	if n := run[int](b, "[...document.querySelectorAll('.stack td')].filter((e) => e.getBoundingClientRect().right > innerWidth).length"); n > 0 {
		t.Errorf("%d figures of mails are beyond the edge", n)
	}

	run[bool](b, "document.getElementById('to-desk').focus(); document.getElementById('live').old = true")
	b.until("the part was replaced", "!document.getElementById('live').old")
	if at := run[string](b, "document.activeElement.id"); at != "to-desk" {
		t.Errorf("after that the focus is at %q", at)
	}

	const looks = "performance.getEntriesByType('resource').filter((e) => e.name.includes('/alerts/')).length"
	run[bool](b, "dispatchEvent(new PointerEvent('pointerdown')); document.getElementById('live').old = true; document.looks = "+looks+"; true")
	b.until("there were figures", looks+" > document.looks + 1")
	if !run[bool](b, "document.getElementById('live').old === true") {
		t.Error("the part was replaced under a finger")
	}
	run[bool](b, "dispatchEvent(new PointerEvent('pointerup')); true")
	b.until("the part was replaced", "!document.getElementById('live').old")
	if !run[bool](b, "document.unmoved === true") {
		t.Error("the page was loaded anew")
	}
}
