// Package lang holds what Todoku says to people: every sentence stands in
// Japanese and in English side by side, where it is used, so that neither can be
// forgotten.
package lang

import (
	"fmt"
	"strings"

	"golang.org/x/text/language"
)

// Lang is a language of the pages.
type Lang string

// The languages of the pages. Japanese comes first.
const (
	JA Lang = "ja"
	EN Lang = "en"
)

// Text is one sentence in both languages.
type Text struct{ JA, EN string }

// T pairs a sentence's two languages. With args both are formats for fmt.Sprintf.
func T(ja, en string, args ...any) Text {
	if len(args) == 0 {
		return Text{ja, en}
	}
	return Text{fmt.Sprintf(ja, args...), fmt.Sprintf(en, args...)}
}

// List joins the parts of a list with the comma of each language.
func List(parts []Text) Text {
	ja, en := make([]string, len(parts)), make([]string, len(parts))
	for i, p := range parts {
		ja[i], en[i] = p.JA, p.EN
	}
	return Text{strings.Join(ja, "、"), strings.Join(en, ", ")}
}

// Names is List for what is called the same in both languages.
func Names(names []string) Text { return Text{strings.Join(names, "、"), strings.Join(names, ", ")} }

// In returns the sentence in l, in Japanese for any unknown language.
func (t Text) In(l Lang) string {
	if l == EN {
		return t.EN
	}
	return t.JA
}

// First returns both languages, l before the other; Japanese is first for any unknown
// language.
func (t Text) First(l Lang, between string) string {
	if l == EN {
		return t.EN + between + t.JA
	}
	return t.JA + between + t.EN
}

// String returns both languages, for logs and for output that everybody reads.
func (t Text) String() string { return t.JA + " / " + t.EN }

var matcher = language.NewMatcher([]language.Tag{language.Japanese, language.English})

// Match chooses the language of a page: want if it is one ("ja" or "en", for
// example from a query), else the best of an Accept-Language header, else
// Japanese.
func Match(want, acceptLanguage string) Lang {
	switch Lang(want) {
	case JA, EN:
		return Lang(want)
	}
	if _, i := language.MatchStrings(matcher, acceptLanguage); acceptLanguage != "" && i == 1 {
		return EN
	}
	return JA
}
