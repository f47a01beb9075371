package console

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const tokensPath = "/tokens"

func (s *Server) tokenRoutes(rt *routes) {
	rt.page("GET "+tokensPath, access.Tokens, s.tokens, on(ownThing), asksAnew(""))
	rt.page("POST "+tokensPath, access.Tokens, s.addToken, on(ownThing), recordsItself(), asksAnew(""))
	rt.page("POST "+tokensPath+"/{id}/{token}/revoke", access.Tokens, s.revokeToken, on(tokenOfPerson), recordsItself())
}

// tokenOfPerson: the request is about a token of the person {id}.
func tokenOfPerson(s *Server, r *http.Request, me staff.Staff) (access.Target, error) {
	if r.PathValue("id") == me.ID {
		return ownThing(s, r, me)
	}
	m, err := s.personOf(r, me)
	return access.Target{School: m.School, Staff: m.ID}, err
}

// scopes are what an API token can be for: the actions of the API's calls.
var scopes = []access.Action{access.Frame, access.SeeAlert, access.Children, access.Send, access.End, access.Roster, access.Overview}

var scopeNames = map[access.Action]lang.Text{
	access.Frame:    lang.T("グループの一覧を読む", "Read the list of groups"),
	access.SeeAlert: lang.T("連絡と集計を読む", "Read alerts and their numbers"),
	access.Children: lang.T("児童生徒ごとの回答を読む（氏名を含む）", "Read each child's answers, with names"),
	access.Send:     lang.T("連絡を送る", "Send alerts"),
	access.End:      lang.T("連絡を取り消す・終了する", "Undo and close alerts"),
	access.Roster:   lang.T("名簿を読み、取り込む（氏名・電話・アドレスを含む）", "Read and import the roster, with names, phones and addresses"),
	access.Overview: lang.T("教育委員会の各校の状況を読む（「連絡を送る」と合わせると、各校へ送る）", "Read the state of the district's schools, and, together with sending, send to them"),
}

// tokenLine is an API token in the list, with whose rights it acts.
type tokenLine struct {
	staff.Token
	Whose staff.Staff
	Now   time.Time
}

// Dead reports whether the token has ended, and Ending whether it soon will have.
func (l tokenLine) Dead() bool { return l.Over(l.Now) }

// Ending: see Dead.
func (l tokenLine) Ending() bool { return l.Soon(l.Now) }

// tokensPage is the data of tokens.html.
type tokensPage struct {
	web.Base
	Lines  []tokenLine
	Name   string
	May    []string
	Ends   string // the last day on which it works, as in a date field
	First  string // the days that can be chosen
	Last   string
	Secret string // of the token just made, this once
	Made   staff.Token
	me     staff.Staff
}

// Scopes returns what to choose from.
func (p *tokensPage) Scopes() []access.Action { return scopesOf(p.me) }

// scopesOf returns what somebody's token can be for: no more than the person may.
func scopesOf(me staff.Staff) []access.Action {
	return slices.DeleteFunc(slices.Clone(scopes), func(do access.Action) bool { return !access.MayAnywhere(me, do) })
}

// ScopeName returns what a scope is called.
func (*tokensPage) ScopeName(do access.Action) lang.Text { return scopeNames[do] }

// Chosen reports whether the form has a scope.
func (p *tokensPage) Chosen(do access.Action) bool { return slices.Contains(p.May, string(do)) }

// Scopes returns what the token is for; none: all that the person may.
func (l tokenLine) Scopes() []lang.Text {
	var names []lang.Text
	for _, do := range l.May {
		names = append(names, scopeNames[access.Action(do)])
	}
	return names
}

func (s *Server) tokens(r *http.Request, me staff.Staff) (web.Response, error) {
	p := &tokensPage{}
	if r.URL.Query().Get("done") == "revoked" {
		p.Notice = lang.T("取り消しました。このトークンは、もう使えません。", "Revoked. The token no longer works.").In(web.Language(r))
	}
	return s.tokensWith(r, me, p)
}

