package fanout

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audience"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
	"golang.org/x/sync/errgroup"
)

const (
	// stepOps bounds the ops that one step of families may need, less than
	// table.MaxOps by the progress, the check of the alert and their counters.
	stepOps = 70
	// queueSome is how many copies a walk gathers before it queues them. With so many the
	// messages of ten are nine tenths full, and a step's alone are a third.
	queueSome = 150
)

// fanOut makes the families' records of an alert and queues their copies.
func (h *Handler) fanOut(ctx context.Context, a alert.Alert, p alert.Progress) error {
	if a.Ending == alert.Undone {
		p.Done = true
		return h.Alerts.SaveProgress(ctx, a, &p)
	}
	if err := h.Alerts.Supersede(ctx, a); err != nil {
		return err
	}
	plan, err := h.Alerts.Plan(ctx, a.ID, func() (alert.Plan, error) { return h.plan(ctx, a) })
	if err != nil {
		return err
	}
	set := audience.NewSet(plan.Groups)
	whole := make([]bool, min(plan.Strands, len(plan.Groups)))
	ls := &lines{byLane: map[string]*line{}}
	g, gctx := errgroup.WithContext(ctx)
	for i := range whole {
		g.Go(func() (err error) {
			whole[i], err = h.strand(gctx, a, plan, set, ls, i)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := h.held(ctx, a, ls, !slices.Contains(whole, false)); err != nil {
		return err
	}
	p, err = h.Alerts.Progress(ctx, a.ID, alert.FanOut)
	if err != nil {
		return err
	}
	if err := h.done(ctx, a, p); err != nil {
		return err
	}
	h.Log.Info("fan-out done", "alert", a.ID, "families", p.Families, "children", p.Children)
	return nil
}

// strand walks over its share of the groups. It reports whether it began with the first
// family, so that all that is held back is in the lines.
func (h *Handler) strand(ctx context.Context, a alert.Alert, plan alert.Plan, set audience.Set, ls *lines, i int) (whole bool, err error) {
	p, err := h.Alerts.Progress(ctx, a.ID, alert.Strand(i))
	if err != nil || p.Done {
		return false, err
	}
	fresh := p.Revision == 0
	if fresh {
		p.Made.Group, p.Queued.Group = i, i
	}
	w := newWalk(h, a, p, plan, set, ls, i)
	if err := w.requeue(ctx); err != nil {
		return false, err
	}
	for w.progress.Made.Group < len(plan.Groups) {
		if err := w.group(ctx); err != nil {
			return false, err
		}
	}
	if err := w.queue(ctx); err != nil {
		return false, err
	}
	return fresh, h.done(ctx, w.alert, w.progress)
}

func (h *Handler) plan(ctx context.Context, a alert.Alert) (alert.Plan, error) {
	groups, err := h.groups(ctx, a)
	return alert.Plan{Groups: groups, Strands: max(h.Strands, 1)}, err
}

// groups returns the groups to walk over; one that has vanished since the alert
// was accepted has no members to be told.
func (h *Handler) groups(ctx context.Context, a alert.Alert) ([]string, error) {
	groups, err := audience.Groups(ctx, h.Roster, a.School, a.Groups, a.All)
	if err != nil && !problem.Is(err, problem.Invalid) {
		return nil, err
	}
	ids := make([]string, len(groups))
	for i, g := range groups {
		ids[i] = g.ID
	}
	return ids, nil
}

// walk is a strand of a fan-out under way.
type walk struct {
	*Handler
	alert    alert.Alert
	progress alert.Progress
	plan     alert.Plan
	set      audience.Set
	turns    map[string]int // of the slots, by lane
	first    int            // the turn that lanes begin with, another in each strand
	slots    map[place]int  // which has its turn
	dealt    map[place]int  // copies
	tiers    map[string]tier
	lines    *lines       // of all strands
	begun    bool         // some step's copies are queued
	out      []waiting    // to be queued
	queued   alert.Cursor // up to where copies are
}

// place is a tier of a lane.
type place struct {
	lane string
	tier tier
}

func newWalk(h *Handler, a alert.Alert, p alert.Progress, plan alert.Plan, set audience.Set, ls *lines, i int) *walk {
	return &walk{
		Handler: h, alert: a, progress: p, plan: plan, set: set, turns: map[string]int{}, first: i,
		slots: map[place]int{}, dealt: map[place]int{}, tiers: map[string]tier{}, lines: ls, queued: p.Made,
	}
}

// group walks over the members of the group where the walk is.
func (w *walk) group(ctx context.Context) error {
	at := w.progress.Made
	for {
		members, next, err := w.Roster.Members(ctx, w.alert.School, w.plan.Groups[at.Group], at.After)
		if err != nil {
			return err
		}
		for len(members) > 0 {
			n, err := w.step(ctx, at.Group, members)
			if err != nil {
				return err
			}
			members = members[n:]
		}
		if next == "" {
			w.progress.Made = alert.Cursor{Group: at.Group + w.plan.Strands}
			return nil
		}
		at.After = next
	}
}

// step makes as many of the members' families as one write holds, and returns how many
// that was. Their copies are queued with those of the next steps, so that messages become
// full, but the first at once.
func (w *walk) step(ctx context.Context, group int, members []roster.Member) (int, error) {
	members = members[:fit(members)]
	families, err := w.families(ctx, members)
	if err != nil {
		return 0, err
	}
	if err := w.unanswered(ctx, families); err != nil {
		return 0, err
	}
	w.know(families)
	made, err := w.build(ctx, group, families)
	if err != nil {
		return 0, err
	}
	w.progress.Queued = w.queued
	w.progress.Made = alert.Cursor{Group: group, After: members[len(members)-1].Family}
	made, err = w.save(ctx, made)
	if err != nil {
		return 0, err
	}
	w.out = append(w.out, w.next(queued(w.alert, made))...)
	if w.begun && len(w.out) < queueSome {
		return len(members), nil
	}
	return len(members), w.queue(ctx)
}

// queue queues the copies of the steps since it was last called.
func (w *walk) queue(ctx context.Context) error {
	if err := w.Copies.Send(ctx, bundles(w.out)...); err != nil {
		return err
	}
	w.begun, w.out, w.queued = true, w.out[:0], w.progress.Made
	return nil
}

// fit returns how many members' families certainly fit into one write.
func fit(members []roster.Member) int {
	ops := 0
	for i, m := range members {
		ops += 2 + len(m.Children) // its record; counters; pointers and counters of further classes
		if ops > stepOps && i > 0 {
			return i
		}
	}
	return len(members)
}

func (w *walk) families(ctx context.Context, members []roster.Member) ([]roster.Family, error) {
	ids := make([]string, len(members))
	for i := range members {
		ids[i] = members[i].Family
	}
	return w.Roster.FamiliesOf(ctx, w.alert.School, ids) // without those deleted meanwhile
}

// build makes the records of those families that are this group's to make: of a
// family in several groups that is the first. One that should have been made
// with an earlier group, but was not there yet when the walk passed, or where
// another strand has still to pass, is made now.
func (w *walk) build(ctx context.Context, group int, families []roster.Family) ([]alert.Made, error) {
	var made []alert.Made
	var unsure []alert.Ref
	now := w.Now().UTC()
	for _, f := range families {
		m, at, ok := audience.Build(f.Listening(w.alert.Kind == alert.Notice, w.Now()), w.set, w.Lanes)
		if !ok || at > group {
			continue
		}
		if at < group || w.plan.Strands > 1 && w.set.Spans(f) {
			unsure = append(unsure, m.Ref(w.alert.ID))
		}
		begin(&m, w.alert.Useful(now), now)
		made = append(made, m)
	}
	known, err := w.Alerts.Known(ctx, unsure...)
	if err != nil {
		return nil, err
	}
	made = slices.DeleteFunc(made, func(m alert.Made) bool { return known[m.Ref(w.alert.ID)] })
	w.deal(made)
	return made, nil
}

// deal gives the copies of a step their slots: in each lane a slot gets as many
// neighbours as one message holds, then the next slot has its turn. So all slots of
// a lane have about as much to do, and what is sent together lies together in the
// table: one family's record after the other, most of them in the same page of the
// file. Contacts never heard of have places of their own, which wait for the others of
// their lane.
func (w *walk) deal(made []alert.Made) {
	for i := range made {
		copies := made[i].Family.Copies
		for k := range copies {
			at := place{copies[k].Lane, w.tiers[copies[k].Contact]}
			if w.dealt[at]%alert.MaxBundle == 0 {
				w.slots[at] = w.turn(at.lane)
			}
			w.dealt[at]++
			copies[k].Slot = w.slots[at]
			if at.tier == never {
				copies[k].Slot += lane.MaxSlots
			}
		}
	}
}

// turn returns the slot of a lane whose turn it is.
func (w *walk) turn(lane string) int {
	if _, begun := w.turns[lane]; !begun {
		w.turns[lane] = w.first
	}
	w.turns[lane]++
	return w.turns[lane] % w.Lanes.Named(lane).Slots
}

// begin sets the copies' first state: what is made after the alert ceased to be
// useful is counted, but never leaves.
func begin(m *alert.Made, useful bool, now time.Time) {
	for i := range m.Family.Copies {
		c := &m.Family.Copies[i]
		c.At = now
		if !useful {
			c.State = alert.Cancelled
		}
	}
}

// save writes the records with the progress, and returns those that it made.
func (w *walk) save(ctx context.Context, made []alert.Made) ([]alert.Made, error) {
	before := w.progress
	for {
		w.progress = before
		w.progress.Copies = maps.Clone(before.Copies)
		w.count(made)
		err := w.Alerts.SaveProgress(ctx, w.alert, &w.progress, alert.CreateOps(w.alert.ID, made)...)
		ops, conflict := table.Conflict(err)
		switch {
		case !conflict:
			return made, err
		case ops[0] == 0:
			return nil, errElsewhere
		}
		made, err = w.reconsider(ctx, made)
		if err != nil {
			return nil, err
		}
	}
}

// errElsewhere says that another worker does the same job.
var errElsewhere = errors.New("fanout: another worker goes on with this job")

// reconsider reads anew what a write conflicted with: the alert may have ended,
// and families may have been made already.
func (w *walk) reconsider(ctx context.Context, made []alert.Made) ([]alert.Made, error) {
	a, err := w.Alerts.Alert(ctx, w.alert.ID)
	if err != nil {
		return nil, err
	}
	w.alert = a
	refs := make([]alert.Ref, len(made))
	for i, m := range made {
		refs[i] = m.Ref(a.ID)
	}
	known, err := w.Alerts.Known(ctx, refs...)
	if err != nil {
		return nil, err
	}
	now := w.Now().UTC()
	var missing []alert.Made
	for _, m := range made {
		if !known[m.Ref(a.ID)] {
			begin(&m, a.Useful(now), now)
			missing = append(missing, m)
		}
	}
	return missing, nil
}

func (w *walk) count(made []alert.Made) {
	p := &w.progress
	for _, m := range made {
		p.Families++
		p.Children += int64(len(m.Family.Children))
		for _, c := range m.Family.Copies {
			p.Add(c.Lane)
		}
	}
}

// requeue queues again what was made before an interruption and perhaps not queued.
func (w *walk) requeue(ctx context.Context) error {
	made, queued := w.progress.Made, w.progress.Queued
	if made == queued || made.After == "" {
		return nil
	}
	for group := queued.Group; group <= made.Group; group += w.plan.Strands {
		after, last := "", ""
		if group == queued.Group {
			after = queued.After
		}
		if group == made.Group {
			last = made.After
		}
		if err := w.requeueGroup(ctx, w.plan.Groups[group], after, last); err != nil {
			return err
		}
	}
	return nil
}

// requeueGroup queues again what was made of a group after a family, and up to the last
// unless that is "".
func (w *walk) requeueGroup(ctx context.Context, group, after, last string) error {
	for {
		members, next, err := w.Roster.Members(ctx, w.alert.School, group, after)
		if err != nil {
			return err
		}
		for i, m := range members {
			if last != "" && m.Family > last {
				members, next = members[:i], ""
				break
			}
		}
		if err := w.requeueMembers(ctx, members); err != nil {
			return err
		}
		if next == "" {
			return nil
		}
		after = next
	}
}

func (w *walk) requeueMembers(ctx context.Context, members []roster.Member) error {
	families, err := w.families(ctx, members)
	if err != nil {
		return err
	}
	var existing []alert.Made
	for _, f := range families {
		m, _, ok := audience.Build(f.Listening(w.alert.Kind == alert.Notice, w.Now()), w.set, w.Lanes)
		if !ok {
			continue
		}
		m.Family, err = w.Alerts.Family(ctx, m.Ref(w.alert.ID))
		if errors.Is(err, alert.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		existing = append(existing, m)
	}
	return w.Copies.Send(ctx, messages(w.alert, existing)...)
}

// done saves that a fan-out, or a strand of it, is done.
func (h *Handler) done(ctx context.Context, a alert.Alert, p alert.Progress) error {
	p.Done, p.Queued = true, p.Made
	err := h.Alerts.SaveProgress(ctx, a, &p)
	ops, conflict := table.Conflict(err)
	if !conflict || ops[0] == 0 {
		return err
	}
	a, err = h.Alerts.Alert(ctx, a.ID) // it changed meanwhile, which makes no difference here
	if err != nil {
		return err
	}
	return h.Alerts.SaveProgress(ctx, a, &p)
}
