package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/infra/drill/authenticator"
	"github.com/todoku/todoku/shared/bridge"
	"github.com/todoku/todoku/shared/web/webtest"
)

// calm fails for what is a fault of ours and not of who asked.
func (o *office) calm(t *testing.T, status int) {
	t.Helper()
	if status >= http.StatusInternalServerError {
		t.Errorf("status %d\n%s", status, o.log)
	}
	o.log.reset()
}

// FuzzStranger: whatever somebody without a session asks for in whatever words, as API
// Gateway hands it on, is answered, tells nothing, starts no session and leads to no other
// site.
func FuzzStranger(f *testing.F) {
	o := newOffice(f)
	o.atAName()
	handle := bridge.Handler(o.handler)
	const form = "application/x-www-form-urlencoded"
	for _, s := range []struct{ method, path, query, header, cookie, contentType, body string }{
		{"GET", "/", "", "", "", "", ""},
		{"GET", "/sign-in", "next=//evil.example/%5c", "Accept-Language: \xff", "next=https%3A%2F%2Fevil.example; session=x", "", ""},
		{"GET", "/sign-in/AAAAAAAAAAAAAAAAAAAAAA", "lang=en", "", "browser=x; known=y", "", ""},
		{"POST", "/sign-in/AAAAAAAAAAAAAAAAAAAAAA", "", "Sec-Fetch-Site: none", "__Host-session=x", form, ""},
		{"POST", "/sign-in/mail", "", "Origin: null", "", form, "mail=hanako%40school.example"},
		{"POST", "/sign-in/code", "", "X-Forwarded-For: 192.0.2.1", "", form, "code=AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"},
		{"POST", "/sign-in/passkey", "", "", "touch=x", form, "answer={}"},
		{"POST", "/sign-in/passkey/begin", "", "", "", "", ""},
		{"GET", "/sign-in/openid/callback", "state=x&code=y", "", "openid=x", "", ""},
		{"GET", "/roster", "", "Authorization: Bearer x", "session=\x00", "", ""},
		{"POST", "/api/v1/alerts", "", "Authorization: Bearer tdk_x", "", "application/json", `{"kind":"safety"}`},
		{"GET", "/api/v1/openapi.json", "", "If-None-Match: *", "", "", ""},
		{"GET", "/static/style.css", "v=%00", "Range: bytes=9-1", "", "", ""},
		{"\xff", "/%2e%2e/%00", "%zz;", "Host: evil.example", "=;=", "multipart/form-data; boundary=", "--"},
	} {
		f.Add(s.method, s.path, s.query, s.header, s.cookie, s.contentType, s.body)
	}
	f.Fuzz(func(t *testing.T, method, path, query, header, cookie, contentType, body string) {
		o.t = t
		o.pass(time.Hour)
		e := events.APIGatewayV2HTTPRequest{RawPath: path, RawQueryString: query, Body: body, Cookies: strings.Split(cookie, "; ")}
		e.Headers = map[string]string{"host": "localhost:8080", "content-type": contentType}
		for line := range strings.Lines(header) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			e.Headers[name] = value
		}
		e.RequestContext.HTTP.Method, e.RequestContext.HTTP.SourceIP = method, "192.0.2.1"
		res, err := handle(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		o.calm(t, res.StatusCode)
		said := body + query + header + cookie + path // what a form says is shown again
		if form, err := url.ParseQuery(body); err == nil {
			said += fmt.Sprint(form)
		}
		for _, secret := range []string{o.me.Name, o.me.Mail, o.me.ID, o.token} {
			if strings.Contains(res.Body, secret) && !strings.Contains(said, secret) {
				t.Errorf("%s %s tells %s", method, path, secret)
			}
		}
		for _, c := range res.Cookies {
			if strings.HasPrefix(c, sessionCookie+"=") && !strings.HasPrefix(c, sessionCookie+"=;") {
				t.Errorf("%s %s sets %s", method, path, c)
			}
		}
		if to := res.Headers["Location"]; to != "" && !isLocal(to) {
			t.Errorf("%s %s leads to %q", method, path, to)
		}
	})
}

