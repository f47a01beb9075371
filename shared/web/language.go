package web

import (
	"net/http"

	"github.com/todoku/todoku/shared/lang"
)

const langCookie = "lang"

// Language returns the language for a request: the query's "lang", else what the
// person chose before, else what the browser asks for, else Japanese.
func Language(r *http.Request) lang.Lang {
	if l, ok := wanted(r); ok {
		return l
	}
	var before string
	if c, err := r.Cookie(langCookie); err == nil {
		before = c.Value
	}
	return lang.Match(before, r.Header.Get("Accept-Language"))
}

// languageCookie remembers the language that the query chose; nil if it chose none.
func languageCookie(r *http.Request, secure bool) *http.Cookie {
	l, ok := wanted(r)
	if !ok {
		return nil
	}
	const year = 365 * 24 * 60 * 60
	return &http.Cookie{
		Name: langCookie, Value: string(l), Path: "/", MaxAge: year,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure,
	}
}

// wanted returns the language that the query asks for, and false if it asks for none.
func wanted(r *http.Request) (lang.Lang, bool) {
	l := lang.Lang(r.URL.Query().Get("lang"))
	return l, l == lang.JA || l == lang.EN
}
