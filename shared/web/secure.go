package web

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// policy lets a page load from its own site only: a page that was made to hold
// somebody else's script, style, picture or form target would still not use it.
const policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secure sets the headers of every answer.
//
// Addresses hold tokens, so no other site may learn them: Referrer-Policy is
// same-origin. It is not no-referrer because then browsers send "Origin: null"
// with forms (Fetch, "append a request Origin header"), and where a school runs
// without HTTPS on its own network the origin is all that sameOrigin has to go by.
func (s *Site) secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("X-Robots-Tag", "noindex, nofollow")
		h.Set("Cache-Control", "no-store")
		if s.cfg.Secure {
			h.Set("Strict-Transport-Security", hsts(r.Host))
		}
		next.ServeHTTP(w, r)
	})
}

// hsts returns for how long, and for which names, a browser is to come by HTTPS only:
// a year, and for all names below one that was made for this system. What stands below
// an organisation's bare domain (school.ed.jp) is not ours to decide on.
func hsts(host string) string {
	const year = "max-age=31536000"
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if bare, err := publicsuffix.EffectiveTLDPlusOne(host); err != nil || bare == host {
		return year
	}
	return year + "; includeSubDomains"
}

// sameOrigin refuses requests that change something and that another site's page
// made the browser send.
func (s *Site) sameOrigin(next http.Handler) http.Handler {
	s.origins.SetDenyHandler(s.Handle(func(*http.Request) (Response, error) { return nil, foreign }))
	return s.origins.Handler(next)
}

// protection trusts the origin of base beside the host that a request names: Safari sends no
// Sec-Fetch-Site before 16.4, and a proxy may name the host where this program listens.
func protection(base string) (*http.CrossOriginProtection, error) {
	p := http.NewCrossOriginProtection()
	if base == "" {
		return p, nil
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	return p, p.AddTrustedOrigin(origin(u))
}

// origin writes where u leads as browsers do: in small letters, without the scheme's own port
// (https://url.spec.whatwg.org/#concept-url-origin).
func origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]; port != "" {
		host = strings.TrimSuffix(host, port)
	}
	return u.Scheme + "://" + host
}
