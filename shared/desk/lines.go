package desk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/each"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// Siblings go to several schools, and each school's alert has a desk of its own. What the
// desks of a scope share is lines: the telephone numbers and mail addresses at which a
// family is reached. A line knows who has a family in hand that it leads to, so a family
// is in one person's hands over all of them, and when it was last phoned. It holds neither
// notes nor answers: those are each school's own.

// Place is where the callers of a desk sit.
type Place struct {
	Name  string // of the school, as the callers of another read it
	Scope string // desks of the same scope share lines; "": none
}

const (
	// lineKept is for how long a line is known after it was last used.
	lineKept = 24 * time.Hour
	maxLines = 8 // of a family; the others are not shared
	// maxUses is how many alerts a line remembers.
	maxUses     = 8
	leastDigits = 9 // of a telephone number: shorter ones are no number of one family
	hashChars   = 32
)

// Use is what became of a family at one alert's desk, seen from another's.
type Use struct {
	Ref     alert.Ref `json:"r"`
	Place   string    `json:"p"`          // where its callers sit
	Holder  Person    `json:"h,omitzero"` // who has it in hand
	Until   time.Time `json:"u,omitzero"` // from then on nobody has it
	By      Person    `json:"b,omitzero"` // who phoned last
	At      time.Time `json:"t,omitzero"`
	Outcome Outcome   `json:"o,omitempty"`
}

// Held reports whether somebody has the family in hand there.
func (u Use) Held(now time.Time) bool { return u.Holder.ID != "" && now.Before(u.Until) }

// line is the item of one line.
type line struct {
	Uses []Use `json:"u"` // of several alerts, one a family

	key      table.Key
	revision int64
	value    []byte
}

// lineKeys names the lines of a family. Their names are hashes: what is not in them
// cannot be read from them.
func (d Desk) lineKeys(f *alert.Family) (keys []table.Key) {
	if d.Place.Scope == "" {
		return nil
	}
	add := func(kind, what string) {
		sum := sha256.Sum256([]byte(d.Place.Scope + "\x00" + kind + "\x00" + what))
		k := table.Key{Partition: "desk-lines/" + d.Place.Scope, Sort: hex.EncodeToString(sum[:])[:hashChars]}
		if len(keys) < maxLines && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	for _, g := range f.Guardians {
		for _, phone := range g.Phones {
			if number := digits(phone); len(number) >= leastDigits {
				add("tel", number)
			}
		}
	}
	for _, c := range f.Copies {
		add("mail", strings.ToLower(c.Mailbox))
	}
	return keys
}

// digits returns a telephone number as it is dialled within the country.
func digits(phone string) string {
	phone = norm.NFKC.String(phone)
	if rest, ok := strings.CutPrefix(strings.TrimSpace(phone), "+81"); ok {
		phone = "0" + rest
	}
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, phone)
}

func (d Desk) line(ctx context.Context, key table.Key) (line, error) {
	l := line{key: key}
	item, err := d.Alerts.Table.Get(ctx, key)
	if errors.Is(err, table.ErrNotFound) {
		return l, nil
	}
	if err == nil {
		l.revision, l.value = item.Revision, item.Value
		err = json.Unmarshal(item.Value, &l)
	}
	return l, err
}

func (d Desk) lines(ctx context.Context, keys []table.Key) ([]line, error) {
	return each.Map(ctx, readers, keys, d.line)
}

