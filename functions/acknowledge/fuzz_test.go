package acknowledge

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzAnswer: whatever is posted to a guardian's link, a child is what one of the alert's
// choices says or nothing, and who has another family's link, or none, answers for nobody.
func FuzzAnswer(f *testing.F) {
	s := newSchool(f)
	siblings := s.siblings()
	a := s.alert(nil, siblings, s.only())
	token := s.link(a, siblings, "hana-mail")
	choices := map[string]bool{}
	for _, c := range a.Choices {
		choices[c.ID] = true
	}
	child := func(name, choice string) string { return "child_" + s.id[name] + "=" + choice }
	const form = "application/x-www-form-urlencoded"
	for _, body := range []string{"", "alert=" + a.ID + "&all=safe", "alert=" + a.ID + "&" + child("ichiro", "safe"), child("ichiro", "safe") + "&" + child("futaba", "help"), child("yotsuba", "safe"), "choice=%ff&note=%00", strings.Repeat("a=&", 99)} {
		f.Add(token, form, body)
		f.Add(token[:len(token)-1], form, body)
		f.Add("../r/"+token, "multipart/form-data; boundary=x", body)
	}
	f.Fuzz(func(t *testing.T, token, contentType, body string) {
		s.t = t
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.URL = &url.URL{Path: "/a/" + token}
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("status %d\n%s", w.Code, s.log)
		}
		s.log.Reset()
		for _, family := range []string{"family", "only"} {
			made := siblings
			if family == "only" {
				made = s.only()
			}
			for name, said := range s.said(a, made) {
				if choice, by, _ := strings.Cut(said, " by "); !choices[choice] || family == "only" || by == "" {
					t.Errorf("%s is %s", name, said)
				}
			}
		}
	})
}
