package web

import (
	"net/http"

	"github.com/todoku/todoku/shared/lang"
)

const langCookie = "lang"

// Language returns the language for a request: the query's "lang", else what the
// person chose before, else what the browser asks for, else Japanese.
func Language(r *http.Request) lang.Lang {
	want := r.URL.Query().Get("lang")
	if c, err := r.Cookie(langCookie); want == "" && err == nil {
		want = c.Value
	}
	return lang.Match(want, r.Header.Get("Accept-Language"))
}

// languageCookie remembers the language that the query chose; nil if it chose none.
func languageCookie(r *http.Request, secure bool) *http.Cookie {
	l := lang.Lang(r.URL.Query().Get("lang"))
	if l != lang.JA && l != lang.EN {
		return nil
	}
	const year = 365 * 24 * 60 * 60
	return &http.Cookie{
		Name: langCookie, Value: string(l), Path: "/", MaxAge: year,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure,
	}
}