// FuzzNext: wherever the cookie leads after signing in, it is here.
func FuzzNext(f *testing.F) {
	o := newOffice(f)
	for _, s := range []string{"", "/roster?a=b", "//evil.example", "/\\evil.example", "/%09/evil.example", "https:evil.example", "/\t/evil.example", "%2F%2Fevil.example", "/./\n//evil.example", "javascript:x"} {
		f.Add(s)
		f.Add(url.QueryEscape(s))
	}
	here, err := url.Parse("https://todoku.example/sign-in")
	o.must(err)
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("Cookie", nextCookie+"="+value)
		// Browsers take \ for / and leave tabs and line ends out
		// (https://url.spec.whatwg.org/#concept-basic-url-parser).
		next := strings.NewReplacer("\\", "/", "\t", "", "\n", "", "\r", "").Replace(o.server.next(r))
		if to, err := here.Parse(next); err != nil || to.Host != here.Host || to.Scheme != here.Scheme {
			t.Errorf("%q leads to %q", value, next)
		}
	})
}

// inProcess answers the provider's addresses without a network.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	p.ServeHTTP(w, r)
	return w.Result(), nil
}

// FuzzOpenIDCallback: no answer that somebody makes up signs in, also in a browser that
// has begun.
func FuzzOpenIDCallback(f *testing.F) {
	o := newOffice(f)
	i := o.withOpenID()
	o.server.OpenID.HTTP = &http.Client{Transport: inProcess{i.Config.Handler}}
	for _, q := range []string{"", "code=x", "error=access_denied", "code=x&code=y&iss=https://evil.example", "code=%ff%00", "code=" + strings.Repeat("x", 9000)} {
		f.Add("secret", true, q)
		f.Add("", true, q)
		f.Add("secret", false, "state=x&"+q)
	}
	f.Fuzz(func(t *testing.T, cookie string, matching bool, query string) {
		if matching {
			query = "state=" + underWay(cookie).state() + "&" + query
		}
		r := httptest.NewRequest(http.MethodGet, openIDCallback, http.NoBody)
		r.URL.RawQuery = query
		r.AddCookie(&http.Cookie{Name: openIDCookie, Value: cookie})
		w := httptest.NewRecorder()
		o.handler.ServeHTTP(w, r)
		o.calm(t, w.Code)
		if w.Code < http.StatusBadRequest || strings.Contains(strings.Join(w.Header()["Set-Cookie"], " "), sessionCookie+"=") {
			t.Errorf("status %d: %q", w.Code, w.Header())
		}
	})
}

