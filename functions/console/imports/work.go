package imports

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/mailhost"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// progressEvery bounds how often an import that runs says how far it is.
const progressEvery = time.Second

// Worker does imports.
type Worker struct {
	Store
	roster *roster.Store
	hosts  *mailhost.Store // nil: DNS is asked for nothing
	log    *slog.Logger
}

// NewWorker returns a Worker for a roster. hosts may be nil.
func NewWorker(r *roster.Store, hosts *mailhost.Store, now func() time.Time, log *slog.Logger) *Worker {
	return &Worker{Store: Store{Table: r.Table, IDs: r.IDs, Now: now}, roster: r, hosts: hosts, log: log}
}

// Plan returns what an import would do, as the roster is now. It fails with a
// *problem.Error if the file cannot be imported; the sheet is there all the same
// if it could be read.
func (w *Worker) Plan(ctx context.Context, school string, in Import) (*roster.Sheet, *roster.Plan, error) {
	file, err := w.File(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	sheet, err := roster.ReadSheet(bytes.NewReader(file), 0)
	if err != nil {
		return nil, nil, err
	}
	if in.Turn {
		plan, err := roster.NewTurn(ctx, w.roster, school, sheet, in.Mapping, in.turn())
		return sheet, plan, err
	}
	plan, err := roster.NewPlan(ctx, w.roster, school, sheet, in.Mapping)
	return sheet, plan, err
}

// withheld is an error that may quote a sheet: a file without headers has names
// and addresses in their place. The person is told, the log is not.
type withheld struct{ err error }

func (e withheld) Error() string {
	return "imports: sheet refused: " + string(problem.Of(e.err)[0].Kind)
}

func (e withheld) Unwrap() error { return e.err }

// Withhold keeps the words of a problem with a sheet out of the log. Faults of the
// store, which quote nothing, stay as they are.
func Withhold(err error) error {
	var e *problem.Error
	if errors.As(err, &e) {
		return withheld{err}
	}
	return err
}

// Begin has an import run, unless somebody is at it: a double click begins it
// once. One that was cut off or failed begins anew, and goes on where it was,
// because what is written already is then no change. If begun, the caller sees to it
// that it is run. It fails with ErrOpen for a turn while another is open.
func (w *Worker) Begin(ctx context.Context, school, importID string) (in Import, begun bool, err error) {
	in, err = w.begin(ctx, school, importID, func(in *Import) bool {
		now := w.Now()
		begun = in.State == Waits || in.Stopped(now)
		if begun {
			in.begin(now)
		}
		return begun
	})
	if err == nil && begun && in.Turn {
		err = w.keepOn(ctx, in)
	}
	if err == nil && begun && in.Mapping != nil {
		err = w.roster.SaveMapping(ctx, school, in.Mapping)
	}
	return in, begun && err == nil, err
}

// BeginUndo is Begin for the undoing of a turn, be it done or stopped halfway. It fails
// with a problem.Gone when the time for that is over.
func (w *Worker) BeginUndo(ctx context.Context, school, importID string) (in Import, begun bool, err error) {
	in, err = w.begin(ctx, school, importID, func(in *Import) bool {
		now := w.Now()
		begun = in.Undoable(now) || in.Turn && in.Undoing && in.Stopped(now)
		if begun {
			in.begin(now)
			in.Undoing = true
		}
		return begun
	})
	if err == nil && !begun && in.Turn && !in.Undoing && in.State != Waits && !w.Now().Before(in.Until) {
		err = errOver
	}
	return in, begun && err == nil, err
}

// errOvertaken says that somebody began the import anew, or has ended it: two at once
// could make a child twice whom nothing but its name tells apart.
var errOvertaken = errors.New("imports: the import was begun anew")

// Run does an import and records how it ended. If ctx ends before, or that cannot be
// recorded, Run returns the error, and the import can be taken up again. If it
// is begun anew meanwhile, Run leaves it to that one and returns nil.
func (w *Worker) Run(ctx context.Context, school string, in Import) error {
	work, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	counts, err := w.commit(work, school, in, stop)
	switch {
	case err != nil && context.Cause(work) == errOvertaken: //nolint:errorlint // it is our own, as it is
		return nil
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	}
	mine, leave := in.Run, in.Leave
	end := func(in *Import) bool {
		if in.Run != mine || in.State != Runs {
			return false // begun anew, or done by the other of two whom the queue handed it to
		}
		in.Leave = nil
		in.State, in.Counts, in.Touched = map[bool]State{false: Done, true: Undone}[in.Undoing], counts, w.Now().UTC()
		if err != nil {
			in.State, in.Trouble, in.Leave = Failed, trouble(err), leave
		}
		return true
	}
	if err != nil {
		w.log.Warn("import failed", "import", in.ID, "school", school, "err", Withhold(err))
	}
	is, err := w.Change(ctx, school, in.ID, end)
	if err != nil {
		w.log.Warn("import's end not recorded", "import", in.ID, "school", school, "err", err)
		return err
	}
	if is.Turn && (is.State == Done || is.State == Undone) {
		if err := w.drop(ctx, is); err != nil {
			w.log.Warn("list of a turn not deleted, it expires", "import", in.ID, "school", school, "err", err)
		}
	}
	return nil
}

// trouble says why an import failed.
func trouble(err error) lang.Text {
	if errors.Is(err, table.ErrBusy) {
		return lang.T("ただいま混み合っています。少し待ってから、続けてください。", "The service is busy. Wait a moment, then go on.")
	}
	return problem.Of(err)[0].Text
}

// commit does an import, and calls stop when it finds that it was begun anew. No
// request is there to catch a panic of it, so it does.
func (w *Worker) commit(ctx context.Context, school string, in Import, stop context.CancelCauseFunc) (counts Counts, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("imports: panic: %v", fault)
		}
	}()
	if in.Undoing {
		return w.undo(ctx, school, in)
	}
	_, plan, err := w.Plan(ctx, school, in)
	if err != nil {
		return in.Counts, err
	}
	counts, err = w.counts(ctx, school, in, plan)
	if err != nil {
		if errors.Is(err, errOvertaken) {
			stop(err)
		}
		return counts, err
	}
	g := gauge{every: progressEvery, now: w.Now, save: func(done, total int) {
		if w.report(ctx, school, in, done, total) {
			stop(errOvertaken)
		}
	}}
	err = Commit(ctx, plan, w.hosts, w.log, g.set)
	counts.Errors = plan.ErrorRows() // with those that others have made faulty meanwhile
	return counts, err
}

