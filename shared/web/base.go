package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
)

// Data is what a template shows: a pointer to a struct that embeds Base.
type Data interface{ base() *Base }

// Base is what every page has. Handlers set what they know before they return the
// page; a Site fills in the rest.
type Base struct {
	Problems problem.List // what is wrong with the form: a summary above it, and a line at each field
	Notice   string       // what was just done, in the page's language
	Refresh  int          // seconds after which a browser without scripts loads the page again; 0: never
	Scripts  []string     // names of static files that enhance the page
	// Resubmit, if set, has the language switch send a form, so that nothing
	// typed is lost: the id of the form, and a path that shows it again.
	Resubmit Resubmit

	Lang   lang.Lang
	School School
	Zone   *time.Location
	Nav    []NavLink // empty: a page for guardians
	url    *url.URL
}

// Resubmit names a form and a path to which it is posted to be shown again.
type Resubmit struct {
	Form, Action string
	// Enter says that Enter in a field of the form sends it. A browser takes the
	// form's first button for that, which would be the language switch (HTML,
	// "implicit submission"), so the page begins with one that nobody sees.
	Enter bool
}

// NavLink is one link of the navigation.
type NavLink struct {
	Text    lang.Text
	Href    string
	Current bool
}

func (b *Base) base() *Base { return b }

func (s *Site) fill(b *Base, r *http.Request) {
	b.Lang, b.url = Language(r), seenAt(r)
	if b.School == (School{}) {
		b.School = s.cfg.School
	}
	s.cfg.Frame(r, b)
	if b.Zone == nil {
		b.Zone = time.FixedZone("JST", 9*60*60)
	}
}

// seenAt returns where the page is that a request answers with, or that it was sent from: what
// a form is posted to may be no page by itself.
func seenAt(r *http.Request) *url.URL {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return r.URL
	}
	from, err := url.Parse(r.Referer())
	if err != nil || from.Path == "" || from.Host != r.Host {
		return r.URL
	}
	return from
}

// T returns the sentence in the page's language; with args both are formats.
func (b *Base) T(ja, en string, args ...any) string { return lang.T(ja, en, args...).In(b.Lang) }

// Say returns a text in the page's language.
func (b *Base) Say(t lang.Text) string { return t.In(b.Lang) }

// Sep returns what stands between the parts of a list.
func (b *Base) Sep() string { return b.T("、", ", ") }

// Names joins names to a list.
func (b *Base) Names(names []string) string { return lang.Names(names).In(b.Lang) }

// Aside puts what is said by the way into the brackets of the page's language.
func (b *Base) Aside(s string) string { return b.T("（%s）", " (%s)", s) }

// Asset returns the address of a static file.
func (b *Base) Asset(name string) string { return Asset(name) }

// Other is the language that the page can be switched to.
func (b *Base) Other() lang.Lang {
	if b.Lang == lang.EN {
		return lang.JA
	}
	return lang.EN
}

// OtherURL is this page in the other language.
func (b *Base) OtherURL() string {
	u := url.URL{Path: "/"}
	if b.url != nil {
		u.Path = b.url.Path
		u.RawQuery = b.url.RawQuery
	}
	return withLang(u, b.Other())
}

// OtherAction is where the language switch posts the form that is not to be lost.
func (b *Base) OtherAction() string {
	u, err := url.Parse(b.Resubmit.Action)
	if err != nil {
		return ""
	}
	return withLang(*u, b.Other())
}

func withLang(u url.URL, l lang.Lang) string {
	q := u.Query()
	q.Set("lang", string(l))
	u.RawQuery = q.Encode()
	return u.RequestURI()
}

// FieldError is what is wrong with one field.
type FieldError struct{ ID, Text string }

// Wrong returns what is wrong with a field; its Text is empty if nothing is.
func (b *Base) Wrong(field string) FieldError {
	var texts []string
	for _, p := range b.Problems {
		if p.Field == field {
			texts = append(texts, p.Text.In(b.Lang))
		}
	}
	return FieldError{ID: field + "-error", Text: strings.Join(texts, " ")}
}

// N writes a number with its thousands apart.
func (b *Base) N(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Count is N for an int.
func (b *Base) Count(n int) string { return b.N(int64(n)) }

var weekdays = [...]string{"日", "月", "火", "水", "木", "金", "土"}

// When writes a time in the school's zone, to the minute.
func (b *Base) When(t time.Time) string {
	t = t.In(b.Zone)
	if b.Lang == lang.EN {
		return t.Format("Mon 2 Jan 2006, 15:04")
	}
	return t.Format("2006年1月2日") + "（" + weekdays[t.Weekday()] + "）" + t.Format("15:04")
}

// Clock writes the time of day in the school's zone.
func (b *Base) Clock(t time.Time) string { return t.In(b.Zone).Format("15:04:05") }

// Machine writes a time for programs (RFC 3339).
func (b *Base) Machine(t time.Time) string { return t.UTC().Format(time.RFC3339) }
