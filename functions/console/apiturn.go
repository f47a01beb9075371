package console

import (
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/todoku/todoku/functions/console/imports"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// apiTurn is a turn of the year as the API tells of it: what it would do while it
// waits to be confirmed, and afterwards what became of it.
type apiTurn struct {
	ID      string        `json:"id"`
	State   imports.State `json:"state"`
	Preview *apiTurning   `json:"preview,omitempty"` // while it waits
	// Of one that was confirmed.
	Until   time.Time `json:"until,omitzero"` // it can be undone, and the data of those who left is deleted then
	Moved   int       `json:"moved"`          // children in another class than before
	Stayed  int       `json:"stayed"`
	Added   int       `json:"added"`
	Left    int       `json:"left"`
	Back    int       `json:"back"` // families that an undoing has put back
	Kept    int       `json:"kept"` // families that it could not, because they were changed
	Trouble string    `json:"trouble,omitempty"`
}

// apiTurning is what a turn would do.
type apiTurning struct {
	Seen      string           `json:"seen"` // names this preview, to be sent with the confirmation
	Ready     bool             `json:"ready"`
	Rise      int              `json:"rise"` // 1: the list is of the next school year; 0: of the same
	Moved     int              `json:"moved"`
	Stay      int              `json:"stay"`
	New       int              `json:"new"`
	Graduates int              `json:"graduates"` // who leave, of the highest grade
	Leavers   []apiLeaver      `json:"leavers"`   // who leave, of other grades: to be confirmed
	Errors    []roster.RowNote `json:"errors"`
	Warnings  []roster.RowNote `json:"warnings"`
}

// apiLeaver is a child who is not in the list.
type apiLeaver struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Class string `json:"class"` // group id
}

// apiPostTurn keeps a list of the new school year and says what it would do.
func (s *Server) apiPostTurn(r *http.Request, me staff.Staff) (web.Response, error) {
	body, err := sheetBody(r)
	if err != nil {
		return nil, err
	}
	file, err := sheetOf(body, s.maxSheet())
	if err != nil {
		return nil, imports.Withhold(err)
	}
	p := s.rosterPages()
	in, err := p.imports.Keep(r.Context(), me.School, "API", file, true)
	if err != nil {
		return nil, err
	}
	return p.apiTurn(r, me, in, http.StatusCreated)
}

func (s *Server) apiGetTurn(r *http.Request, me staff.Staff) (web.Response, error) {
	p := s.rosterPages()
	in, err := p.turnOf(r, me)
	if err != nil {
		return nil, err
	}
	return p.apiTurn(r, me, in, http.StatusOK)
}

// turnOf returns the turn {id}. Another import is none.
func (p *rosterPages) turnOf(r *http.Request, me staff.Staff) (imports.Import, error) {
	in, err := p.imports.Get(r.Context(), me.School, r.PathValue("id"))
	if err == nil && !in.Turn {
		return in, imports.ErrNone
	}
	return in, err
}

// apiTurn tells where a turn stands.
func (p *rosterPages) apiTurn(r *http.Request, me staff.Staff, in imports.Import, status int) (web.Response, error) {
	out := apiTurn{
		ID: in.ID, State: in.State, Until: in.Until, Trouble: in.Trouble.In(web.Language(r)),
		Moved: in.Counts.Changed, Stayed: in.Counts.Unchanged, Added: in.Counts.Added, Left: in.Counts.Left, Back: in.Counts.Back, Kept: in.Counts.Kept,
	}
	if in.State == imports.Waits {
		var err error
		if out.Preview, err = p.apiTurning(r, me, in); err != nil {
			return nil, err
		}
	}
	return web.JSON{Status: status, Header: http.Header{"Location": {apiPath + "/roster/turns/" + in.ID}}, Value: out}, nil
}

func (p *rosterPages) apiTurning(r *http.Request, me staff.Staff, in imports.Import) (*apiTurning, error) {
	_, plan, err := p.imports.Plan(r.Context(), me.School, in)
	if err != nil {
		return nil, imports.Withhold(err)
	}
	imports.Doubt(r.Context(), p.Hosts, plan)
	groups, err := p.Roster.Groups(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	t, notes := plan.Turning, plan.Result(web.Language(r))
	out := &apiTurning{
		Seen: plan.Seen(), Ready: len(plan.Errors) == 0 && plan.Children.Total() > 0,
		Rise: t.Rise, Moved: t.Moved, Stay: t.Stay, New: t.New, Leavers: []apiLeaver{}, Errors: notes.Errors, Warnings: notes.Warnings,
	}
	graduates, others := t.Graduates(roster.Grades(groups))
	out.Graduates = graduates
	for _, c := range others {
		out.Leavers = append(out.Leavers, apiLeaver{c.ID, c.Name, c.Class})
	}
	return out, nil
}

var errKeep = problem.New(problem.Invalid, "「keep_days」には 14、30、90 のどれかを送ってください。", "Send keep_days as 14, 30 or 90.").In("keep_days")

// apiConfirmTurn begins a turn: what is confirmed is the preview that seen names. Once
// it has begun, to confirm again says how far it is.
func (s *Server) apiConfirmTurn(r *http.Request, me staff.Staff) (web.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	c, keep := turnConfirmed{}, int64(turnKeep)
	if wrong := decodeObject(body, members{"seen": &c.seen, "leavers_confirmed": &c.sure, "keep_days": &keep}); len(wrong) > 0 {
		return nil, wrong
	}
	if c.keep = int(keep); !slices.Contains(turnKeeps, c.keep) {
		return nil, errKeep
	}
	p := s.rosterPages()
	in, err := p.turnOf(r, me)
	if err != nil {
		return nil, err
	}
	switch {
	case in.State == imports.Waits:
		_, _, wrong, err := p.beginTurn(r.Context(), me, in, c)
		if err != nil {
			return nil, err
		}
		if wrong != nil {
			return nil, apiTurnNames(wrong)
		}
	case !in.Undoing:
		if err := p.begin(r.Context(), me, in.ID, goesOn); err != nil { // nothing, unless it was cut off
			return nil, err
		}
	}
	return s.apiTurnBegun(p, r, me)
}

// apiTurnNames returns a problem of a confirmation with its field under its name in the
// API.
func apiTurnNames(e *problem.Error) error {
	if e.Field == "sure" {
		return e.In("leavers_confirmed")
	}
	return e
}

// apiUndoTurn begins the undoing of a turn.
func (s *Server) apiUndoTurn(r *http.Request, me staff.Staff) (web.Response, error) {
	p := s.rosterPages()
	in, err := p.turnOf(r, me)
	if err != nil {
		return nil, err
	}
	if _, err := p.beginUndo(r.Context(), me, in.ID); err != nil {
		return nil, err
	}
	return s.apiTurnBegun(p, r, me)
}

// apiTurnBegun answers for work that may still be under way.
func (s *Server) apiTurnBegun(p *rosterPages, r *http.Request, me staff.Staff) (web.Response, error) {
	in, err := p.turnOf(r, me)
	if err != nil {
		return nil, err
	}
	return p.apiTurn(r, me, in, http.StatusAccepted)
}
