package fanout

import (
	"context"
	"slices"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audience"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
)

// remind queues a wave of a round of reminders to those who may still answer for a
// child that nobody has answered for.
func (h *Handler) remind(ctx context.Context, a alert.Alert, p alert.Progress, r alert.Round) error {
	r.Now = h.Now().UTC()
	if !a.Useful(r.Now) {
		p.Done = true
		return h.Alerts.SaveProgress(ctx, a, &p)
	}
	heard, err := h.Alerts.Listened(ctx, a.ID)
	if err != nil {
		return err
	}
	r.Silent = heard.Silent
	nothing := func(context.Context, string) error { return nil }
	err = h.sweep(ctx, a, &p, nothing, func(ctx context.Context, made []alert.Made) error {
		return h.remindSome(ctx, a, &p, r, made)
	})
	if err != nil {
		return err
	}
	p.Done = true
	return h.Alerts.SaveProgress(ctx, a, &p)
}

// remindSome reminds some families, and counts in p the copies that are new. What was
// queued and is queued again after an interruption leaves once: dispatch sends no copy that
// has left.
func (h *Handler) remindSome(ctx context.Context, a alert.Alert, p *alert.Progress, r alert.Round, made []alert.Made) error {
	rounds, err := h.sinceThen(ctx, a, r, made)
	if err != nil {
		return err
	}
	var changes []alert.Change
	msgs, added := make([][]queue.Message, len(made)), make([][]alert.Copy, len(made))
	for i, m := range made {
		changes = append(changes, alert.Change{Ref: m.Ref(a.ID), Apply: func(f *alert.Family) bool {
			before := len(f.Copies)
			changed := f.AddRound(rounds[i])
			added[i] = f.Copies[before:]
			msgs[i] = messages(a, []alert.Made{{Class: m.Class, Family: *f}})
			return changed
		}})
	}
	if err := h.Alerts.Update(ctx, changes...); err != nil {
		return err
	}
	for _, c := range slices.Concat(added...) {
		p.Add(c.Lane)
	}
	for _, m := range msgs {
		if err := h.Copies.Send(ctx, m...); err != nil {
			return err
		}
	}
	return nil
}

// sinceThen returns what the wave is for each family: with the contacts that it has
// got since the alert was sent, and without those that want no more.
func (h *Handler) sinceThen(ctx context.Context, a alert.Alert, r alert.Round, made []alert.Made) ([]alert.Round, error) {
	var ids []string
	rounds, place := make([]alert.Round, len(made)), map[string]int{}
	for i, m := range made {
		rounds[i] = r
		if awaited(&m.Family) {
			place[m.Family.ID] = i
			ids = append(ids, m.Family.ID)
		}
	}
	// One that is part of another by now is not among them: the alert's own record counts.
	families, err := h.Roster.FamiliesOf(ctx, a.School, ids)
	for _, now := range families {
		i := place[now.ID]
		rounds[i].Added, rounds[i].Gone = h.compare(a, &made[i].Family, now)
	}
	return rounds, err
}

// awaited reports whether nobody has answered for one of a family's children.
func awaited(f *alert.Family) bool {
	return slices.ContainsFunc(f.Children, func(c alert.Child) bool { return c.Answer == nil })
}

// compare returns the contacts that a family's guardians have now and had not when the
// alert was sent, and those of then that are not to be written to now.
func (h *Handler) compare(a alert.Alert, then *alert.Family, now roster.Family) (added []alert.Copy, gone map[string]bool) {
	answers := map[string]bool{}
	for _, c := range now.Children {
		if slices.ContainsFunc(then.Children, func(t alert.Child) bool { return t.ID == c.ID }) {
			for _, g := range c.Guardians {
				answers[g] = true
			}
		}
	}
	var current alert.Family
	for _, g := range now.Listening(a.Kind == alert.Notice, h.Now()).Guardians {
		i := slices.IndexFunc(then.Guardians, func(t alert.Guardian) bool { return t.ID == g.ID })
		if i >= 0 && answers[g.ID] {
			audience.AddCopies(&current, g, i, h.Lanes)
		}
	}
	gone = map[string]bool{}
	for _, c := range then.Copies {
		gone[c.Contact] = true
	}
	for _, c := range current.Copies {
		if !gone[c.Contact] {
			added = append(added, c)
		}
		gone[c.Contact] = false
	}
	return added, gone
}
