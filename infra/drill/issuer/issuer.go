// Package issuer is an OpenID provider for tests: as strict as a real one to those who
// ask, and as wrong as a test wants in what it answers.
package issuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Client and Secret are those of the site that may ask.
const (
	Client = "todoku"
	Secret = "a secret of the client"
)

// Issuer is a provider with one account, which signs in by a button.
type Issuer struct {
	*httptest.Server
	Now func() time.Time

	mu     sync.Mutex
	claims map[string]any
	wrong  map[string]any // put in place of what is right
	forged bool           // sign with a key that nobody knows
	away   bool
	codes  map[string]asked
	key    *ecdsa.PrivateKey
}

// asked is what a code stands for.
type asked struct {
	nonce, challenge, redirect string
}

// Start starts a provider on loopback.
func Start(t testing.TB, now func() time.Time) *Issuer {
	t.Helper()
	i := &Issuer{Now: now, codes: map[string]asked{}, key: newKey(t)}
	i.Account("subject-1", "nobody@school.example")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.configuration)
	mux.HandleFunc("GET /keys", i.keys)
	mux.HandleFunc("GET /authorize", i.authorize)
	mux.HandleFunc("POST /authorize", i.agree)
	mux.HandleFunc("POST /token", i.token)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.away {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Account says who signs in, with an address that is verified.
func (i *Issuer) Account(subject, mail string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.claims = map[string]any{"sub": subject, "email": mail, "email_verified": true}
	i.wrong, i.forged, i.away = nil, false, false
}

// Lie has claims replaced in the tokens to come; nil leaves one out.
func (i *Issuer) Lie(claims map[string]any) { i.mu.Lock(); defer i.mu.Unlock(); i.wrong = claims }

// Forge has the tokens to come signed with another key.
func (i *Issuer) Forge() { i.mu.Lock(); defer i.mu.Unlock(); i.forged = true }

// Away has nothing answered.
func (i *Issuer) Away() { i.mu.Lock(); defer i.mu.Unlock(); i.away = true }

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (i *Issuer) configuration(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{
		"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"},
	})
}

func (i *Issuer) keys(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
}

var page = template.Must(template.New("").Parse(`<!doctype html><html lang="ja"><title>組織のアカウント</title><h1>組織のアカウント</h1>` +
	`<form method="post" action="/authorize?{{.}}"><button>続ける</button></form></html>`))

// authorize asks the account's owner, once it is clear who asks.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for name, want := range map[string]string{"client_id": Client, "response_type": "code", "code_challenge_method": "S256"} {
		if q.Get(name) != want {
			http.Error(w, fmt.Sprintf("%s is %q", name, q.Get(name)), http.StatusBadRequest)
			return
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge", "redirect_uri", "scope"} {
		if q.Get(name) == "" {
			http.Error(w, name+" is missing", http.StatusBadRequest)
			return
		}
	}
	_ = page.Execute(w, template.URL(r.URL.RawQuery)) //nolint:gosec // a test's own page
}

// agree leads back with a code.
func (i *Issuer) agree(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	code := rand.Text()
	i.codes[code] = asked{q.Get("nonce"), q.Get("code_challenge"), q.Get("redirect_uri")}
	//nolint:gosec // a test's own client asks
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
}

// token takes a code, once, from who proves to be the client that asked.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	secret, err := url.QueryUnescape(secret)
	if id != Client || secret != Secret || err != nil {
		reply(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	a, ok := i.codes[r.PostFormValue("code")]
	delete(i.codes, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || a.redirect != r.PostFormValue("redirect_uri") || a.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	reply(w, http.StatusOK, map[string]any{"access_token": "x", "token_type": "Bearer", "expires_in": 60, "id_token": i.idToken(a)})
}

func (i *Issuer) idToken(a asked) string {
	now := i.Now()
	claims := map[string]any{"iss": i.URL, "aud": Client, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "nonce": a.nonce}
	for _, more := range []map[string]any{i.claims, i.wrong} {
		for k, v := range more {
			claims[k] = v
			if v == nil {
				delete(claims, k)
			}
		}
	}
	key := i.key
	if i.forged {
		key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		panic(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return token
}