// tokensWith shows somebody's own tokens; to a manager those of all the school's people,
// also of a colleague who is away.
func (s *Server) tokensWith(r *http.Request, me staff.Staff, p *tokensPage) (web.Response, error) {
	p.Scripts = []string{"once.js"}
	p.me = me
	people := []staff.Staff{me}
	var err error
	if access.May(me, access.Tokens, access.Target{School: me.School}) {
		if people, err = s.Staff.OfSchool(r.Context(), me.School); err != nil {
			return nil, err
		}
	}
	for _, m := range people {
		tokens, err := s.Staff.Tokens(r.Context(), m.ID)
		if err != nil {
			return nil, err
		}
		for _, t := range tokens {
			p.Lines = append(p.Lines, tokenLine{t, m, s.Now()})
		}
	}
	loc, err := s.zone(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	p.First, p.Last = tokenDays(s.Now().In(loc))
	if p.Ends == "" {
		p.Ends = p.Last
	}
	return web.Page{Template: "tokens.html", Data: p}, nil
}

var errNoScope = problem.New(problem.Invalid, "このトークンでできることを、一つ以上選んでください。", "Choose at least one thing that the token is for.").In("may")

// tokenDays returns the first and the last day that a token made now can work.
func tokenDays(now time.Time) (first, last string) {
	return now.Format(time.DateOnly), now.Add(staff.TokenLife).Format(time.DateOnly)
}

var errEnds = problem.New(problem.Invalid, "最後に使う日を、今日から1年以内で選んでください。", "Choose the last day of use, within a year from today.").In("ends")

// tokenLife returns for how long a token works that is to work on a day for the last
// time: to the end of that day, but no longer than a token may.
func (s *Server) tokenLife(ctx context.Context, school, day string) (time.Duration, error) {
	loc, err := s.zone(ctx, school)
	if err != nil {
		return 0, err
	}
	now := s.Now().In(loc)
	first, last := tokenDays(now)
	on, err := time.ParseInLocation(time.DateOnly, day, loc)
	if err != nil || day < first || day > last {
		return 0, errEnds
	}
	return min(on.AddDate(0, 0, 1).Sub(now), staff.TokenLife), nil
}

// addToken makes a token that acts with the rights of the manager who makes it, and
// shows it this once.
func (s *Server) addToken(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	p := &tokensPage{Name: strings.Join(strings.Fields(form.Get("name")), " "), May: chosenScopes(me, form.Values["may"]), Ends: form.Get("ends")}
	life, err := s.tokenLife(r.Context(), me.School, p.Ends)
	if wrong := s.site.Mendable(err); err != nil && len(wrong) == 0 {
		return nil, err
	} else if p.Problems = wrong; len(p.May) == 0 {
		p.Problems = append(p.Problems, errNoScope)
	}
	if len(p.Problems) > 0 {
		return s.tokensWith(r, me, p)
	}
	p.Made, err = recording(r.Context(), s.App, entry(me, audit.Token, "", "発行: "+p.Name+" / "+strings.Join(p.May, " ")+" / "+p.Ends), func() (t staff.Token, err error) {
		t, p.Secret, err = s.Staff.NewToken(r.Context(), me.ID, p.Name, life, p.May...)
		return t, err
	})
	if p.Problems = s.site.Mendable(err); err != nil && len(p.Problems) == 0 {
		return nil, err
	}
	if err == nil {
		p.Name, p.May, p.Ends = "", nil, ""
	}
	return s.tokensWith(r, me, p)
}

// chosenScopes returns the scopes of a form, in order. An alert that is read child by
// child, or ended, is seen.
func chosenScopes(me staff.Staff, chosen []string) (may []string) {
	sees := slices.Contains(chosen, string(access.Children)) || slices.Contains(chosen, string(access.End))
	for _, do := range scopesOf(me) {
		if slices.Contains(chosen, string(do)) || sees && do == access.SeeAlert {
			may = append(may, string(do))
		}
	}
	return may
}

// revokeToken ends a token of somebody of the school.
func (s *Server) revokeToken(r *http.Request, me staff.Staff) (web.Response, error) {
	m := me
	if r.PathValue("id") != me.ID {
		var err error
		if m, err = s.personOf(r, me); err != nil {
			return nil, err
		}
	}
	t, err := s.tokenOf(r.Context(), m.ID, r.PathValue("token"))
	if err != nil {
		return nil, err
	}
	err = s.record(r.Context(), entry(me, audit.Token, t.ID, "取り消し: "+t.Name+" / "+m.Name), func() error {
		return s.Staff.Revoke(r.Context(), m.ID, t.ID)
	})
	if err != nil {
		return nil, err
	}
	return web.Redirect{To: tokensPath + "?done=revoked"}, nil
}

func (s *Server) tokenOf(ctx context.Context, staffID, tokenID string) (staff.Token, error) {
	tokens, err := s.Staff.Tokens(ctx, staffID)
	if err != nil {
		return staff.Token{}, err
	}
	for _, t := range tokens {
		if t.ID == tokenID {
			return t, nil
		}
	}
	return staff.Token{}, staff.ErrNotFound
}
