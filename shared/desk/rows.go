package desk

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/each"
)

// Need says why a family is to be phoned, the most pressing first.
type Need int

// The needs.
const (
	NeedsHelp   Need = iota // somebody answered that help is needed, and nobody has phoned
	CallNow                 // the time has come at which the family asked to be called
	NoMail                  // no mail can have reached the family
	NotTold                 // its mail was given up before it left, or waits in a lane that is held
	MailSuspect             // its operator takes mail that nobody answers
	NotHeard                // nothing is known
	MailArrived             // a mail arrived, and nobody answered
	CallLater               // a time was agreed that has not come
)

// Row is a family on the desk.
type Row struct {
	Ref alert.Ref
	alert.Family
	Record
	Need Need
}

// ToCall reports whether a family is to be phoned: nobody has answered for a child,
// or a guardian has said that help is needed and no member of staff has asked since.
func ToCall(f *alert.Family) bool {
	for _, c := range f.Children {
		if c.Answer == nil || needsHelp(c) {
			return true
		}
	}
	return false
}

func needsHelp(c alert.Child) bool {
	return c.Answer != nil && c.Answer.Help && c.Answer.Way != alert.ByPhone && c.Answer.Way != alert.ByStaff
}

const (
	familiesPerRead = 200
	readers         = 8
)

// Lanes names the lanes whose mail does not tell the families.
type Lanes struct {
	Suspect map[string]bool // it is probably not arriving
	Held    map[string]bool // it does not leave
}

// Rows reads the families to be phoned that have a child in one of the classes, each
// once, by need.
func (d Desk) Rows(ctx context.Context, alertID string, classes []string, bad Lanes) ([]Row, error) {
	found, err := each.Map(ctx, readers, classes, func(ctx context.Context, class string) ([]alert.Made, error) {
		return d.families(ctx, alertID, class)
	})
	if err != nil {
		return nil, err
	}
	rows := map[string]*Row{}
	kept := map[string]bool{} // classes in which the families are kept
	for _, made := range found {
		for _, m := range made {
			if ToCall(&m.Family) {
				rows[m.Family.ID] = &Row{Ref: m.Ref(alertID), Family: m.Family}
				kept[m.Class] = true
			}
		}
	}
	for class := range kept {
		if err := d.records(ctx, alertID, class, rows); err != nil {
			return nil, err
		}
	}
	list := make([]Row, 0, len(rows))
	for _, r := range rows {
		r.Need = r.need(d.Alerts.Now(), bad)
		list = append(list, *r)
	}
	slices.SortFunc(list, before)
	return list, nil
}

func (d Desk) families(ctx context.Context, alertID, class string) (all []alert.Made, err error) {
	for after := ""; ; {
		made, next, err := d.Alerts.Families(ctx, alertID, class, after, familiesPerRead, true)
		if err != nil {
			return nil, err
		}
		all = append(all, made...)
		if next == "" {
			return all, nil
		}
		after = next
	}
}

// records adds what the desk knows of the families of a class.
func (d Desk) records(ctx context.Context, alertID, class string, rows map[string]*Row) error {
	known, err := d.Records(ctx, alertID, class)
	for family, record := range known {
		if r := rows[family]; r != nil {
			r.Record = record
		}
	}
	return err
}

func (r *Row) need(now time.Time, bad Lanes) Need {
	for _, c := range r.Children {
		if needsHelp(c) {
			return NeedsHelp
		}
	}
	if at := r.CallAt(); !at.IsZero() {
		if now.Before(at) {
			return CallLater
		}
		return CallNow
	}
	need := MailArrived
	for i, c := range r.Children {
		if c.Answer != nil {
			continue
		}
		switch r.State(i) {
		case alert.NoRoute, alert.RouteRefused:
			return NoMail
		case alert.Untold:
			need = min(need, NotTold)
		case alert.Silent:
			need = min(need, NotHeard)
		}
	}
	if need == NotHeard && r.stuck(bad.Held) {
		return NotTold
	}
	for _, c := range r.Copies {
		if bad.Suspect[c.Lane] {
			return min(need, MailSuspect)
		}
	}
	return need
}

// stuck reports whether nothing has left for the family, and what waits is in lanes that
// are held.
func (r *Row) stuck(held map[string]bool) bool {
	for _, c := range r.Copies {
		switch c.State {
		case alert.Sent, alert.Delivered:
			return false
		case alert.Queued, alert.Sending, alert.Delayed:
			if !held[c.Lane] {
				return false
			}
		}
	}
	return true
}

// before orders rows: by need, then those who were phoned least often, then as a
// school reads them.
func before(a, b Row) int {
	return cmp.Or(
		cmp.Compare(a.Need, b.Need),
		cmp.Compare(len(a.Calls), len(b.Calls)),
		cmp.Compare(a.Ref.Class, b.Ref.Class),
		cmp.Compare(a.Children[0].Seat, b.Children[0].Seat),
		cmp.Compare(a.ID, b.ID),
	)
}

// Number is a telephone number of a family, and what became of calls to it.
type Number struct {
	Phone    string
	Guardian alert.Guardian
	Calls    int
	Wrong    bool
}

// Numbers returns the family's numbers, each once, in the order in which to try
// them: those that were tried least first, wrong ones last.
func (r *Row) Numbers() []Number {
	var all []Number
	seen := map[string]bool{}
	for _, g := range r.Guardians {
		for _, phone := range g.Phones {
			if seen[phone] {
				continue
			}
			seen[phone] = true
			n := Number{Phone: phone, Guardian: g}
			for _, c := range r.Calls {
				if c.Phone == phone {
					n.Calls++
					n.Wrong = n.Wrong || c.Outcome == WrongNumber
				}
			}
			all = append(all, n)
		}
	}
	slices.SortStableFunc(all, func(a, b Number) int {
		switch {
		case a.Wrong == b.Wrong:
			return cmp.Compare(a.Calls, b.Calls)
		case a.Wrong:
			return 1
		}
		return -1
	})
	return all
}

// Next claims the first of the rows that nobody has and that is not to be called
// later. It returns false if there is none.
func (d Desk) Next(ctx context.Context, rows []Row, who Person) (Row, bool, error) {
	now := d.Alerts.Now()
	for _, r := range rows {
		if r.Held(now) || r.Need == CallLater {
			continue
		}
		record, err := d.Claim(ctx, r.Ref, who)
		if isConflict(err) {
			continue
		}
		if err != nil {
			return Row{}, false, err
		}
		r.Record = record
		return r, true, nil
	}
	return Row{}, false, nil
}

// Row reads one family as a row, whether or not it is to be phoned.
func (d Desk) Row(ctx context.Context, ref alert.Ref) (Row, error) {
	f, err := d.Alerts.Family(ctx, ref)
	if err != nil {
		return Row{}, err
	}
	r := Row{Ref: ref, Family: f}
	r.Record, err = d.Record(ctx, ref)
	r.Need = r.need(d.Alerts.Now(), Lanes{})
	return r, err
}
