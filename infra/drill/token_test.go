package drill

import (
	"net/http"
	"time"
)

// newTokenUntil makes an API token on its page that can be used to the end of a day.
func (d *Drill) newTokenUntil(day string, may ...string) string {
	d.Helper()
	form := d.Manager.Open("/tokens").Says(http.StatusOK, "新しく発行する").Form("/tokens").Set("name", "校務支援システム")
	form.Values["may"] = may
	if day != "" {
		form.Set("ends", day)
	}
	return apiToken.FindString(form.Press("").Says(http.StatusOK, "今だけ表示").Text())
}

// newToken is newTokenUntil for as long as a token may live.
func (d *Drill) newToken(may ...string) string {
	d.Helper()
	return d.newTokenUntil("", may...)
}

// tokenEnds: an API token works to the end of its last day, its managers are told two
// weeks before, and afterwards it is listed as one that has ended.
func tokenEnds(d *Drill) {
	last := d.Clock.Now().In(begin.Location()).AddDate(0, 0, 30)
	token := d.newTokenUntil(last.Format(time.DateOnly), "frame")
	works := func(want int) {
		d.Helper()
		if code, body, err := call(d.URL, token, Request{Method: "GET", Path: "/groups"}); err != nil || code != want {
			d.Errorf("status %d, not %d: %s, %v", code, want, body, err)
		}
	}
	works(http.StatusOK)
	d.Advance(16 * 24 * time.Hour)
	d.Advance(24 * time.Hour)
	day := last.Format(time.DateOnly)
	d.comes(askSubject("APIトークンの期限が近づいています："+day+" / An API token ends soon: "+day), manager.Mail)
	d.Advance(2 * time.Hour) // told once
	works(http.StatusOK)
	d.Advance(14 * 24 * time.Hour)
	works(http.StatusUnauthorized)
	d.signInAgain()
	d.Manager.Open("/tokens").Says(http.StatusOK, "期限切れ")
}
