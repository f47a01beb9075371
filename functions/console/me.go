package console

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const mePath = "/me"

func (s *Server) meRoutes(rt *routes) {
	rt.page("GET "+mePath, access.Own, s.me, on(ownThing))
	rt.page("POST "+mePath+"/keys/begin", access.Own, s.beginKey, on(ownThing), changesNothing(), asksAnew(""))
	rt.page("POST "+mePath+"/keys", access.Own, s.addKey, on(ownThing), recordsItself(), asksAnew(""))
	rt.page("POST "+mePath+"/keys/{id}/remove", access.Own, s.removeKey, on(ownThing), records(audit.Key), asksAnew(""))
	rt.page("POST "+mePath+"/sessions/end", access.Own, s.endSessions, on(ownThing), records(audit.Session), asksAnew(""))
	rt.page("POST "+mePath+"/sessions/{id}/end", access.Own, s.endSession, on(ownThing), records(audit.Session), asksAnew(""))
}

// mePage is the data of me.html.
type mePage struct {
	web.Base
	Me       staff.Staff
	Role     lang.Text
	Keys     []staff.Key
	Can      bool // have passkeys at this address
	Name     string
	Sessions []staff.Session
	Proven   bool // lately: else the page offers no more than to prove it
}

func (s *Server) me(r *http.Request, me staff.Staff) (web.Response, error) {
	return s.meWith(r, me, "", nil)
}

// meWith shows what is somebody's own, with what is wrong with the form.
func (s *Server) meWith(r *http.Request, me staff.Staff, name string, wrong problem.List) (web.Response, error) {
	p := &mePage{Me: me, Role: roleNames[me.Role], Can: s.passkeys != nil, Name: name, Proven: s.hasProven(me, true) || len(wrong) > 0}
	p.Problems = wrong
	p.Scripts = []string{"passkey.js"}
	var err error
	if p.Keys, err = s.Staff.Keys(r.Context(), me.ID); err != nil {
		return nil, err
	}
	if p.Sessions, err = s.Staff.Sessions(r.Context(), me.ID); err != nil {
		return nil, err
	}
	switch r.URL.Query().Get("done") {
	case "added":
		p.Notice = lang.T("パスキーを登録しました。次からは、サインインの画面で一度触れるだけです。", "The passkey is added. From now on you sign in with one touch.").In(web.Language(r))
	case "removed":
		p.Notice = lang.T("パスキーを削除しました。", "The passkey is removed.").In(web.Language(r))
	case "ended":
		p.Notice = lang.T("その端末をサインアウトしました。", "That device is signed out.").In(web.Language(r))
	case "all-ended":
		p.Notice = lang.T("ほかの端末をすべてサインアウトしました。", "All other devices are signed out.").In(web.Language(r))
	}
	return web.Page{Template: "me.html", Data: p}, nil
}

// beginKey begins to register a passkey.
func (s *Server) beginKey(r *http.Request, me staff.Staff) (web.Response, error) {
	if s.passkeys == nil {
		return nil, errNoPasskeys
	}
	h, err := s.holderOf(r, me.ID)
	if err != nil {
		return nil, err
	}
	options, data, err := s.passkeys.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.known).CredentialDescriptors()))
	if err != nil {
		return nil, err
	}
	return s.beginTouch(r, options, data)
}

// addKey registers the passkey that an authenticator has made.
func (s *Server) addKey(r *http.Request, me staff.Staff) (web.Response, error) {
	if s.passkeys == nil {
		return nil, errNoPasskeys
	}
	data, form, err := s.endTouch(r)
	if problem.Is(err, problem.Unauthorized) {
		return s.meWith(r, me, form.Get("name"), problem.List{errAdd.In("name")})
	}
	if err != nil {
		return nil, err
	}
	name := strings.TrimSpace(form.Get("name"))
	h, err := s.holderOf(r, me.ID)
	if err != nil {
		return nil, err
	}
	credential, err := s.newCredential(h, data, form.Get("answer"))
	if err != nil {
		s.Log.Info("passkey refused", "staff", me.ID, "err", err)
		return s.meWith(r, me, name, problem.List{errAdd.In("name")})
	}
	_, err = recording(r.Context(), s.App, entry(me, audit.Key, "", name), func() (staff.Key, error) {
		return s.Staff.AddKey(r.Context(), me.ID, name, credential)
	})
	if problem.Is(err, problem.Invalid) || problem.Is(err, problem.Conflict) {
		return s.meWith(r, me, name, problem.Of(err))
	}
	if err != nil {
		return nil, err
	}
	return web.Redirect{To: mePath + "?done=added"}, nil
}

// newCredential checks an authenticator's answer to beginKey.
func (s *Server) newCredential(h keyHolder, data webauthn.SessionData, answer string) ([]byte, error) {
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil {
		return nil, err
	}
	c, err := s.passkeys.CreateCredential(h, data, parsed)
	if err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

var errAdd = problem.New(problem.Invalid,
	"パスキーを登録できませんでした。画面のロック（指紋・顔・暗証番号）が使える端末か確認し、もう一度お試しください。",
	"The passkey could not be added. Check that the device has a screen lock, and try again.")

func (s *Server) removeKey(r *http.Request, me staff.Staff) (web.Response, error) {
	if err := s.Staff.RemoveKey(r.Context(), me.ID, r.PathValue("id")); err != nil {
		return nil, err
	}
	return web.Redirect{To: mePath + "?done=removed"}, nil
}

func (s *Server) endSession(r *http.Request, me staff.Staff) (web.Response, error) {
	if err := s.Staff.EndSession(r.Context(), me.ID, r.PathValue("id")); err != nil {
		return nil, err
	}
	return web.Redirect{To: mePath + "?done=ended"}, nil
}

// endSessions leaves the session that asks, and no other.
func (s *Server) endSessions(r *http.Request, me staff.Staff) (web.Response, error) {
	if err := s.Staff.EndOtherSessions(r.Context(), me.ID, me.Via); err != nil {
		return nil, err
	}
	return web.Redirect{To: mePath + "?done=all-ended"}, nil
}
