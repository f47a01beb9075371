package roster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// The turn of the year is an import by which children change class, and after which
// those who are not in the list have left. It differs from another import in three
// things: children are recognised across classes (turnmatch.go); who is not in the
// list leaves the roster; and what was there before is kept in a journal until a set
// time. Until then the turn can be undone; at that time the tick deletes the journal,
// and with it all that is known of those who left (docs/decisions/0029).
//
//	school/<school>/turn/<turn>  <family>                  Past
//	roster/turns                 <until>/<school>/<turn>   Ending

// Turn is a turn of the year. Its ID names the journal.
type Turn struct {
	ID    string
	Until time.Time // when the journal ends
	// Confirmed says that somebody has looked at who leaves. Then Rise and Leave are
	// what that person saw, and nobody else leaves.
	Confirmed bool
	Rise      int
	Leave     []string // ids of children
}

// turnSlack is how long the journal is kept beyond its end, for an undoing that was
// begun in the last minute.
const turnSlack = time.Hour

// Turning is what a turn would do.
type Turning struct {
	Rise             int // 1 if the list is of the next school year, 0 if of the same
	Moved, Stay, New int // children in the list: in another class than before, in the same, and new
	Classes          []ClassTurn
	Leavers          []Child // who leave, as Plan.Missing
	Top              int     // the highest grade, of the roster and the list; its children are expected to leave
}

// ClassTurn says where the children of a class come from.
type ClassTurn struct {
	Class         Group
	Children, New int
	From          []Origin
}

// Origin is how many come from a class.
type Origin struct {
	Name string
	N    int
}

// Graduates returns how many of those who leave are of the highest grade, and
// Others the rest: somebody should look at their names.
func (t Turning) Graduates(grades map[string]int) (graduates int, others []Child) {
	for _, c := range t.Leavers {
		if grades[c.Class] == t.Top && t.Rise > 0 && t.Top > 0 {
			graduates++
		} else {
			others = append(others, c)
		}
	}
	return graduates, others
}

// Past is what a turn has changed in one family: an entry of its journal.
type Past struct {
	Family string   `json:"family"` // that came of it; it does not exist if all children left
	Before []Family `json:"before"` // empty: the family is new
	Placed []string `json:"placed,omitempty"`
	New    []string `json:"new,omitempty"`  // of the placed children, who were not there before
	Left   []string `json:"left,omitempty"` // children

	revision int64
}

// Gone returns the addresses that were in the roster only for those who left, as the
// family was.
func (p Past) Gone() []Contact {
	var gone []Contact
	before := fuse(p.Before)
	rest, _ := before.without(setOf(p.Left))
	for _, g := range before.Guardians {
		if _, stays := rest.Guardian(g.ID); !stays || len(rest.Children) == 0 {
			gone = append(gone, g.Contacts...)
		}
	}
	return gone
}

// Ending is a journal that ends.
type Ending struct {
	School string    `json:"school"`
	Turn   string    `json:"turn"`
	Until  time.Time `json:"until"`
}

const endingsPart = "roster/turns"

func (e Ending) key() table.Key {
	return table.Key{Partition: endingsPart, Sort: e.Until.UTC().Add(turnSlack).Format(time.RFC3339) + "/" + e.School + "/" + e.Turn}
}

