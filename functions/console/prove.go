package console

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// Who changes who may come in, or takes lists of people away, proves anew who they are:
// a session may be open on a telephone in other hands. Nothing that an emergency needs
// asks for it. See docs/decisions/0045-proving-again.md.

const (
	provePath = mePath + "/prove"
	// proofLife is for how long a proof opens the pages that ask for one.
	proofLife = 15 * time.Minute
	// proofForm is for how long a form that was opened then can be sent: nothing typed is
	// lost because somebody was called away.
	proofForm = time.Hour
)

// asksAnew has a page ask for a proof that is fresh. back is the page to which a touch
// leads; "": this one.
func asksAnew(back string) pageOption {
	return func(o *pageOptions) { o.proven, o.back = true, back }
}

// asksProof returns h for those who have proved lately who they are.
func (s *Server) asksProof(back string, h staffHandler) staffHandler {
	return func(r *http.Request, me staff.Staff) (web.Response, error) {
		read := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case s.hasProven(me, read):
			return h(r, me)
		case !read:
			return nil, errProve
		}
		next := cmp.Or(back, r.URL.RequestURI()) // back is the route's, of all who come
		return web.Redirect{To: provePath + "?next=" + url.QueryEscape(next)}, nil
	}
}

func (s *Server) hasProven(me staff.Staff, read bool) bool {
	life := proofForm
	if read {
		life = proofLife
	}
	return s.Now().Before(me.Proven.Add(life))
}

var errProve = problem.New(problem.Forbidden,
	"まだ送信されていません。本人の確認から時間がたったためです。別のタブで「あなたの設定」を開き、「本人の確認をする」を押してから、この画面を再読み込みすると、入力した内容をそのまま送れます。",
	"This was not sent: it is a while since you proved who you are. Open “Your settings” in another tab and choose “Prove who you are”, then reload this page: what you entered is sent as it is.")

func (s *Server) proveRoutes(rt *routes) {
	rt.page("GET "+provePath, access.Own, s.askProof, on(ownThing))
	rt.page("POST "+provePath+"/begin", access.Own, s.beginProof, on(ownThing), changesNothing())
	rt.page("POST "+provePath, access.Own, s.endProof, on(ownThing), recordsItself())
}

// provePage is the data of prove.html.
type provePage struct {
	web.Base
	Keys bool   // the person has passkeys
	Can  bool   // there are any at this address
	Mail string // to which a link can be mailed that proves it; "": none can
	Next string
}

// askProof asks somebody to prove who they are: by a passkey if they have one, else by a
// link that is mailed anew.
func (s *Server) askProof(r *http.Request, me staff.Staff) (web.Response, error) {
	keys, err := s.Staff.Keys(r.Context(), me.ID)
	if err != nil {
		return nil, err
	}
	p := &provePage{Keys: len(keys) > 0, Can: s.passkeys != nil, Next: r.URL.Query().Get("next")}
	p.Scripts = []string{"passkey.js", "once.js"}
	if barred, err := s.Staff.Barred(r.Context(), me); err != nil {
		return nil, err
	} else if !p.Keys && !barred {
		p.Mail = me.Mail
	}
	if !isLocal(p.Next) {
		p.Next = mePath
	}
	page := web.Page{Template: "prove.html", Data: p}
	page.Header = web.Cookies(s.cookie(nextCookie, url.QueryEscape(p.Next), staff.LinkLife)) // for the link
	return page, nil
}

// beginProof begins a touch by one of the person's own passkeys.
func (s *Server) beginProof(r *http.Request, me staff.Staff) (web.Response, error) {
	if s.passkeys == nil {
		return nil, errNoPasskeys
	}
	h, err := s.holderOf(r, me.ID)
	if err != nil {
		return nil, err
	}
	if len(h.known) == 0 {
		return nil, errTouch
	}
	options, data, err := s.passkeys.BeginLogin(h, webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, err
	}
	return s.beginTouch(r, options, data)
}

// endProof takes the touch, and leads back to where the person was going.
func (s *Server) endProof(r *http.Request, me staff.Staff) (web.Response, error) {
	if s.passkeys == nil {
		return nil, errNoPasskeys
	}
	data, form, err := s.endTouch(r)
	if err != nil {
		return nil, err
	}
	k, err := s.touched(r, me, data, form.Get("answer"))
	if err != nil {
		return nil, err
	}
	if err := s.Staff.Prove(r.Context(), me.ID, me.Via, k); err != nil {
		return nil, err
	}
	s.note(r, entry(me, audit.Session, k.ID, "本人の確認"))
	next := form.Get("next")
	if !isLocal(next) {
		next = mePath
	}
	return web.Redirect{To: next}, nil
}

// touched returns the passkey, as it is now, that somebody has touched for a ceremony.
func (s *Server) touched(r *http.Request, me staff.Staff, data webauthn.SessionData, answer string) (staff.Key, error) {
	h, err := s.holderOf(r, me.ID)
	if err != nil {
		return staff.Key{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil {
		return staff.Key{}, errTouch.Because(err)
	}
	c, err := s.passkeys.ValidateLogin(h, data, parsed)
	if err != nil {
		return staff.Key{}, errTouch.Because(err)
	}
	k, ok := h.key(c)
	if !ok || c.Authenticator.CloneWarning {
		return staff.Key{}, errTouch
	}
	k.Credential, err = json.Marshal(c)
	return k, err
}
