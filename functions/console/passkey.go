package console

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// newPasskeys returns what speaks WebAuthn for the site's own address, and nil where
// there can be no passkeys: they belong to a name, and a site that is reached by a
// bare IP address has none (WebAuthn, 5.1.3: "effective domain").
func newPasskeys(baseURL string) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(baseURL)
	if err != nil {
		return nil, err
	}
	host := u.Hostname()
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return nil, nil //nolint:nilnil // that there are none is no error
	}
	return webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: "Todoku", RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
	})
}

// keyHolder is a member of staff as WebAuthn knows them.
type keyHolder struct {
	staff staff.Staff
	keys  []staff.Key
	known []webauthn.Credential
}

func newHolder(m staff.Staff, keys []staff.Key) (keyHolder, error) {
	h := keyHolder{staff: m, keys: keys}
	for _, k := range keys {
		var c webauthn.Credential
		if err := json.Unmarshal(k.Credential, &c); err != nil {
			return h, err
		}
		h.known = append(h.known, c)
	}
	return h, nil
}

// WebAuthnID implements webauthn.User. The id tells nothing of the person.
func (h keyHolder) WebAuthnID() []byte { return []byte(h.staff.ID) }

// WebAuthnName implements webauthn.User.
func (h keyHolder) WebAuthnName() string {
	if h.staff.Mail != "" {
		return h.staff.Mail
	}
	return h.staff.Name
}

// WebAuthnDisplayName implements webauthn.User.
func (h keyHolder) WebAuthnDisplayName() string { return h.staff.Name }

// WebAuthnCredentials implements webauthn.User.
func (h keyHolder) WebAuthnCredentials() []webauthn.Credential { return h.known }

// key returns the passkey of a credential.
func (h keyHolder) key(c *webauthn.Credential) (staff.Key, bool) {
	for i, known := range h.known {
		if string(known.ID) == string(c.ID) {
			return h.keys[i], true
		}
	}
	return staff.Key{}, false
}

// errTouch says that a touch did not sign in. Why is not said: it would tell who
// has an account.
var errTouch = problem.New(problem.Unauthorized,
	"パスキーを確認できませんでした。もう一度お試しください。使えないときは、管理者にサインイン用リンクを依頼してください。",
	"The passkey could not be checked. Try again. If it does not work, ask a manager for a sign-in link.")

var errNoPasskeys = problem.New(problem.Conflict,
	"このアドレスでは、パスキーを使えません。システムの担当者に、https:// で始まるアドレスの用意を依頼してください。",
	"There are no passkeys at this address. Ask whoever runs this system for an address that begins with https://.")

// ceremonyCookie ties the two halves of a touch to one browser.
const ceremonyCookie = "touch"

// beginTouch answers with the options for the browser, and keeps what the answer will
// be checked against.
func (s *Server) beginTouch(r *http.Request, options any, data *webauthn.SessionData) (web.Response, error) {
	state, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	secret, err := s.Staff.BeginCeremony(r.Context(), state)
	if err != nil {
		return nil, err
	}
	return web.JSON{Value: options, Header: web.Cookies(s.cookie(ceremonyCookie, secret, staff.CeremonyLife))}, nil
}

// endTouch returns what beginTouch kept, once, and the authenticator's answer.
func (s *Server) endTouch(r *http.Request) (data webauthn.SessionData, form web.Form, err error) {
	form, err = web.ReadForm(r)
	if err != nil {
		return data, form, err
	}
	state, err := s.Staff.EndCeremony(r.Context(), s.cookieOf(r, ceremonyCookie))
	if errors.Is(err, staff.ErrNotFound) {
		return data, form, errTouch // without its cause, which would be a page that is not there
	}
	if err != nil {
		return data, form, err
	}
	err = json.Unmarshal(state, &data)
	return data, form, err
}

// beginPasskey begins to sign somebody in. Who it is says the passkey.
func (s *Server) beginPasskey(r *http.Request) (web.Response, error) {
	if s.passkeys == nil {
		return nil, errNoPasskeys
	}
	options, data, err := s.passkeys.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, err
	}
	return s.beginTouch(r, options, data)
}

// postPasskey signs in whoever touched.
func (s *Server) postPasskey(r *http.Request) (web.Response, error) {
	if s.passkeys == nil {
		return nil, errNoPasskeys
	}
	data, form, err := s.endTouch(r)
	if err != nil {
		return nil, err
	}
	answer, err := protocol.ParseCredentialRequestResponseBytes([]byte(form.Get("answer")))
	if err != nil {
		return nil, errTouch.Because(err)
	}
	var fault error // of the store, which the library would wrap
	holder := func(_, handle []byte) (webauthn.User, error) {
		h, err := s.holderOf(r, string(handle))
		if err != nil && !errors.Is(err, staff.ErrNotFound) {
			fault = err
		}
		return h, err
	}
	user, credential, err := s.passkeys.ValidatePasskeyLogin(holder, data, answer)
	if fault != nil {
		return nil, fault
	}
	if err != nil {
		return nil, errTouch.Because(err)
	}
	return s.enter(r, user, credential)
}

func (s *Server) holderOf(r *http.Request, staffID string) (keyHolder, error) {
	m, err := s.Staff.Staff(r.Context(), staffID)
	if err != nil {
		return keyHolder{}, err
	}
	keys, err := s.Staff.Keys(r.Context(), m.ID)
	if err != nil {
		return keyHolder{}, err
	}
	return newHolder(m, keys)
}

// enter starts the session of somebody whose passkey was checked. A counter that
// went backwards means that there are two of the passkey (WebAuthn, 6.1.1): such a
// one does not sign in.
func (s *Server) enter(r *http.Request, user webauthn.User, c *webauthn.Credential) (web.Response, error) {
	h, ok := user.(keyHolder)
	if !ok {
		return nil, errTouch
	}
	k, ok := h.key(c)
	if !ok || c.Authenticator.CloneWarning {
		return nil, errTouch
	}
	var err error
	if k.Credential, err = json.Marshal(c); err != nil {
		return nil, err
	}
	secret, me, err := s.Staff.SignInByKey(r.Context(), h.staff.ID, k)
	if errors.Is(err, staff.ErrSession) {
		return nil, errTouch.Because(err)
	}
	if err != nil {
		return nil, err
	}
	s.Log.Info("signed in", "staff", me.ID)
	s.note(r, entry(me, audit.SignIn, k.ID, "passkey"))
	return s.welcome(r, me, secret), nil
}

// welcome leads somebody who has just signed in to where they wanted to go. It remembers
// the browser, and ends the session that this one had before.
func (s *Server) welcome(r *http.Request, me staff.Staff, secret string) web.Response {
	cookies := []*http.Cookie{
		s.cookie(sessionCookie, secret, staff.SessionLife),
		s.cookie(nextCookie, "", 0), s.cookie(ceremonyCookie, "", 0), s.cookie(openIDCookie, "", 0),
	}
	if err := s.Staff.SignOut(r.Context(), s.sessionSecret(r)); err != nil {
		s.Log.Warn("an earlier session goes on", "staff", me.ID, "err", err)
	}
	known, err := s.Staff.Know(r.Context(), me.ID, s.cookieOf(r, knownCookie))
	if err == nil {
		cookies = append(cookies, s.cookie(knownCookie, known, staff.KnownLife))
	} else {
		s.Log.Warn("a browser is not remembered", "staff", me.ID, "err", err)
	}
	return web.Redirect{To: s.next(r), Header: web.Cookies(cookies...)}
}
