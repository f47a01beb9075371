package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/todoku/todoku/functions/console/imports"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// The turn of the year is an import of its own kind (roster.Turn): it is uploaded,
// looked at and confirmed like the others, and can be undone until its end.

const turnPath = "/roster/turn"

// turnKeeps are the days that can be chosen until the data of those who left is
// deleted; turnKeep is meant unless somebody chooses.
var turnKeeps = []int{14, 30, 90}

const turnKeep = 30

const day = 24 * time.Hour

// turnPage is the data of roster_turn.html.
type turnPage struct {
	web.Base
	Classes []roster.Group // that there are now
	MaxMB   int64
	Last    imports.Import // that can be undone
	HasLast bool
	Open    imports.Import // that has not come to its end: no other begins before
	HasOpen bool
}

func (p *rosterPages) turnStart(r *http.Request, me staff.Staff) (web.Response, error) {
	return p.turnStartWith(r.Context(), me, nil)
}

func (p *rosterPages) turnStartWith(ctx context.Context, me staff.Staff, wrong problem.List) (web.Response, error) {
	d := &turnPage{Base: web.Base{Problems: wrong, Scripts: []string{"once.js"}}, MaxMB: p.maxSheet() >> 20}
	groups, err := p.Roster.Groups(ctx, me.School)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if g.Kind == roster.Class && g.Children > 0 {
			d.Classes = append(d.Classes, g)
		}
	}
	if d.Open, d.HasOpen, err = p.openTurn(ctx, me.School); err != nil {
		return nil, err
	}
	d.Last, d.HasLast, err = p.imports.Newest(ctx, me.School, func(in imports.Import) bool { return in.State == imports.Done && in.Undoable(p.Now()) })
	if err != nil {
		return nil, err
	}
	return web.Page{Template: "roster_turn.html", Data: d}, nil
}

// turnPreview is the data of roster_turn_preview.html.
type turnPreview struct {
	previewPage
	Graduates   int
	Others      []roster.Child // who leave and are not of the highest grade
	MoreOthers  int
	LeaverNames map[string]string // of their classes
	Keeps       []int
	Keep        int
	Must        bool // somebody leaves who does not graduate: that has to be confirmed
}

// Turning is what the turn would do.
func (d *turnPreview) Turning() roster.Turning { return d.Plan.Turning }

// ClassOf returns the name of the class of somebody who leaves.
func (d *turnPreview) ClassOf(c roster.Child) string { return d.LeaverNames[c.Class] }

// Ready reports whether the turn can be confirmed.
func (d *turnPreview) Ready() bool { return d.ErrorRows == 0 && d.Plan.Children.Total() > 0 }

// shownLeavers is how many names a preview lists.
const shownLeavers = 200

func (p *rosterPages) turnPreview(ctx context.Context, me staff.Staff, in imports.Import, sheet *roster.Sheet, plan *roster.Plan, wrong problem.List) (web.Response, error) {
	mapping, err := p.mapping(ctx, me, in)
	if err != nil {
		return nil, err
	}
	groups, err := p.Roster.Groups(ctx, me.School)
	if err != nil {
		return nil, err
	}
	d := &turnPreview{
		previewPage: previewPage{
			resultPage: newResult(in, plan), Warnings: first(plan.Warnings, maxNotes),
			Columns: columnChoices(sheet, plan.Columns, mapping), Fields: fieldOptions,
		},
		Keeps: turnKeeps, Keep: turnKeep, LeaverNames: map[string]string{},
	}
	for _, g := range groups {
		d.LeaverNames[g.ID] = g.Name
	}
	d.Graduates, d.Others = plan.Turning.Graduates(roster.Grades(groups))
	d.MoreOthers = max(0, len(d.Others)-shownLeavers)
	d.Must = len(d.Others) > 0
	d.Others = first(d.Others, shownLeavers)
	d.Problems, d.Scripts = wrong, []string{"once.js"}
	return web.Page{Template: "roster_turn_preview.html", Data: d}, nil
}

var (
	turnUnsure = problem.New(problem.Invalid,
		"リストにいない児童生徒の名前を確かめて、チェックを入れてください。",
		"Look at the names of those who are not in the list, then tick the box.").In("sure")
	turnKept = problem.New(problem.Invalid,
		"名簿から外れる人の情報を消すまでの日数を選んでください。",
		"Choose after how many days the data of those who leave is deleted.").In("keep")
	turnChanged = problem.New(problem.Conflict,
		"確認している間に名簿が変わりました。下の内容をもう一度確かめてから、実行してください。",
		"The roster has changed meanwhile. Look at the new preview below, then confirm.")
)

// openTurn returns the turn of a school that has not come to its end, if there is one.
func (p *rosterPages) openTurn(ctx context.Context, school string) (imports.Import, bool, error) {
	return p.imports.Newest(ctx, school, func(in imports.Import) bool { return in.Turn && in.Open(p.Now()) })
}

// turnConfirmed is what somebody has confirmed of a turn.
type turnConfirmed struct {
	seen string // see roster.Plan.Seen
	sure bool   // those who leave and do not graduate are to leave
	keep int    // days
}

