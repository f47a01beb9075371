package roster

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
	"golang.org/x/sync/errgroup"
)

const (
	writers     = 32 // families written at once, so that a store can put many writes into one sync of the disk
	commitTries = 8  // how often families are planned anew that somebody else wrote meanwhile
)

// Commit writes the plan's good rows, one write a family. It can be stopped at any
// time and begun again, with the same plan or with a new one of the same file:
// what is written already is then found unchanged. A family that somebody else
// changed since the plan was made is planned anew.
//
// progress, if not nil, is told how many of the good rows are done, never two
// calls at once.
func (p *Plan) Commit(ctx context.Context, progress func(done, total int)) error {
	if err := p.store.addGroups(ctx, p.School, p.groups); err != nil {
		return err
	}
	if p.turn != nil {
		if err := p.beginTurn(ctx); err != nil {
			return err
		}
	}
	c := &commit{plan: p, progress: progress}
	c.total = rowsOf(p.steps)
	steps := p.steps
	for range commitTries {
		if err := c.write(ctx, steps); err != nil {
			return err
		}
		if len(c.again) == 0 {
			return nil
		}
		again, err := p.replan(ctx, c.again)
		if err != nil {
			return err
		}
		c.advance(rowsOf(c.again) - rowsOf(again)) // those that cannot be written any more
		steps, c.again = again, nil
	}
	return problem.New(problem.Busy, "ほかの人が名簿を変えているため、一部の行を書き込めませんでした。少し待って、もう一度取り込んでください。",
		"Some rows could not be written because others are changing the roster. Please wait a little and import the file again.")
}

// commit is one run of Plan.Commit.
type commit struct {
	plan     *Plan
	progress func(done, total int)
	total    int

	mu    sync.Mutex // guards what follows
	done  int
	again []step // to be planned anew
}

func (c *commit) write(ctx context.Context, steps []step) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(writers)
	for _, s := range steps {
		if gctx.Err() != nil {
			break
		}
		if !s.changed {
			c.advance(s.rows())
			continue
		}
		g.Go(func() error { return c.writeOne(gctx, s) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

func (c *commit) writeOne(ctx context.Context, s step) error {
	var err error
	if c.plan.turn != nil {
		err = c.plan.turnStep(ctx, s)
	} else {
		_, err = c.plan.store.replace(ctx, c.plan.School, s.old, s.next)
	}
	_, conflict := table.Conflict(err)
	switch {
	case conflict, errors.Is(err, table.ErrBusy), problem.Is(err, problem.Conflict):
		c.mu.Lock()
		c.again = append(c.again, s)
		c.mu.Unlock()
		return nil
	case err != nil:
		return err
	}
	c.advance(s.rows())
	return nil
}

// replan plans families anew from what the roster holds now. What turns out not to
// be writable is added to p.Errors.
func (p *Plan) replan(ctx context.Context, steps []step) ([]step, error) {
	if p.turn != nil { // whose children are recognised only as a whole
		again, err := newPlan(ctx, p.store, p.School, p.Sheet, p.mapping, &p.turn.Turn)
		if err != nil {
			return nil, err
		}
		p.Errors = byRow(append(p.Errors, again.Errors...))
		return slices.DeleteFunc(again.steps, func(s step) bool { return !s.changed }), nil
	}
	k, err := p.store.known(ctx, p.School)
	if err != nil {
		return nil, err
	}
	var pupils []*pupil
	for _, s := range steps {
		for _, pupil := range s.pupils {
			pupil.at = nil
			pupils = append(pupils, pupil)
		}
	}
	rr := &rowReader{named: p.named}
	pupils = k.locate(pupils, rr)
	fresh := p.resolve(k, pupils, rr)
	p.Errors = byRow(append(p.Errors, rr.errors...))
	return fresh, nil
}

func rowsOf(steps []step) int {
	n := 0
	for _, s := range steps {
		n += s.rows()
	}
	return n
}

func (c *commit) advance(rows int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done += rows
	if c.progress != nil {
		c.progress(c.done, c.total)
	}
}
