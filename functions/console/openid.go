package console

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// OpenID is a provider with which staff can sign in as well, such as the Google
// Workspace, Entra or Cognito of the school or the district. It says who somebody is
// by a verified mail address; who works here is for Todoku to say.
type OpenID struct {
	Issuer string // https address
	Client string // id that the provider gave this site
	// Secret returns the client's secret; nil: it has none (PKCE is used in any case).
	Secret func(ctx context.Context) (string, error)
	// HTTP asks the provider; nil: a client that does not wait for long.
	HTTP *http.Client

	mu    sync.Mutex
	known *oidc.Provider
	until time.Time
}

const (
	// openIDWait bounds a question to the provider: a person waits for the answer.
	openIDWait = 5 * time.Second
	// openIDKnown is for how long a provider's addresses are believed before they are
	// read again. Its keys are read when one turns up that is not known.
	openIDKnown = time.Hour
	// openIDLife is how long signing in at the provider may take.
	openIDLife = 10 * time.Minute
	// openIDCookie holds the secret of a sign-in that is under way.
	openIDCookie = "openid"

	openIDPath     = signInPath + "/openid"
	openIDCallback = openIDPath + "/callback"
)

// provider returns the provider, asked for its addresses if need be. Two who ask at the
// same time both do: nobody waits for another's question to one that does not answer.
func (o *OpenID) provider(ctx context.Context, now time.Time) (*oidc.Provider, error) {
	o.mu.Lock()
	known, until := o.known, o.until
	o.mu.Unlock()
	if known != nil && now.Before(until) {
		return known, nil
	}
	// Not the request's context: the provider's keys are read with it later, too.
	p, err := oidc.NewProvider(o.asking(context.WithoutCancel(ctx)), o.Issuer)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known, o.until = p, now.Add(openIDKnown)
	return p, nil
}

var openIDClient = &http.Client{Timeout: openIDWait}

// asking returns ctx with the client that asks the provider.
func (o *OpenID) asking(ctx context.Context) context.Context {
	if o.HTTP == nil {
		return oidc.ClientContext(ctx, openIDClient)
	}
	return oidc.ClientContext(ctx, o.HTTP)
}

// config returns what is needed to ask for a token.
func (o *OpenID) config(ctx context.Context, p *oidc.Provider, baseURL string) (*oauth2.Config, error) {
	c := &oauth2.Config{ClientID: o.Client, Endpoint: p.Endpoint(), RedirectURL: baseURL + openIDCallback, Scopes: []string{oidc.ScopeOpenID, "email"}}
	if o.Secret == nil {
		return c, nil
	}
	var err error
	c.ClientSecret, err = o.Secret(ctx)
	return c, err
}

// underWay is a sign-in that has begun. All of it is made of one secret, which only the
// browser has: nothing is kept, so to begin changes nothing.
type underWay string