// FuzzOpenIDClaims: whatever the provider's token says of somebody, only a verified
// address on record comes in.
func FuzzOpenIDClaims(f *testing.F) {
	o := newOffice(f)
	i := o.withOpenID()
	o.server.OpenID.HTTP = &http.Client{Transport: inProcess{i.Config.Handler}}
	for _, s := range []string{`{}`, `{"email_verified":"true"}`, `{"email":"HANAKO@school.example "}`, `{"email":["x"]}`, `{"aud":["todoku","x"]}`, `{"exp":1e300}`, `{"sub":null}`,
		`{"email":"x@school.example"}`, `{"email_verified":false,"xms_edov":1}`, `{"email_verified":false,"XMS_EDOV":1}`, `{"email":"a@b.example","EMAIL":"hanako@school.example"}`, `{"email":"a@b","email":"hanako@school.example"}`, `{"email":"\u0000"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		var lie map[string]any
		if json.Unmarshal(said, &lie) != nil {
			return
		}
		i.Lie(lie)
		c := webtest.Client(o.handler)
		o.t = t
		a := o.visit(c, o.throughProvider(c, inProcess{i.Config.Handler}))
		o.calm(t, a.StatusCode)
		mail, given := lie["email"]
		verified, denied := lie["email_verified"]
		foreign := given && !strings.EqualFold(strings.TrimSpace(textOf(mail)), o.me.Mail)
		unsaid := denied && (verified == false || verified == nil) && lie["xms_edov"] == nil
		if a.StatusCode == http.StatusSeeOther && (foreign || unsaid) {
			t.Errorf("%s signs in", said)
		}
	})
}

func textOf(v any) string { s, _ := v.(string); return s }

// FuzzPasskey: whatever an authenticator answers, also one whose key is known, nobody signs
// in without a touch that was asked for here and was verified. "CHALLENGE" stands for what
// was asked; sign has the known key sign whatever it is.
func FuzzPasskey(f *testing.F) {
	o := newOffice(f)
	o.atAName()
	me, device := o.signIn(), authenticator.New()
	device.Handle = []byte(o.me.ID)
	const here = "http://localhost:8080"
	get, create := authenticator.Client("webauthn.get", "CHALLENGE", here), authenticator.Client("webauthn.create", "CHALLENGE", here)
	touched, made := authenticator.Touched("localhost"), device.Attestation("localhost")
	if a := o.touch(me, authenticator.Answer{Client: create, Data: made, ID: device.ID, Created: true}, nil); a.StatusCode != http.StatusSeeOther {
		f.Fatalf("the passkey is not added: status %d: %s", a.StatusCode, a.body)
	}
	if a := o.touch(webtest.Client(o.handler), authenticator.Answer{Client: get, Data: touched, ID: device.ID, Handle: device.Handle}, device); a.StatusCode != http.StatusSeeOther {
		f.Fatalf("the passkey does not sign in: status %d: %s", a.StatusCode, a.body)
	}
	unlocked := bytes.Clone(touched)
	unlocked[32] = 1 // somebody is there, whoever it is
	for _, c := range []string{get, create, "", `{"challenge":"CHALLENGE"}`, strings.Replace(get, "localhost:8080", "evil.example", 1), strings.Replace(get, "false", "true", 1)} {
		f.Add(c, touched, []byte{1}, device.ID, o.me.ID, true, false)
		f.Add(c, unlocked, []byte{1}, device.ID, o.me.ID, true, false)
		f.Add(c, touched[:30], []byte{}, "", "", false, false)
		f.Add(c, made, []byte{}, device.ID, "\xff", true, true)
	}
	f.Fuzz(func(t *testing.T, client string, data, signature []byte, id, handle string, sign, register bool) {
		o.t = t
		answer := authenticator.Answer{Client: client, Data: data, Signature: signature, ID: id, Handle: []byte(handle), Created: register}
		if register {
			o.calm(t, o.touch(me, answer, nil).StatusCode)
			return
		}
		signer := device
		if !sign {
			signer = nil
		}
		a := o.touch(webtest.Client(o.handler), answer, signer)
		o.calm(t, a.StatusCode)
		const needed = 1 | 4 // somebody was there, and undid the lock
		good := sign && len(data) > 32 && bytes.Equal(data[:32], touched[:32]) && data[32]&needed == needed && handle == o.me.ID &&
			strings.Contains(client, "CHALLENGE") && strings.Contains(client, here)
		if a.StatusCode < http.StatusBadRequest && !good {
			t.Errorf("%q signs in with %x", client, data)
		}
	})
}

// touch begins a touch and answers it; signer, if not nil, signs the answer.
func (o *office) touch(c *http.Client, a authenticator.Answer, signer *authenticator.Passkey) answer {
	o.t.Helper()
	path, begin := "/sign-in/passkey", "/sign-in/passkey/begin"
	if a.Created {
		path, begin = "/me/keys", "/me/keys/begin"
	}
	a.Client = strings.ReplaceAll(a.Client, "CHALLENGE", o.challenge(c, begin))
	if signer != nil {
		signer.Sign(&a)
	}
	return o.submit(c, path, url.Values{"answer": {a.JSON()}, "name": {"x"}})
}