// lineOps returns the ops that keep families' lines as their records are to be: one a line,
// whoever shares it. It fails with a conflict if a family is being taken in hand and
// somebody else has it at another alert's desk.
func lineOps(ctx context.Context, changed []planned) ([]table.Op, error) {
	var keys []table.Key
	leads := map[table.Key][]int{}
	for i, p := range changed {
		for _, k := range p.Desk.lineKeys(p.family) {
			if leads[k] == nil {
				keys = append(keys, k)
			}
			leads[k] = append(leads[k], i)
		}
	}
	d := changed[0].Desk
	all, err := d.lines(ctx, keys)
	if err != nil {
		return nil, err
	}
	now := d.Alerts.Now()
	var ops []table.Op
	for _, l := range all {
		for _, i := range leads[l.key] {
			p := &changed[i]
			l.use(p.Ref, p.Desk.Place.Name, &p.record)
		}
		for _, i := range leads[l.key] { // after all are as they are to be: one hand has them
			p := &changed[i]
			if other, held := l.heldElsewhere(p.Ref, p.record.Holder.ID, now); held && p.record.claimed {
				return nil, heldAt(other)
			}
		}
		if op := l.op(now); op != nil {
			ops = append(ops, op)
		}
	}
	return ops, nil
}

// heldElsewhere returns who else has the family in hand for another alert. Two families of
// one alert that share a number, such as a home's, are no concern of each other.
func (l *line) heldElsewhere(ref alert.Ref, holder string, now time.Time) (Use, bool) {
	for _, u := range l.Uses {
		if u.Ref.Alert != ref.Alert && u.Held(now) && u.Holder.ID != holder {
			return u, true
		}
	}
	return Use{}, false
}

// use notes what a family's record says.
func (l *line) use(ref alert.Ref, place string, r *Record) {
	i := slices.IndexFunc(l.Uses, func(u Use) bool { return u.Ref == ref })
	if i < 0 {
		if r.Holder.ID == "" && r.entered == nil {
			return
		}
		l.Uses = append(l.Uses, Use{Ref: ref, Place: place})
		l.Uses = l.Uses[max(0, len(l.Uses)-maxUses):]
		i = len(l.Uses) - 1
	}
	u := &l.Uses[i]
	u.Holder, u.Until = r.Holder, r.Until
	if c := r.entered; c != nil {
		u.By, u.At, u.Outcome = c.By, c.At, c.Outcome
	}
}

// op returns the write of a line; nil: nothing is new.
func (l *line) op(now time.Time) table.Op {
	value := table.Encode(l)
	if len(l.Uses) == 0 || bytes.Equal(value, l.value) {
		return nil
	}
	ends := now.Add(lineKept).UTC().Truncate(time.Second)
	return table.Put(table.Item{Key: l.key, Revision: l.revision, Value: value, Expires: ends})
}

// Elsewhere returns what became of a family at another alert's desk of the same scope: who
// has it in hand there, or else who phoned it last. Use.Place is "" if nothing is known.
func (d Desk) Elsewhere(ctx context.Context, ref alert.Ref, f *alert.Family) (Use, error) {
	return Household{Rows: []Row{{Ref: ref, Family: *f}}}.Elsewhere(ctx, d)
}

// Elsewhere returns what became of the household at the desks of alerts that none of its
// rows is of, as Desk.Elsewhere does.
func (h Household) Elsewhere(ctx context.Context, d Desk) (found Use, err error) {
	var keys []table.Key
	for _, r := range h.Rows {
		keys = append(keys, d.lineKeys(&r.Family)...)
	}
	slices.SortFunc(keys, func(a, b table.Key) int { return strings.Compare(a.Sort, b.Sort) })
	all, err := d.lines(ctx, slices.Compact(keys))
	for _, l := range all {
		for _, u := range l.Uses {
			if _, own := h.Of(u.Ref.Alert); own {
				continue
			}
			now := d.Alerts.Now()
			if u.Held(now) && !found.Held(now) || u.Held(now) == found.Held(now) && u.At.After(found.At) {
				found = u
			}
		}
	}
	return found, err
}

func heldAt(u Use) error {
	return problem.New(problem.Conflict,
		"同じ連絡先の家庭に、%[1]sの%[2]sさんが対応中です。別の家庭に進んでください。",
		"%[2]s of %[1]s is phoning the same family. Go on to another.", u.Place, u.Holder.Name)
}