func pastKey(school, turn, family string) table.Key {
	return table.Key{Partition: part(school, "turn/"+turn), Sort: family}
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// without returns the family without some of its children, and without the guardians
// who answered for those and now answer for nobody.
func (f Family) without(gone map[string]bool) (rest Family, left []string) {
	rest = clone(f)
	alone := map[string]bool{}
	rest.Children = slices.DeleteFunc(rest.Children, func(c Child) bool {
		if gone[c.ID] {
			left = append(left, c.ID)
			for _, g := range c.Guardians {
				alone[g] = true
			}
		}
		return gone[c.ID]
	})
	for _, c := range rest.Children {
		for _, g := range c.Guardians {
			delete(alone, g)
		}
	}
	rest.Guardians = slices.DeleteFunc(rest.Guardians, func(g Guardian) bool { return alone[g.ID] })
	return rest, left
}

// NewTurn finds out what importing the sheet as a turn would do, as NewPlan does.
func NewTurn(ctx context.Context, s *Store, school string, sheet *Sheet, mapping Mapping, t Turn) (*Plan, error) {
	return newPlan(ctx, s, school, sheet, mapping, &t)
}

// turning is a plan's part that only a turn has.
type turning struct {
	Turn
	leave  map[string]bool // who leaves
	placed map[string]bool // by a run of the same turn that was cut off
}

func (p *Plan) newTurning(ctx context.Context, t Turn) (*turning, error) {
	placed := map[string]bool{}
	err := p.store.eachPast(ctx, p.School, t.ID, func(past Past) error {
		for _, id := range past.Placed {
			placed[id] = true
		}
		return nil
	})
	return &turning{Turn: t, leave: map[string]bool{}, placed: placed}, err
}

func (s *Store) eachPast(ctx context.Context, school, turn string, do func(Past) error) error {
	return each(ctx, s.Table, table.Query{Partition: pastKey(school, turn, "").Partition}, func(item table.Item) error {
		p := Past{revision: item.Revision}
		if err := json.Unmarshal(item.Value, &p); err != nil {
			return err
		}
		return do(p)
	})
}

// leavers finds who leaves: of the whole roster, those whom no row means, not even a
// faulty one or one that could mean several.
func (p *Plan) leavers(k *known, pupils []*pupil, bad []entry) {
	here := map[string]bool{}
	for _, pupil := range pupils {
		switch {
		case pupil.at != nil:
			here[pupil.at.id] = true
		case !pupil.isNew:
			bad = append(bad, pupil.rows...)
		}
	}
	k.forgotten(bad, here)
	gone := absent(k, here)
	if p.turn.Confirmed {
		seen := setOf(p.turn.Leave)
		gone = slices.DeleteFunc(gone, func(c Child) bool { return !seen[c.ID] })
	}
	for _, c := range gone {
		p.turn.leave[c.ID] = true
	}
	p.Missing = gone
	p.Turning.Leavers = gone
}

// leave takes those who leave out of the step's family.
func (p *Plan) leave(st *step) {
	if p.turn == nil {
		return
	}
	st.next, st.left = st.next.without(p.turn.leave)
	st.changed = st.changed || len(st.left) > 0
	for _, pupil := range st.pupils { // indexes have moved
		id := pupil.childID
		pupil.index = slices.IndexFunc(st.next.Children, func(c Child) bool { return c.ID == id })
	}
}

// leaveOnly returns steps for the families that no row is about and that somebody
// leaves.
func (p *Plan) leaveOnly(k *known, steps []step) []step {
	if p.turn == nil {
		return nil
	}
	met := map[string]bool{}
	for _, st := range steps {
		for _, f := range st.old {
			met[f.ID] = true
		}
	}
	families := map[string]bool{}
	for _, c := range p.Missing {
		families[k.familyOf[c.ID]] = true
	}
	var only []step
	for id := range families {
		if f := k.families[id]; !met[id] && f.ID != "" {
			st := step{household: household{old: []Family{f}}, changed: true}
			st.next, st.left = f.without(p.turn.leave)
			only = append(only, st)
		}
	}
	slices.SortFunc(only, func(a, b step) int { return strings.Compare(a.old[0].ID, b.old[0].ID) })
	return only
}

// summarise says what the turn does, class by class.
func (p *Plan) summarise(k *known) {
	classes, from := map[string]*ClassTurn{}, map[string]map[string]int{}
	for _, st := range p.steps {
		for _, pupil := range st.pupils {
			class := pupil.rows[0].class
			c := classes[class.ID]
			if c == nil {
				c = &ClassTurn{Class: class}
				classes[class.ID], from[class.ID] = c, map[string]int{}
			}
			c.Children++
			switch {
			case pupil.at == nil:
				c.New++
				p.Turning.New++
			case k.child(*pupil.at).Class == class.ID:
				p.Turning.Stay++
			default:
				p.Turning.Moved++
			}
			if pupil.at != nil {
				from[class.ID][k.groups[k.child(*pupil.at).Class].Name]++
			}
		}
	}
	var groups []Group
	for _, c := range classes {
		groups = append(groups, c.Class)
	}
	inOrder(groups)
	for _, g := range groups {
		c := classes[g.ID]
		for name, n := range from[g.ID] {
			c.From = append(c.From, Origin{name, n})
		}
		slices.SortFunc(c.From, func(a, b Origin) int { return cmp.Or(natural(a.Name, b.Name)) })
		p.Turning.Classes = append(p.Turning.Classes, *c)
		p.Turning.Top = max(p.Turning.Top, g.Grade) // a new school gets a grade more each year
	}
	for _, g := range k.groups {
		p.Turning.Top = max(p.Turning.Top, gradeNow(g))
	}
}

// gradeNow returns a class's grade if it has children.
func gradeNow(g Group) int {
	if g.Kind != Class || g.Children == 0 {
		return 0
	}
	return g.Grade
}

// Grades returns the grades of a school's classes.
func Grades(groups []Group) map[string]int {
	grades := map[string]int{}
	for _, g := range groups {
		if g.Kind == Class {
			grades[g.ID] = g.Grade
		}
	}
	return grades
}

// beginTurn notes when the journal ends, before anything is in it.
func (p *Plan) beginTurn(ctx context.Context) error {
	e := Ending{School: p.School, Turn: p.turn.ID, Until: p.turn.Until}
	return table.IgnoreConflict(p.store.Table.Write(ctx, "", table.Create{Key: e.key(), Value: table.Encode(e)}))
}

// turnStep writes a step of a turn together with its entry in the journal.
func (p *Plan) turnStep(ctx context.Context, st step) error {
	s := p.store
	next, ops, err := s.replacing(ctx, p.School, st.old, st.next)
	if err != nil {
		return err
	}
	journal, err := p.journal(ctx, st, next)
	if err != nil {
		return err
	}
	return s.write(ctx, append(ops, journal))
}

// journal returns what adds a step to the journal. If the turn was cut off after it
// had changed the family before, what the family was at first stays.
func (p *Plan) journal(ctx context.Context, st step, next Family) (table.Op, error) {
	k := pastKey(p.School, p.turn.ID, next.ID)
	var past Past
	rev, err := p.store.read(ctx, k, &past)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	past.Family = next.ID
	if rev == 0 {
		past.Before = st.old
	} else {
		past.remember(st.old, p.turn.placed)
	}
	before := fuse(st.old)
	past.Left = addNew(past.Left, st.left...)
	for _, pupil := range st.pupils {
		if pupil.index < 0 {
			continue
		}
		id := next.Children[pupil.index].ID
		past.Placed = addNew(past.Placed, id)
		if _, there := before.Child(id); !there {
			past.New = addNew(past.New, id)
		}
	}
	return table.Put(table.Item{Key: k, Revision: rev, Value: table.Encode(past)}), nil
}

// remember adds the families that have become part of this one since it was first
// changed, but for children of whom the journal knows already.
func (p *Past) remember(old []Family, placed map[string]bool) {
	known := maps.Clone(placed)
	for _, c := range fuse(p.Before).Children {
		known[c.ID] = true
	}
	for _, f := range old {
		if rest, _ := f.without(known); len(rest.Children) > 0 {
			p.Before = append(p.Before, rest)
		}
	}
}

// replacing returns the family as replace would store it, and the ops that do so: a
// family without children is deleted.
func (s *Store) replacing(ctx context.Context, school string, old []Family, f Family) (Family, []table.Op, error) {
	if len(f.Children) == 0 {
		ops, err := s.ops(ctx, school, old, nil)
		return f, ops, err
	}
	f = s.withIDs(f)
	if err := f.Validate(); err != nil {
		return f, nil, err
	}
	f.Updated = s.Now().UTC()
	ops, err := s.ops(ctx, school, old, &f)
	return f, ops, err
}
