package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
)

// TestOneAlert sends as impatient and uncertain people do: there is one alert.
func TestOneAlert(t *testing.T) {
	t.Parallel()
	const send = "document.querySelector('#send .big')"
	tests := []struct {
		name    string
		scripts bool
		sends   func(b *tab)
	}{
		{"presses twice", true, func(b *tab) {
			p := b.at("the button", send)
			b.leave(func() { b.pressTwice(p) })
		}},
		{"presses twice, without scripts", false, func(b *tab) {
			p := b.at("the button", send)
			b.leave(func() { b.pressTwice(p) })
		}},
		{"reloads what was sent", true, func(b *tab) {
			submit("#send .big")(b)
			b.leave(func() { call(b, page.Reload, page.ReloadParams{}) })
		}},
		{"goes back and sends again", true, func(b *tab) {
			submit("#send .big")(b)
			b.back()
			submit("#send .big")(b)
		}},
		{"goes back twice, forward, and sends again", true, func(b *tab) {
			submit("#send .big")(b)
			b.back()
			b.back()
			submit("#compose")(b)
			submit("#send .big")(b)
		}},
	}
	o := newOffice(t)
	t.Run("people", func(t *testing.T) {
		for i, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				b := newPerson(t, o.URL(), phone)
				o.signIn(b, o.manager)
				if !test.scripts {
					b.withoutScripts()
				}
				subject := strings.Repeat("！", i+1) + "一度だけ送る連絡"
				b.preview(subject)
				test.sends(b)
				b.says("まだ1通も送っていません")
				if n := o.countSubject(subject); n != 1 {
					t.Errorf("%d alerts, not one", n)
				}
			})
		}
	})
}

// preview writes an alert to the whole school and goes on to its preview.
func (b *tab) preview(subject string) {
	b.Helper()
	b.goTo("/alerts/new")
	b.write("subject", subject)
	b.write("body", "一行目\n二行目")
	b.touch("全校")
	b.follow("確認画面へ進む")
}

// back presses the browser's own button. The page may be the very one that was
// left, scripts and all.
func (b *tab) back() {
	b.Helper()
	from := run[string](b, "location.href")
	h := call(b, page.GetNavigationHistory, cdp.Empty{})
	call(b, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: h.Entries[h.CurrentIndex-1].ID})
	b.until("the page before is there", "location.href !== "+quote(from)+" && document.readyState === 'complete'")
}

// countSubject returns how many alerts have the subject.
func (o *office) countSubject(subject string) (n int) {
	o.Helper()
	alerts, _, err := o.Alerts.List(o.Context(), o.manager.School, "", 100)
	o.must(err)
	for _, a := range alerts {
		if a.Subject == subject {
			n++
		}
	}
	return n
}
