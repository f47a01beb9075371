package console

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

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
	Last    imported // that can be undone
	HasLast bool
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
	d.Last, d.HasLast, err = p.imports.newest(ctx, me.School, func(in imported) bool { return in.undoable(p.Now()) })
	if err != nil {
		return nil, err
	}
	page := web.Page{Template: "roster_turn.html", Data: d}
	if len(wrong) > 0 {
		page.Status = web.Status(wrong[0].Kind)
	}
	return page, nil
}

// undoable reports whether an import is a turn that was done and can be undone.
func (m imported) undoable(now time.Time) bool {
	return m.Turn && m.State == importDone && now.Before(m.Until)
}

// turn returns what the roster is to know of the import as a turn.
func (m imported) turn() roster.Turn {
	return roster.Turn{ID: m.ID, Until: m.Until, Confirmed: m.State != importWaits, Rise: m.Rise, Leave: m.Leave}
}

// turnPreview is the data of roster_turn_preview.html.
type turnPreview struct {
	previewPage
	Graduates   int
	Others      []roster.Child // who leave and are not of the highest grade
	MoreOthers  int
	LeaverNames map[string]string // of their classes
	Seen        string            // what is confirmed: see seenTurn
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

// seenTurn names what somebody sees in a preview, so that nothing else is confirmed.
func seenTurn(plan *roster.Plan) string {
	h := sha256.New()
	_, _ = fmt.Fprintln(h, plan.Turning.Rise, plan.Turning.New, plan.Turning.Moved)
	for _, c := range plan.Missing {
		_, _ = fmt.Fprintln(h, c.ID)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

func (p *rosterPages) turnPreview(ctx context.Context, me staff.Staff, in imported, sheet *roster.Sheet, plan *roster.Plan, wrong problem.List) (web.Response, error) {
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
		Seen: seenTurn(plan), Keeps: turnKeeps, Keep: turnKeep, LeaverNames: map[string]string{},
	}
	for _, g := range groups {
		d.LeaverNames[g.ID] = g.Name
	}
	d.Graduates, d.Others = plan.Turning.Graduates(roster.Grades(groups))
	d.MoreOthers = max(0, len(d.Others)-shownLeavers)
	d.Must = len(d.Others) > 0
	d.Others = first(d.Others, shownLeavers)
	d.Problems, d.Scripts = wrong, []string{"once.js"}
	page := web.Page{Template: "roster_turn_preview.html", Data: d}
	if len(wrong) > 0 {
		page.Status = web.Status(wrong[0].Kind)
	}
	return page, nil
}

var (
	turnUnsure = problem.New(problem.Invalid,
		"リストにいない児童生徒の名前を確かめて、チェックを入れてください。",
		"Look at the names of those who are not in the list, then tick the box.").In("sure")
	turnChanged = problem.New(problem.Conflict,
		"確認している間に名簿が変わりました。下の内容をもう一度確かめてから、実行してください。",
		"The roster has changed meanwhile. Look at the new preview below, then confirm.")
)

// turnConfirmed is what somebody has confirmed of a turn.
type turnConfirmed struct {
	seen string // see seenTurn
	sure bool   // those who leave and do not graduate are to leave
	keep int    // days
}

// confirmTurn begins a turn if what is confirmed is what the roster and the list say
// now.
func (p *rosterPages) confirmTurn(r *http.Request, me staff.Staff, in imported) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	c := turnConfirmed{seen: form.Get("seen"), sure: form.Get("sure") != "", keep: turnKeep}
	if keep, err := strconv.Atoi(form.Get("keep")); err == nil && slices.Contains(turnKeeps, keep) {
		c.keep = keep
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
func (p *rosterPages) beginTurn(ctx context.Context, me staff.Staff, in imported, c turnConfirmed) (*roster.Sheet, *roster.Plan, *problem.Error, error) {
	sheet, plan, err := p.plan(ctx, me.School, in)
	if err != nil {
		return nil, nil, nil, withhold(err)
	}
	groups, err := p.Roster.Groups(ctx, me.School)
	if err != nil {
		return nil, nil, nil, err
	}
	_, others := plan.Turning.Graduates(roster.Grades(groups))
	switch {
	case len(plan.Errors) > 0 || plan.Children.Total() == 0:
		return sheet, plan, roster.ErrFaulty, nil
	case c.seen != seenTurn(plan):
		return sheet, plan, turnChanged, nil
	case len(others) > 0 && !c.sure:
		return sheet, plan, turnUnsure, nil
	}
	_, err = p.imports.change(ctx, me.School, in.ID, func(in *imported) bool {
		in.Rise, in.Leave, in.Until = plan.Turning.Rise, nil, p.Now().UTC().Add(time.Duration(c.keep)*day).Truncate(time.Second)
		for _, c := range plan.Missing {
			in.Leave = append(in.Leave, c.ID)
		}
		return in.State == importWaits
	})
	if err == nil {
		err = p.begin(ctx, me, in.ID)
	}
	return sheet, plan, nil, err
}

// turnResult is the data of roster_turn_result.html.
type turnResult struct {
	web.Base
	Import imported
	May    bool // it can be undone
}

// Undone reports whether it was.
func (d *turnResult) Undone() bool { return d.Import.State == importUndone }

func (p *rosterPages) turnResult(in imported) (web.Response, error) {
	d := &turnResult{Base: web.Base{Scripts: []string{"once.js"}}, Import: in, May: in.undoable(p.Now())}
	return web.Page{Template: "roster_turn_result.html", Data: d}, nil
}

var turnOver = problem.New(problem.Gone,
	"取り消せる期限を過ぎているため、元に戻せません。必要な人は、名簿の取り込みで追加してください。",
	"The time in which this could be undone is over. Add those who are missing by importing them.")

// undoTurn begins the undoing of a turn, or goes on with one that was cut off.
func (p *rosterPages) undoTurn(r *http.Request, me staff.Staff) (web.Response, error) {
	in, err := p.beginUndo(r.Context(), me, r.PathValue("id"))
	return web.Redirect{To: importPath(in.ID)}, err
}

// beginUndo has a turn undone, unless that is under way or done. It fails with turnOver
// when its time is over.
func (p *rosterPages) beginUndo(ctx context.Context, me staff.Staff, importID string) (imported, error) {
	begun := false
	in, err := p.imports.change(ctx, me.School, importID, func(in *imported) bool {
		now := p.Now()
		begun = in.undoable(now) || in.Turn && in.Undoing && (in.State == importFailed || in.stalled(now))
		if begun {
			in.State, in.Undoing, in.Touched, in.Done, in.Total = importRuns, true, now.UTC(), 0, 0
			in.Run++
		}
		return begun
	})
	switch {
	case err != nil:
		return in, err
	case !begun && in.Turn && !in.Undoing && in.State == importDone:
		return in, turnOver
	case !begun:
		return in, nil
	}
	p.Log.Info("undoing of a turn begun", "import", in.ID, "school", me.School, "staff", me.ID)
	if p.QueueImports {
		return in, p.Jobs.Send(ctx, importMessage(me.School, in))
	}
	p.background(ctx, func(ctx context.Context) { _ = p.run(ctx, me.School, in) })
	return in, nil
}

// undo undoes a turn, for run.
func (m *importer) undo(ctx context.Context, school string, in imported) (importCounts, error) {
	counts := in.Counts
	u, err := m.roster.UndoTurn(ctx, school, in.ID)
	counts.Back, counts.Kept = counts.Back+u.Back, u.Kept
	return counts, err
}

// turnCounts says what a turn did.
func turnCounts(plan *roster.Plan) importCounts {
	t := plan.Turning
	return importCounts{Added: t.New, Changed: t.Moved, Unchanged: t.Stay, Left: len(t.Leavers), Errors: len(errorRows(plan))}
}

// From says where a class's children come from.
func (d *turnPreview) From(c roster.ClassTurn) lang.Text {
	var ja, en []string
	for _, o := range c.From {
		ja = append(ja, fmt.Sprintf("%s %d人", o.Name, o.N))
		en = append(en, fmt.Sprintf("%s: %d", o.Name, o.N))
	}
	if c.New > 0 {
		ja = append(ja, fmt.Sprintf("新しい人 %d人", c.New))
		en = append(en, fmt.Sprintf("new: %d", c.New))
	}
	return lang.Text{JA: strings.Join(ja, "、"), EN: strings.Join(en, ", ")}
}

// isTurn reports whether a file is sent for a turn of the year.
func isTurn(r *http.Request) bool { return r.URL.Query().Get("for") == "turn" }

// refuseTurnFile shows what is wrong with a file on the page where it was chosen.
func (p *rosterPages) refuseTurnFile(r *http.Request, me staff.Staff, e *problem.Error) (web.Response, error) {
	return p.turnStartWith(r.Context(), me, problem.List{e.In("file")})
}
