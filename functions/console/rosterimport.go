package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/mailhost"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
)

// progressEvery bounds how often an import that runs says how far it is.
const progressEvery = time.Second

// importer does imports: it is apart from the pages because on AWS another function
// does them (see Importer).
type importer struct {
	imports imports
	roster  *roster.Store
	now     func() time.Time
	hosts   *mailhost.Store // nil: DNS is asked for nothing
	log     *slog.Logger
}

func newImporter(r *roster.Store, hosts *mailhost.Store, now func() time.Time, log *slog.Logger) importer {
	return importer{imports: imports{table: r.Table, ids: r.IDs, now: now}, roster: r, now: now, hosts: hosts, log: log}
}

// rosterPages are the pages of the roster.
type rosterPages struct {
	*Server
	importer
}

// plan returns what an import would do, as the roster is now. It fails with a
// *problem.Error if the file cannot be imported; the sheet is there all the same
// if it could be read.
func (m *importer) plan(ctx context.Context, school string, in imported) (*roster.Sheet, *roster.Plan, error) {
	file, err := m.imports.file(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	sheet, err := roster.ReadSheet(bytes.NewReader(file), 0)
	if err != nil {
		return nil, nil, err
	}
	if in.Turn {
		plan, err := roster.NewTurn(ctx, m.roster, school, sheet, in.Mapping, in.turn())
		return sheet, plan, err
	}
	plan, err := roster.NewPlan(ctx, m.roster, school, sheet, in.Mapping)
	return sheet, plan, err
}

// withheld is an error that may quote a sheet: a file without headers has names
// and addresses in their place. The person is told, the log is not.
type withheld struct{ err error }

func (e withheld) Error() string {
	return "console: sheet refused: " + string(problem.Of(e.err)[0].Kind)
}

func (e withheld) Unwrap() error { return e.err }

// withhold keeps the words of a problem with a sheet out of the log. Faults of the
// store, which quote nothing, stay as they are.
func withhold(err error) error {
	var e *problem.Error
	if errors.As(err, &e) {
		return withheld{err}
	}
	return err
}

// begin has an import done, unless somebody is at it: a double click begins it
// once. One that was cut off or failed begins anew, and goes on where it was,
// because what is written already is then no change.
func (p *rosterPages) begin(ctx context.Context, me staff.Staff, importID string) error {
	begun := false
	in, err := p.imports.change(ctx, me.School, importID, func(in *imported) bool {
		begun = in.State == importWaits || in.State == importFailed || in.stalled(p.Now())
		in.State, in.Touched, in.Done, in.Total = importRuns, p.Now().UTC(), 0, 0
		in.Run++
		return begun
	})
	if err != nil || !begun {
		return err
	}
	if in.Mapping != nil {
		if err := p.Roster.SaveMapping(ctx, me.School, in.Mapping); err != nil {
			return err
		}
	}
	p.Log.Info("import begun", "import", in.ID, "school", me.School, "staff", me.ID)
	if p.QueueImports {
		return p.Jobs.Send(ctx, importMessage(me.School, in))
	}
	p.background(ctx, func(ctx context.Context) { _ = p.run(ctx, me.School, in) }) // one that was cut off stalls
	return nil
}

// background does work apart from the request that asked for it.
func (s *Server) background(ctx context.Context, work func(context.Context)) {
	if s.Background != nil {
		s.Background(work)
		return
	}
	go work(context.WithoutCancel(ctx))
}

// errOvertaken says that somebody began the import anew: two at once could make a
// child twice whom nothing but its name tells apart.
var errOvertaken = errors.New("console: the import was begun anew")

// run does an import and records how it ended. If ctx ends before, so does run,
// with its error; nothing is recorded, and the import can be taken up again. If it
// is begun anew meanwhile, run leaves it to that one and returns nil.
func (m *importer) run(ctx context.Context, school string, in imported) error {
	work, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	counts, err := m.commit(work, school, in, stop)
	switch {
	case err != nil && context.Cause(work) == errOvertaken: //nolint:errorlint // it is our own, as it is
		return nil
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	}
	mine, leave := in.Run, in.Leave
	end := func(in *imported) bool {
		in.Leave = nil
		in.State, in.Counts, in.Touched = map[bool]importState{false: importDone, true: importUndone}[in.Undoing], counts, m.now().UTC()
		if err != nil {
			in.State, in.Trouble, in.Leave = importFailed, trouble(err), leave
		}
		return in.Run == mine
	}
	if err != nil {
		m.log.Warn("import failed", "import", in.ID, "school", school, "err", withhold(err))
	}
	if _, err := m.imports.change(ctx, school, in.ID, end); err != nil {
		m.log.Warn("import's end not recorded", "import", in.ID, "school", school, "err", err)
	}
	return nil
}

// trouble says why an import failed.
func trouble(err error) lang.Text {
	if errors.Is(err, table.ErrBusy) {
		return lang.T("ただいま混み合っています。少し待ってから、続けてください。", "The service is busy. Wait a moment, then go on.")
	}
	return problem.Of(explain(err))[0].Text
}

// commit does an import, and calls stop when it finds that it was begun anew. No
// request is there to catch a panic of it, so it does.
func (m *importer) commit(ctx context.Context, school string, in imported, stop context.CancelCauseFunc) (counts importCounts, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("console: import: panic: %v", fault)
		}
	}()
	if in.Undoing {
		return m.undo(ctx, school, in)
	}
	_, plan, err := m.plan(ctx, school, in)
	if err != nil {
		return counts, err
	}
	counts = importCounts{
		Added: plan.Children.Added, Changed: plan.Children.Changed, Unchanged: plan.Children.Unchanged,
		Errors: len(errorRows(plan)),
	}
	if in.Turn {
		counts = turnCounts(plan)
	}
	g := gauge{every: progressEvery, now: m.now, save: func(done, total int) {
		if m.report(ctx, school, in, done, total) {
			stop(errOvertaken)
		}
	}}
	return counts, commitPlan(ctx, plan, m.hosts, m.log, g.set)
}

// report says how far an import is, and returns whether it was begun anew. That it
// could not say so is not worth stopping for.
func (m *importer) report(ctx context.Context, school string, mine imported, done, total int) (overtaken bool) {
	_, err := m.imports.change(ctx, school, mine.ID, func(in *imported) bool {
		overtaken = in.Run != mine.Run
		in.Done, in.Total, in.Touched = max(in.Done, done), total, m.now().UTC()
		return in.State == importRuns && !overtaken
	})
	if err != nil {
		m.log.Warn("import's progress not recorded", "import", mine.ID, "school", school, "err", err)
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

// errorRows returns the numbers of the rows that are not imported.
func errorRows(plan *roster.Plan) map[int]bool {
	rows := map[int]bool{}
	for _, e := range plan.Errors {
		rows[e.Row] = true
	}
	return rows
}

// sheetOf reads a file that was sent, of at most limit bytes.
func sheetOf(r io.Reader, limit int64) ([]byte, error) {
	file, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	_, err = roster.ReadSheet(bytes.NewReader(file), limit)
	return file, err
}