func (u underWay) part(name string) string {
	sum := sha256.Sum256([]byte(name + "\x00" + string(u)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (u underWay) state() string    { return u.part("state") }
func (u underWay) nonce() string    { return u.part("nonce") }
func (u underWay) verifier() string { return u.part("verifier") } // PKCE (RFC 7636)

// errOpenIDAway says that the provider is not to be had.
var errOpenIDAway = problem.New(problem.Busy,
	"組織のアカウントの確認先に接続できません。パスキーか、メールのサインイン用リンクを使ってください。",
	"The provider of your organisation's account cannot be reached. Use a passkey, or a mailed sign-in link.")

// errOpenID says that the provider's answer did not sign anybody in. Why is for the log.
var errOpenID = problem.New(problem.Unauthorized,
	"組織のアカウントでサインインできませんでした。サインインの画面から、もう一度お試しください。パスキーや、メールのサインイン用リンクも使えます。",
	"Signing in with your organisation's account did not work. Begin again on the sign-in page. A passkey or a mailed link works, too.")

// errOpenIDNobody is told to who has proven whose address it is.
var errOpenIDNobody = problem.New(problem.Forbidden,
	"そのアカウントのメールアドレスは、教職員として登録されていません。学校の管理者に、登録されているアドレスを確認してください。",
	"The mail address of that account is not on record here. Ask a manager of the school which address is.")

// errOpenIDShared is told to those who share an address.
var errOpenIDShared = problem.New(problem.Conflict,
	"そのアドレスは複数の教職員に登録されているため、このアカウントではサインインできません。パスキーか、メールのサインイン用リンクを使ってください。",
	"Several people are on record with that address, so this account cannot tell who you are. Use a passkey, or a mailed sign-in link.")

// beginOpenID leads to the provider.
func (s *Server) beginOpenID(r *http.Request) (web.Response, error) {
	if s.OpenID == nil {
		return nil, staff.ErrNotFound
	}
	p, err := s.OpenID.provider(r.Context(), s.Now())
	if err != nil {
		return nil, errOpenIDAway.Because(err)
	}
	c, err := s.OpenID.config(r.Context(), p, s.BaseURL)
	if err != nil {
		return nil, errOpenIDAway.Because(err)
	}
	u := underWay(s.Staff.NewBrowser())
	to := c.AuthCodeURL(u.state(), oidc.Nonce(u.nonce()), oauth2.S256ChallengeOption(u.verifier()))
	return web.Redirect{To: to, Header: web.Cookies(s.cookie(openIDCookie, string(u), openIDLife))}, nil
}

// endOpenID takes the provider's answer. It is a GET because the provider leads the
// browser here; without the cookie of beginOpenID it does nothing.
func (s *Server) endOpenID(r *http.Request) (web.Response, error) {
	if s.OpenID == nil {
		return nil, staff.ErrNotFound
	}
	u := underWay(s.cookieOf(r, openIDCookie))
	q := r.URL.Query()
	if u == "" || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(u.state())) != 1 {
		return nil, s.openIDRefused("state", nil)
	}
	if q.Get("error") != "" || q.Get("code") == "" {
		return nil, s.openIDRefused("said no", nil)
	}
	who, err := s.openIDClaims(r.Context(), u, q.Get("code"))
	if err != nil {
		return nil, err
	}
	return s.enterOpenID(r, who)
}

// openIDRefused logs why an answer was not good enough: never what was in it.
func (s *Server) openIDRefused(why string, err error) error {
	var said *oauth2.RetrieveError
	if errors.As(err, &said) {
		why += " " + said.ErrorCode
	}
	s.Log.Info("openid refused", "why", why)
	return errOpenID
}

// claims is what a provider says of somebody.
type claims struct {
	Mail     string
	Verified any // email_verified; Cognito writes it as a string
	Owned    any // xms_edov, Entra's word for it: the domain's owner is verified

	subject string
}

// claimsOf takes claims by their exact names. A struct's fields would be filled by a claim
// EMAIL as well, which somebody may be free to choose at the provider.
func claimsOf(token *oidc.IDToken) (claims, error) {
	var said map[string]any
	err := token.Claims(&said)
	who := claims{Verified: said["email_verified"], Owned: said["xms_edov"], subject: token.Subject}
	who.Mail, _ = said["email"].(string)
	return who, err
}

// verified reports whether the provider says that the address is the person's.
func (c claims) verified() bool {
	for _, v := range []any{c.Verified, c.Owned} {
		switch v {
		case true, "true", "True", "1", float64(1):
			return c.Mail != ""
		}
	}
	return false
}

// openIDClaims exchanges the code, and checks the token: by whom it is, for whom, until
// when, and that it answers this very sign-in.
func (s *Server) openIDClaims(ctx context.Context, u underWay, code string) (claims, error) {
	p, err := s.OpenID.provider(ctx, s.Now())
	if err != nil {
		return claims{}, errOpenIDAway.Because(err)
	}
	c, err := s.OpenID.config(ctx, p, s.BaseURL)
	if err != nil {
		return claims{}, errOpenIDAway.Because(err)
	}
	token, err := c.Exchange(s.OpenID.asking(ctx), code, oauth2.VerifierOption(u.verifier()))
	if err != nil {
		return claims{}, s.openIDRefused("code", err)
	}
	raw, _ := token.Extra("id_token").(string)
	checked, err := p.VerifierContext(s.OpenID.asking(ctx), &oidc.Config{ClientID: s.OpenID.Client, Now: s.Now}).Verify(ctx, raw)
	if err != nil {
		return claims{}, s.openIDRefused("token", nil)
	}
	if subtle.ConstantTimeCompare([]byte(checked.Nonce), []byte(u.nonce())) != 1 {
		return claims{}, s.openIDRefused("nonce", nil)
	}
	who, err := claimsOf(checked)
	if err != nil || who.subject == "" {
		return claims{}, s.openIDRefused("claims", nil)
	}
	if !who.verified() {
		return claims{}, s.openIDRefused("address not verified", nil)
	}
	return who, nil
}

// enterOpenID starts the session of whoever has the address. It makes nobody. Of several
// it is the one who has come by this account before: a school that puts another's address
// on record keeps nobody out.
func (s *Server) enterOpenID(r *http.Request, who claims) (web.Response, error) {
	by := staff.Subject{Issuer: s.OpenID.Issuer, ID: who.subject}
	people, err := s.Staff.ByMail(r.Context(), strings.TrimSpace(who.Mail))
	if err == nil && len(people) == 0 {
		err = errOpenIDNobody
	}
	if err == nil && len(people) > 1 {
		people, err = s.Staff.Named(r.Context(), people, by)
	}
	if err == nil && len(people) != 1 {
		err = errOpenIDShared
	}
	if err != nil {
		return nil, err
	}
	secret, me, err := s.Staff.SignInAs(r.Context(), people[0].ID, by)
	if errors.Is(err, staff.ErrSession) {
		return nil, s.openIDRefused("another subject", nil)
	}
	if err != nil {
		return nil, err
	}
	s.Log.Info("signed in", "staff", me.ID)
	s.note(r, entry(me, audit.SignIn, "", "openid"))
	return s.welcome(r, me, secret), nil
}
