package console

import (
	"net/http"
	"slices"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/qr"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

func (s *Server) cardRoutes(rt *routes) {
	rt.page("GET "+reachPath+"/{group}/cards", access.Reach, s.cards, records(audit.View), asksAnew(""))
	rt.page("POST "+reachPath+"/{group}/cards", access.Reach, s.issueCards, records(audit.Invite))
}

// familyCard is one card to print.
type familyCard struct {
	Child roster.Child
	Code  string
	Page  qr.Code
}

// cardsPage is the data of cards.html.
type cardsPage struct {
	web.Base
	Class roster.Group
	Cards []familyCard
	URL   string // of the page, as it is printed
}

var labelCard = lang.T("無事を知らせる画面のQRコード", "QR code of the page that reports a child safe")

// issueCards gives the children of a class their cards. Those who have one keep it, but
// for the child whose card is to be replaced (anew) or to end (revoke).
func (s *Server) issueCards(r *http.Request, me staff.Staff) (web.Response, error) {
	f, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	class, children, refs, err := s.pupilsOf(r, me)
	if err != nil {
		return nil, err
	}
	one := f.Get("anew") + f.Get("revoke")
	to := reachPath + "/" + class.ID + "/cards"
	if one == "" {
		_, err = s.Enrol.IssueCards(r.Context(), me.School, refs, false)
		return web.Redirect{To: to}, err
	}
	i := slices.IndexFunc(children, func(c roster.Child) bool { return c.ID == one })
	if i < 0 {
		return nil, roster.ErrNotFound
	}
	if f.Get("revoke") != "" {
		s.Log.Info("family card revoked", "child", one, "staff", me.ID)
		return web.Redirect{To: to}, s.Enrol.RevokeCard(r.Context(), me.School, one)
	}
	s.Log.Info("family card issued anew", "child", one, "staff", me.ID)
	_, err = s.Enrol.IssueCards(r.Context(), me.School, refs[i:i+1], true)
	return web.Redirect{To: to + "?child=" + one}, err
}

// cards shows the cards of a class, or of the child of the query, for printing.
func (s *Server) cards(r *http.Request, me staff.Staff) (web.Response, error) {
	class, children, _, err := s.pupilsOf(r, me)
	if err != nil {
		return nil, err
	}
	cards, err := s.Enrol.Cards(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	p := &cardsPage{Class: class, URL: s.BaseURL + enrol.CardPath + "/"}
	only := r.URL.Query().Get("child")
	for _, c := range children {
		card, ok := cards[c.ID]
		if !ok || only != "" && c.ID != only {
			continue
		}
		page, err := qr.New(p.URL + card.Code)
		if err != nil {
			return nil, err
		}
		page.Label = labelCard.In(web.Language(r))
		p.Cards = append(p.Cards, familyCard{c, enrol.Pretty(card.Code), page})
	}
	return web.Page{Template: "cards.html", Data: p}, nil
}
