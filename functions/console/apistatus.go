package console

import (
	"context"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// Sizes of a page of the API.
const (
	apiPage    = 100
	maxAPIPage = 500
)

// apiAlert is an alert as the API tells of it.
type apiAlert struct {
	ID           string      `json:"id"`
	Kind         alert.Kind  `json:"kind"`
	Subject      string      `json:"subject"`
	Body         string      `json:"body"`
	State        alert.State `json:"state"`
	Groups       []string    `json:"groups"`
	All          bool        `json:"all"`
	Audience     string      `json:"audience"`
	Answers      []apiAnswer `json:"answers"`
	Accepted     time.Time   `json:"accepted"`
	Starts       time.Time   `json:"starts"`
	UsefulUntil  time.Time   `json:"useful_until"`
	Ended        time.Time   `json:"ended,omitzero"`
	Supersedes   string      `json:"supersedes,omitempty"`
	Follows      string      `json:"follows,omitempty"`
	SupersededBy string      `json:"superseded_by,omitempty"`
}

// apiAnswer is an answer that an alert offers.
type apiAnswer struct {
	ID   string `json:"id"`
	JA   string `json:"ja"`
	EN   string `json:"en,omitempty"`
	Help bool   `json:"help,omitempty"` // whoever gives it needs help
}

func (s *Server) apiAlert(a alert.Alert) apiAlert {
	out := apiAlert{
		ID: a.ID, Kind: a.Kind, Subject: a.Subject, Body: a.Body, State: a.State(s.Now()),
		Groups: append([]string{}, a.Groups...), All: a.All, Audience: a.Audience,
		Accepted: a.Accepted, Starts: a.Starts, UsefulUntil: a.UsefulUntil, Ended: a.Ended,
		Supersedes: a.Supersedes, Follows: a.Follows, SupersededBy: a.SupersededBy,
	}
	for _, c := range a.Choices {
		out.Answers = append(out.Answers, apiAnswer(c))
	}
	return out
}

// apiStatus is an alert and where it stands.
type apiStatus struct {
	apiAlert
	At         time.Time        `json:"at"`
	FanOutDone bool             `json:"fan_out_done"` // until then the totals are still growing
	Children   map[string]int64 `json:"children"`
	Copies     map[string]int64 `json:"copies"`
	SentAgain  int64            `json:"sent_again"` // copies that may have arrived twice
	Returned   int64            `json:"returned"`   // how often copies went back to their lanes
	GaveUp     int64            `json:"gave_up"`    // of the refused copies, those that were given up
	Lanes      []map[string]any `json:"lanes"`
	Curve      []apiPoint       `json:"curve"`
}

// apiPoint says how many children were answered for by a time.
type apiPoint struct {
	After    int64 `json:"after_seconds"` // since the alert started
	Answered int64 `json:"answered"`
}

// apiGetAlert reads counters alone (alert.Store.Status): what it costs does not
// grow with the recipients.
func (s *Server) apiGetAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	st, err := s.Status(r.Context(), me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	out := apiStatus{
		apiAlert: s.apiAlert(st.Alert), At: st.At.UTC(), FanOutDone: st.FanOut.Done,
		Children: counts(st.Children), Copies: counts(st.Copies), SentAgain: st.Again, Returned: st.Returned, GaveUp: st.GaveUp,
		Lanes: []map[string]any{}, Curve: []apiPoint{},
	}
	out.Children["help"] = st.Help
	for _, l := range st.Lanes {
		out.Lanes = append(out.Lanes, laneCounts(l))
	}
	for _, p := range st.Curve {
		out.Curve = append(out.Curve, apiPoint{After: int64(p.After / time.Second), Answered: p.Answered})
	}
	return web.JSON{Value: out}, nil
}

func counts(c alert.Counts) map[string]int64 {
	out := map[string]int64{"total": c.Total}
	maps.Copy(out, c.By)
	return out
}

func laneCounts(l alert.LaneStatus) map[string]any {
	out := map[string]any{"lane": l.Lane, "asked": l.Asked, "answered": l.Answered}
	for state, n := range counts(l.Counts) {
		out[state] = n
	}
	return out
}

// apiAlerts is a page of a school's alerts.
type apiAlerts struct {
	Alerts []apiAlert `json:"alerts"` // newest first
	Next   string     `json:"next"`   // "": the end
}

func (s *Server) apiGetAlerts(r *http.Request, me staff.Staff) (web.Response, error) {
	after, cursorErr := cursor(r)
	limit, limitErr := queryInt(r, "limit", apiPage, 1, maxAPIPage)
	if err := joined(cursorErr, limitErr); err != nil {
		return nil, err
	}
	alerts, next, err := s.Alerts.List(r.Context(), me.School, after, limit)
	if err != nil {
		return nil, err
	}
	out := apiAlerts{Alerts: []apiAlert{}, Next: nextCursor(next)}
	for _, a := range alerts {
		if !access.May(me, access.SeeAlert, ofAlert(a)) {
			continue
		}
		out.Alerts = append(out.Alerts, s.apiAlert(a))
	}
	return web.JSON{Value: out}, nil
}

// cursor returns the place after which a page begins. A cursor is ours to make:
// clients send back what they got.
func cursor(r *http.Request) (string, error) {
	const longest = 500
	b, err := base64.RawURLEncoding.DecodeString(r.URL.Query().Get("cursor"))
	if err != nil || len(b) > longest || !utf8.Valid(b) || slices.Contains(b, 0) {
		return "", problem.New(problem.Invalid,
			"「cursor」が正しくありません。前の応答の「next」をそのまま送ってください。",
			"This is not a cursor. Send the member next of the answer before as it was.").In("cursor")
	}
	return string(b), nil
}

func nextCursor(next string) string { return base64.RawURLEncoding.EncodeToString([]byte(next)) }

// apiChildren is a page of an alert's children.
type apiChildren struct {
	Children []apiChild `json:"children"`
	Next     string     `json:"next"` // "": the end
}

// apiChild is a child as it was when the alert was sent, and where it stands.
type apiChild struct {
	ID        string           `json:"id"`
	Name      string           `json:"name"`
	Kana      string           `json:"kana,omitempty"`
	Class     string           `json:"class"` // group id
	ClassName string           `json:"class_name"`
	Seat      int              `json:"seat,omitempty"`
	State     alert.ChildState `json:"state"`
	Answer    *apiGiven        `json:"answer"` // null: none
	Guardians []apiGuardian    `json:"guardians"`
	Copies    []apiCopy        `json:"copies"`
}

// apiGiven is the newest answer that was given for a child.
type apiGiven struct {
	Choice string    `json:"choice"` // id of the alert's answer
	Text   string    `json:"text"`
	Help   bool      `json:"help"`
	At     time.Time `json:"at"`
	Way    alert.Way `json:"way"`
	By     string    `json:"by"` // guardian or staff id
}

// apiGuardian answers for the child; the first is to be asked first.
type apiGuardian struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Relation string   `json:"relation,omitempty"`
	Phones   []string `json:"phones"`
}