// counts returns what an import does, all its runs together: what the first plan says. It is
// kept before anything is written, because to a later plan that is no change. It fails
// with errOvertaken if the import was begun anew.
func (w *Worker) counts(ctx context.Context, school string, mine Import, plan *roster.Plan) (Counts, error) {
	counts, overtaken := count(plan, mine.Turn), false
	_, err := w.Change(ctx, school, mine.ID, func(in *Import) bool {
		overtaken = in.Run != mine.Run || in.State != Runs
		if overtaken || in.Counts != (Counts{}) {
			counts = in.Counts
			return false
		}
		in.Counts = counts
		return true
	})
	if err == nil && overtaken {
		err = errOvertaken
	}
	return counts, err
}

// count says what a plan does.
func count(plan *roster.Plan, turn bool) Counts {
	if t := plan.Turning; turn {
		return Counts{Added: t.New, Changed: t.Moved, Unchanged: t.Stay, Left: len(t.Leavers), Errors: plan.ErrorRows()}
	}
	c := plan.Children
	return Counts{Added: c.Added, Changed: c.Changed, Unchanged: c.Unchanged, Errors: plan.ErrorRows()}
}

// undo undoes a turn. If it is cut off, what it has put back until then is counted: the
// journal knows no more of that.
func (w *Worker) undo(ctx context.Context, school string, in Import) (Counts, error) {
	counts := in.Counts
	u, err := w.roster.UndoTurn(ctx, school, in.ID)
	counts.Back, counts.Kept = counts.Back+u.Back, u.Kept
	if ctx.Err() == nil {
		return counts, err
	}
	_, kept := w.Change(context.WithoutCancel(ctx), school, in.ID, func(now *Import) bool {
		now.Counts, now.Touched = counts, w.Now().UTC()
		return now.Run == in.Run && now.State == Runs
	})
	return counts, errors.Join(err, kept)
}

// report says how far an import is, and returns whether it was begun anew. That it
// could not say so is not worth stopping for.
func (w *Worker) report(ctx context.Context, school string, mine Import, done, total int) (overtaken bool) {
	_, err := w.Change(ctx, school, mine.ID, func(in *Import) bool {
		overtaken = in.Run != mine.Run
		in.Done, in.Total, in.Touched = max(in.Done, done), total, w.Now().UTC()
		return in.State == Runs && !overtaken
	})
	if err != nil {
		w.log.Warn("import's progress not recorded", "import", mine.ID, "school", school, "err", err)
	}
	return overtaken
}

// gauge passes on how far a piece of work is, at most once in a while. It is safe
// for concurrent use.
type gauge struct {
	every time.Duration
	now   func() time.Time
	save  func(done, total int)

	mu   sync.Mutex
	last time.Time
}

func (g *gauge) set(done, total int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.now(); now.Sub(g.last) >= g.every {
		g.last = now
		g.save(done, total)
	}
}
