package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/lane/pace"
)

// teach has a lane know its operator: so many copies pass in a second each, and then
// one is refused as too fast, twice.
func (o *office) teach(lane string, pass int) {
	o.t.Helper()
	for range 2 {
		for n := range pass + 1 {
			kind := pace.Accepted
			if n == pass {
				kind = pace.TooFast
			}
			o.one(lane, kind)
		}
		o.pass(pace.LongPause)
		for range pace.Proven {
			o.one(lane, pace.Accepted)
		}
	}
}

// one sends a copy through a lane.
func (o *office) one(name string, kind pace.Kind) {
	o.t.Helper()
	for {
		p, err := o.server.Gate.Ask(o.t.Context(), gate.Who{Place: lane.Place{Lane: name}}, 1)
		o.must(err)
		if p.N == 0 {
			o.pass(max(p.Wait, time.Second))
			continue
		}
		_ = p.Begin(o.t.Context())
		o.pass(time.Second)
		p.Heard(kind, time.Second)
		_, err = p.End(o.t.Context(), false)
		o.must(err)
		return
	}
}

// TestForecast: the preview says how long an alert will take, names slow operators, and
// says of which nothing is known.
func TestForecast(t *testing.T) {
	o := newOffice(t)
	o.loadDemo()
	c := o.signIn()
	preview := func(lang string) string {
		t.Helper()
		a := o.submit(c, "/alerts/preview?lang="+lang, goodForm(o))
		if a.StatusCode != 200 {
			t.Fatalf("status %d: %.300s", a.StatusCode, a.body)
		}
		return a.body
	}
	if page := preview("ja"); !strings.Contains(page, "まだ送った記録がないため、時間は分かりません") || strings.Contains(page, "回目の連絡") {
		t.Error("a school that never sent should be told that nothing is known")
	}
	o.teach("docomo", 20)
	o.one("google", pace.Accepted)
	o.alert(nil, false)
	for lang, wants := range map[string][]string{
		"ja": {"<b>ドコモ：今日2回目の連絡、", "（半分は約", "<p>Gmail：", "1分以内", "まだ送った記録がない", "<td>約"},
		"en": {"<b>docomo: alert 2 of today, mails ", "(half: about", "Nothing is known of them yet"},
	} {
		page := preview(lang)
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("%s: %q is not said: %s", lang, want, page[strings.Index(page, `id="forecast"`):][:900])
			}
		}
	}
	o.server.Pace = func(context.Context) (float64, error) { return 0.2, nil }
	if page := preview("ja"); !strings.Contains(page, "約") || !strings.Contains(page, "<b>Gmail：") {
		t.Error("the account's rate makes every operator slow, and Gmail is not named")
	}
	o.table.busyQuery = true
	if _, err := o.server.foresee(t.Context(), alert.Draft{School: o.me.School}, map[string]int64{"docomo": 1}); err == nil {
		t.Error("what cannot be read is forecast")
	}
	if f := o.server.forecast(t.Context(), Preview{Draft: alert.Draft{School: o.me.School}, byLane: map[string]int64{"docomo": 1}}); f != nil {
		t.Errorf("a forecast of nothing: %+v", f)
	}
}

// TestHeldForecast: of an operator that is held for the school, preview and status page say that
// nothing leaves, and count all that waits for it as late.
func TestHeldForecast(t *testing.T) {
	o := newOffice(t)
	o.loadDemo()
	c := o.signIn()
	o.teach("docomo", 20)
	o.lostMail()
	a := o.alert(nil, true)
	st, err := o.server.Alerts.Status(t.Context(), a)
	o.must(err)
	i := slices.IndexFunc(st.Lanes, func(l alert.LaneStatus) bool { return l.Lane == "docomo" })
	waiting := st.Lanes[i].Waiting()
	for _, tt := range []struct {
		answer answer
		wants  []string
	}{
		{o.submit(c, "/alerts/preview?lang=en", goodForm(o)), []string{"held", fmt.Sprintf("before the alert expires: about %d.", waiting)}},
		{o.visit(c, "/alerts/"+a.ID+"?lang=en"), []string{
			fmt.Sprintf("docomo: mails waiting for less than a minute: %d. Sending there is held", waiting),
			fmt.Sprintf("before the alert expires: about %d.", waiting),
		}},
		{o.visit(c, "/alerts/"+a.ID+"?lang=ja"), []string{fmt.Sprintf("ドコモ：たった今から%d通が送信待ちです。送信を止めています", waiting)}},
	} {
		for _, want := range tt.wants {
			if !strings.Contains(tt.answer.body, want) {
				t.Errorf("%q is not said", want)
			}
		}
	}
	o.pass(3 * time.Minute)
	if page := o.visit(c, "/alerts/"+a.ID).body; !strings.Contains(page, "ドコモ：3分前から") {
		t.Error("it is not said since when mail waits")
	}
}

// TestForecastTakesTurns: a safety check overtakes a notice that waits, and another notice shares
// the lane with it.
func TestForecastTakesTurns(t *testing.T) {
	o := newOffice(t)
	o.loadDemo()
	o.teach("docomo", 20)
	o.alert(func(d *alert.Draft) { d.Kind = alert.Notice }, true)
	for kind, want := range map[alert.Kind]int64{alert.Safety: 34, alert.Notice: 64} {
		d := alert.Draft{School: o.me.School, Kind: kind, UsefulUntil: o.clock().Add(time.Hour)}
		f, err := o.server.foresee(t.Context(), d, map[string]int64{"docomo": 32})
		o.must(err)
		if got := f.Lanes[0].Waiting; got != want {
			t.Errorf("%s: %d copies until the last of 32 has left, want %d", kind, got, want)
		}
	}
}