// apiCopy is a copy to one of the child's guardians. Addresses are left out: who
// phones does not need them.
type apiCopy struct {
	Guardian string          `json:"guardian"` // id
	Lane     string          `json:"lane"`
	Round    int             `json:"round"` // 0: the alert; 1: its reminder
	State    alert.CopyState `json:"state"`
	At       time.Time       `json:"at,omitzero"`
	Status   string          `json:"status,omitempty"` // RFC 3463, of the last failure
}

// apiGetChildren reads the families of one page, and no others. A page may hold a
// few children more than asked for, because a family is not divided, and fewer,
// even none, if a state is asked for: only an empty next is the end.
func (s *Server) apiGetChildren(r *http.Request, me staff.Staff) (web.Response, error) {
	after, cursorErr := cursor(r)
	limit, limitErr := queryInt(r, "limit", apiPage, 1, maxAPIPage)
	state, stateErr := queryState(r)
	if err := joined(cursorErr, limitErr, stateErr); err != nil {
		return nil, err
	}
	al, err := s.alertOf(r.Context(), me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	lines, next, err := s.Alerts.AllChildren(r.Context(), al.ID, after, limit)
	if err != nil {
		return nil, err
	}
	names, err := s.groupNames(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	out := apiChildren{Children: []apiChild{}, Next: nextCursor(next)}
	for _, l := range only(me, lines) {
		if state == "" || l.State == state {
			out.Children = append(out.Children, childOf(l, al, names, web.Language(r)))
		}
	}
	return web.JSON{Value: out}, nil
}

func queryState(r *http.Request) (alert.ChildState, error) {
	state := alert.ChildState(r.URL.Query().Get("state"))
	if state == "" || slices.Contains(alert.ChildStates, state) {
		return state, nil
	}
	var known []string
	for _, s := range alert.ChildStates {
		known = append(known, string(s))
	}
	return "", problem.New(problem.Invalid, "「state」には %s のどれかを指定してください。", "Give state as one of %s.", strings.Join(known, ", ")).In("state")
}

func (s *Server) groupNames(ctx context.Context, school string) (map[string]string, error) {
	groups, err := s.Roster.Groups(ctx, school)
	names := make(map[string]string, len(groups))
	for _, g := range groups {
		names[g.ID] = g.Name
	}
	return names, err
}

func childOf(l alert.ChildLine, al alert.Alert, classes map[string]string, in lang.Lang) apiChild {
	c := apiChild{
		ID: l.ID, Name: l.Name, Kana: l.Kana, Class: l.Class, ClassName: classes[l.Class], Seat: l.Seat,
		State: l.State, Answer: given(l.Answer, al, in), Guardians: []apiGuardian{}, Copies: []apiCopy{},
	}
	if c.ClassName == "" {
		c.ClassName = l.Class // the class is no longer in the roster
	}
	for _, g := range l.GuardianList() {
		c.Guardians = append(c.Guardians, apiGuardian{ID: g.ID, Name: g.Name, Relation: g.Relation, Phones: append([]string{}, g.Phones...)})
	}
	for _, k := range l.Family.Copies {
		if slices.Contains(l.Guardians, k.Guardian) {
			by := l.Family.Guardians[k.Guardian].ID
			c.Copies = append(c.Copies, apiCopy{Guardian: by, Lane: k.Lane, Round: k.Round, State: k.State, At: k.At, Status: k.Status})
		}
	}
	return c
}

func given(a *alert.Answer, al alert.Alert, in lang.Lang) *apiGiven {
	if a == nil {
		return nil
	}
	choice, _ := al.Choice(a.Choice)
	return &apiGiven{Choice: a.Choice, Text: choice.Text().In(in), Help: a.Help, At: a.At, Way: a.Way, By: a.By}
}