// confirmTurn begins a turn if what is confirmed is what the roster and the list say
// now.
func (p *rosterPages) confirmTurn(r *http.Request, me staff.Staff, in imports.Import) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	c := turnConfirmed{seen: form.Get("seen"), sure: form.Get("sure") != "", keep: turnKeep}
	if form.Has("keep") {
		c.keep, _ = strconv.Atoi(form.Get("keep"))
	}
	sheet, plan, wrong, err := p.beginTurn(r.Context(), me, in, c)
	switch {
	case err != nil:
		return nil, err
	case wrong != nil:
		return p.turnPreview(r.Context(), me, in, sheet, plan, problem.List{wrong})
	}
	return web.Redirect{To: importPath(in.ID)}, nil
}

// beginTurn begins a turn, or says why it cannot, with the plan as it is now.
func (p *rosterPages) beginTurn(ctx context.Context, me staff.Staff, in imports.Import, c turnConfirmed) (*roster.Sheet, *roster.Plan, *problem.Error, error) {
	sheet, plan, err := p.imports.Plan(ctx, me.School, in)
	if err != nil {
		return nil, nil, nil, imports.Withhold(err)
	}
	groups, err := p.Roster.Groups(ctx, me.School)
	if err != nil {
		return nil, nil, nil, err
	}
	other, open, err := p.openTurn(ctx, me.School)
	if err != nil {
		return nil, nil, nil, err
	}
	_, others := plan.Turning.Graduates(roster.Grades(groups))
	switch {
	case open && other.ID != in.ID: // it is the same at a double click
		return sheet, plan, imports.ErrOpen, nil
	case len(plan.Errors) > 0 || plan.Children.Total() == 0:
		return sheet, plan, roster.ErrFaulty, nil
	case !slices.Contains(turnKeeps, c.keep):
		return sheet, plan, turnKept, nil
	case c.seen != plan.Seen():
		return sheet, plan, turnChanged, nil
	case len(others) > 0 && !c.sure:
		return sheet, plan, turnUnsure, nil
	}
	_, err = p.imports.Change(ctx, me.School, in.ID, func(in *imports.Import) bool {
		in.Rise, in.Leave, in.Until = plan.Turning.Rise, nil, p.Now().UTC().Add(time.Duration(c.keep)*day).Truncate(time.Second)
		for _, c := range plan.Missing {
			in.Leave = append(in.Leave, c.ID)
		}
		return in.State == imports.Waits
	})
	if err == nil {
		err = p.begin(ctx, me, in.ID, fmt.Sprintf("年度の更新 / 全%d人 / 名簿から外れた人%d人", plan.Children.Total(), len(plan.Missing)))
	}
	if errors.Is(err, imports.ErrOpen) { // it was begun at the same moment
		return sheet, plan, imports.ErrOpen, nil
	}
	return sheet, plan, nil, err
}

// turnResult is the data of roster_turn_result.html.
type turnResult struct {
	web.Base
	Import imports.Import
	May    bool // it can be undone
}

// Undone reports whether it was.
func (d *turnResult) Undone() bool { return d.Import.State == imports.Undone }

func (p *rosterPages) turnResult(in imports.Import) (web.Response, error) {
	d := &turnResult{Base: web.Base{Scripts: []string{"once.js"}}, Import: in, May: in.Undoable(p.Now())}
	return web.Page{Template: "roster_turn_result.html", Data: d}, nil
}

// undoTurn begins the undoing of a turn, or goes on with one that was cut off.
func (p *rosterPages) undoTurn(r *http.Request, me staff.Staff) (web.Response, error) {
	in, err := p.beginUndo(r.Context(), me, r.PathValue("id"))
	return web.Redirect{To: importPath(in.ID)}, err
}

// beginUndo has a turn undone, unless that is under way or done.
func (p *rosterPages) beginUndo(ctx context.Context, me staff.Staff, importID string) (imports.Import, error) {
	return recording(ctx, p.App, entry(me, audit.RosterChange, importID, "年度の更新の取り消し"), func() (imports.Import, error) {
		in, begun, err := p.imports.BeginUndo(ctx, me.School, importID)
		if err != nil || !begun {
			return in, err
		}
		p.Log.Info("undoing of a turn begun", "import", in.ID, "school", me.School, "staff", me.ID)
		return in, p.run(ctx, me, in)
	})
}

// From says where a class's children come from.
func (d *turnPreview) From(c roster.ClassTurn) lang.Text {
	var from []lang.Text
	for _, o := range c.From {
		from = append(from, lang.T("%s %d人", "%s: %d", o.Name, o.N))
	}
	if c.New > 0 {
		from = append(from, lang.T("新しい人 %d人", "new: %d", c.New))
	}
	return lang.List(from)
}

// isTurn reports whether a file is sent for a turn of the year.
func isTurn(r *http.Request) bool { return r.URL.Query().Get("for") == "turn" }

// refuseTurnFile shows what is wrong with a file on the page where it was chosen.
func (p *rosterPages) refuseTurnFile(r *http.Request, me staff.Staff, e *problem.Error) (web.Response, error) {
	return p.turnStartWith(r.Context(), me, problem.List{e.In("file")})
}
