package roster

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// maxErrors is how many faults a file can have before it is refused as a whole:
// nobody corrects so many rows by hand.
const maxErrors = 20_000

// Tally counts what an import finds of one sort.
type Tally struct {
	Added, Changed, Unchanged int
}

// Total is how many there are in the good rows of the file.
func (t Tally) Total() int { return t.Added + t.Changed + t.Unchanged }

func (t *Tally) count(before, after any, isNew bool) {
	switch {
	case isNew:
		t.Added++
	case same(before, after):
		t.Unchanged++
	default:
		t.Changed++
	}
}

func (t *Tally) add(u Tally) {
	t.Added, t.Changed, t.Unchanged = t.Added+u.Added, t.Changed+u.Changed, t.Unchanged+u.Unchanged
}

// Plan is what an import would do. Nothing is written before Commit.
type Plan struct {
	School  string
	Sheet   *Sheet
	Columns *Columns

	Rows      int // with anything in them, below the headers
	Children  Tally
	Guardians Tally
	Contacts  Tally
	Errors    []Note // by row; the rows they name are not written
	Warnings  []Note // by row

	// Missing are the children in the roster who are not in the file. An import
	// leaves them alone; at the turn of the year they may have left.
	Missing []Child
	// Turning is what a turn of the year does; it is set by NewTurn.
	Turning Turning

	store   *Store
	mapping Mapping
	turn    *turning        // nil: an import that is no turn
	named   map[string]bool // as in rowReader
	groups  []Group         // of the good rows
	steps   []step
	seen    string
}

// step is one family's part of a plan.
type step struct {
	household
	next                          Family
	changed                       bool
	left                          []string // children who leave
	children, guardians, contacts Tally
	notes                         []Note
}

// rows returns how many rows the step stands for.
func (s step) rows() int {
	n := 0
	for _, p := range s.pupils {
		n += len(p.rows)
	}
	return n
}

// NewPlan finds out what importing the sheet would do to the school's roster. It
// reads the whole roster once and writes nothing. mapping is for columns whose
// headers do not say what they hold; nil means the one that the school has saved.
//
// A sheet that cannot be imported at all is refused with a *problem.Error; what is
// wrong with single rows is in Plan.Errors.
func NewPlan(ctx context.Context, s *Store, school string, sheet *Sheet, mapping Mapping) (*Plan, error) {
	return newPlan(ctx, s, school, sheet, mapping, nil)
}

func newPlan(ctx context.Context, s *Store, school string, sheet *Sheet, mapping Mapping, t *Turn) (*Plan, error) {
	if mapping == nil {
		saved, err := s.Mapping(ctx, school)
		if err != nil {
			return nil, err
		}
		mapping = saved
	}
	if err := mapping.check(); err != nil {
		return nil, err
	}
	columns, err := sheet.Columns(mapping)
	if err != nil {
		return nil, err
	}
	k, err := s.known(ctx, school)
	if err != nil {
		return nil, err
	}
	p := &Plan{School: school, Sheet: sheet, Columns: columns, store: s, mapping: mapping}
	if t != nil {
		if p.turn, err = p.newTurning(ctx, *t); err != nil {
			return nil, err
		}
	}
	return p, p.make(k)
}

func (p *Plan) make(k *known) error {
	rr := &rowReader{sheet: p.Sheet, columns: p.Columns, turn: p.turn != nil, named: map[string]bool{}}
	p.named = rr.named
	rr.warnings = p.Columns.notes(p.Sheet.Rows[p.Columns.Row].Number)
	var good, bad []entry
	for i := p.Columns.Row + 1; i < len(p.Sheet.Rows); i++ {
		p.Rows++
		if e, ok := rr.read(i); ok {
			good = append(good, e)
		} else {
			bad = append(bad, e)
		}
		if len(rr.errors) > maxErrors {
			return problem.New(problem.Invalid, "誤りが%d件を超えています。列の見出しと中身が合っているか、正しいファイルかを確かめてください。",
				"There are more than %d errors. Please check that the columns hold what their headers say, and that this is the right file.", maxErrors)
		}
	}
	if p.Rows == 0 {
		return problem.New(problem.Invalid, "見出しの下に行がありません。児童生徒を1行に1人ずつ入れてください。",
			"There are no rows below the headers. Please enter one child in each row.")
	}
	rr.warnRemarks()
	all, refused := gather(rr, good)
	bad = append(bad, refused...)
	pupils := refuseShared(rr, slices.Clone(all))
	if p.turn != nil {
		pupils = p.locateTurn(k, pupils, rr)
		p.leavers(k, all, bad)
	} else {
		pupils = k.locate(pupils, rr)
	}
	p.steps = p.resolve(k, pupils, rr)
	p.groups = groupsOf(p.steps)
	if len(p.groups) > MaxGroups {
		return problem.New(problem.Invalid, "組とグループが%d件を超えています。組の列に別のものが入っていないか確かめてください。",
			"There are more than %d classes and groups. Please check that the column for classes holds classes.", MaxGroups)
	}
	if p.turn != nil {
		p.summarise(k)
	} else {
		p.Missing = missing(k, p.steps, all, bad)
		p.warnMoves(k, rr)
	}
	p.finish(rr)
	return nil
}

// refuseShared takes out the pupils whose address is that of more children than
// a family has: the school's or a teacher's, entered to fill the column.
func refuseShared(rr *rowReader, pupils []*pupil) []*pupil {
	users := map[string]int{}
	for _, p := range pupils {
		for _, key := range p.addressKeys() {
			users[key]++
		}
	}
	return slices.DeleteFunc(pupils, func(p *pupil) bool {
		for _, key := range p.addressKeys() {
			if users[key] > MaxFamilyChildren {
				p.fail(rr, Mail, problem.New(problem.Invalid, "アドレス %s が%d人の児童生徒に付いています（上限%d人）。学校や担当者のアドレスが入っていないか確かめてください。",
					"The address %s belongs to %d children (at most %d). Please check that it is not the school's own.", key, users[key], MaxFamilyChildren))
				return true
			}
		}
		return false
	})
}

func (p *pupil) addressKeys() []string {
	var keys []string
	for _, e := range p.rows {
		for _, g := range e.guardians {
			for _, a := range g.addresses {
				keys = addNew(keys, a.Key())
			}
		}
	}
	return keys
}

// fail notes a fault with all rows about the pupil.
func (p *pupil) fail(rr *rowReader, f Field, err error) {
	for _, e := range p.rows {
		rr.fail(e.number, f, err)
	}
}

// resolve makes a step of every family that can be stored, and notes what it does
// beside what the rows say.
func (p *Plan) resolve(k *known, pupils []*pupil, rr *rowReader) []step {
	steps := p.allSteps(k, pupils)
	for k.tieGuardians(steps) {
		steps = p.allSteps(k, pupils)
	}
	steps = append(steps, p.leaveOnly(k, steps)...)
	steps = slices.DeleteFunc(steps, func(st step) bool {
		err := st.check(p.School, p.turn != nil)
		if err != nil {
			st.fail(rr, err)
		}
		return err != nil
	})
	steps = refuseDoubles(k, steps, rr)
	for _, st := range steps {
		rr.warnings = append(rr.warnings, st.notes...)
	}
	return steps
}

// fail notes a fault with all rows of the household.
func (s step) fail(rr *rowReader, err error) {
	for _, pupil := range s.pupils {
		pupil.fail(rr, "", err)
	}
}

func (p *Plan) allSteps(k *known, pupils []*pupil) []step {
	var steps []step
	for _, h := range k.households(pupils) {
		steps = append(steps, p.step(h))
	}
	return steps
}

func (p *Plan) step(h *household) step {
	st := step{household: *h}
	if len(h.pupils) > MaxFamilyChildren {
		return st // not a family; it is not worth the work to build it
	}
	st.next = h.build(p.store.IDs, func(row int, f Field, text lang.Text) { st.notes = append(st.notes, Note{row, f, text}) })
	before := fuse(h.old)
	st.changed = len(h.old) != 1 || !same(before, st.next)
	p.leave(&st)
	for _, pupil := range h.pupils {
		c := st.next.Children[pupil.index]
		old, found := before.Child(c.ID)
		st.children.count(before.about(old), st.next.about(c), !found)
	}
	for _, g := range st.next.Guardians {
		st.countGuardian(before, g)
	}
	return st
}

// countGuardian counts a guardian whom the file names, and those of the contacts
// that are in the file.
func (s *step) countGuardian(before Family, g Guardian) {
	named := slices.ContainsFunc(s.pupils, func(p *pupil) bool {
		return slices.ContainsFunc(p.named, func(w *wish) bool { return w.guardian == g.ID })
	})
	old, found := before.Guardian(g.ID)
	if named {
		x, y := old, g
		x.Contacts, y.Contacts = nil, nil
		s.guardians.count(x, y, !found)
	}
	for _, c := range g.Contacts {
		if !slices.ContainsFunc(s.pupils, func(p *pupil) bool { return slices.Contains(p.claims, c.Key()) }) {
			continue
		}
		owner := before.ownerOf(c.ID)
		s.contacts.count(owner, g.ID, owner == "")
	}
}

// about returns a child with those who answer for it: it counts as changed if any
// of that does.
func (f Family) about(c Child) any {
	var who []Guardian
	for _, id := range c.Guardians {
		g, _ := f.Guardian(id)
		who = append(who, g)
	}
	return struct {
		Child
		Who []Guardian
	}{c, who}
}

// ownerOf returns the id of the guardian who has the contact, "" if nobody has.
func (f Family) ownerOf(contact string) string {
	if g, _ := f.Contact(contact); g != nil {
		return g.ID
	}
	return ""
}

// check returns what keeps the step from being written.
func (s step) check(school string, turn bool) error {
	if len(s.pupils) > MaxFamilyChildren {
		return tooManyChildren(len(s.pupils))
	}
	if !s.changed {
		return nil
	}
	after := ways{}
	if len(s.next.Children) > 0 { // else it ceases to exist
		if err := s.next.Validate(); err != nil {
			return err
		}
		after = waysTo(school, s.next)
	}
	ops := 1 + len(s.old) + len(waysTo(school, s.old...).to(after))
	if turn {
		ops++ // the journal
	}
	if ops > table.MaxOps {
		return tooMuch()
	}
	return nil
}

func groupsOf(steps []step) []Group {
	var groups []Group
	seen := map[string]bool{}
	for _, s := range steps {
		for _, p := range s.pupils {
			for _, e := range p.rows {
				for _, g := range append([]Group{e.class}, e.groups...) {
					if !seen[g.ID] {
						groups = append(groups, g)
					}
					seen[g.ID] = true
				}
			}
		}
	}
	return groups
}

// missing returns the children of the roster whom no row means, not even a faulty
// one, in the order of their families.
func missing(k *known, steps []step, pupils []*pupil, bad []entry) []Child {
	here, planned := map[string]bool{}, map[*pupil]bool{}
	for _, s := range steps {
		for _, p := range s.pupils {
			here[s.next.Children[p.index].ID], planned[p] = true, true
		}
	}
	for _, p := range pupils {
		switch {
		case p.at != nil:
			here[p.at.id] = true
		case !planned[p]:
			bad = append(bad, p.rows...)
		}
	}
	k.forgotten(bad, here)
	return absent(k, here)
}

// absent returns the children of the roster but those who are here.
func absent(k *known, here map[string]bool) []Child {
	var gone []Child
	for _, f := range k.families {
		for _, c := range f.Children {
			if !here[c.ID] {
				gone = append(gone, c)
			}
		}
	}
	slices.SortFunc(gone, func(a, b Child) int {
		return cmp.Or(natural(a.Class, b.Class), a.Seat-b.Seat, strings.Compare(a.ID, b.ID))
	})
	return gone
}

// finish sorts and counts.
func (p *Plan) finish(rr *rowReader) {
	for _, s := range p.steps {
		p.Children.add(s.children)
		p.Guardians.add(s.guardians)
		p.Contacts.add(s.contacts)
	}
	if n := len(p.Missing); n > 0 && p.turn == nil {
		who := firstNames(p.Missing)
		rr.warn(0, "", lang.T("名簿にいて、このファイルにいない児童生徒が%[1]d人います（%[2]s）。取り込んでも消えません。",
			"%[1]d children in the roster are not in this file (%[3]s). The import leaves them as they are.", n, who.JA, who.EN))
	}
	p.Errors, p.Warnings = byRow(rr.errors), byRow(rr.warnings)
	p.seen = p.name()
}

func byRow(notes []Note) []Note {
	slices.SortStableFunc(notes, func(a, b Note) int { return a.Row - b.Row })
	return slices.Compact(notes)
}

// warnMoves says whose class changes. In the middle of a year few do, and a list of the
// next one is better loaded as a turn of the year.
func (p *Plan) warnMoves(k *known, rr *rowReader) {
	var moves []string
	for _, s := range p.steps {
		before := fuse(s.old)
		for _, pupil := range s.pupils {
			old, found := before.Child(pupil.childID)
			if now := pupil.rows[0].class; found && old.Class != now.ID {
				moves = append(moves, pupil.child.Name+" "+cmp.Or(k.groups[old.Class].Name, old.Class)+"→"+now.Name)
			}
		}
	}
	if len(moves) > 0 {
		who := some(moves)
		rr.warn(0, ClassOf, lang.T("組が変わる児童生徒が%[1]d人います（%[2]s）。新年度の名簿は、「年度を更新する」から取り込んでください。",
			"%[1]d children change their class (%[3]s). Please import a list of the new school year by “Turn of the year”.", len(moves), who.JA, who.EN))
	}
}

func firstNames(children []Child) lang.Text {
	names := make([]string, len(children))
	for i, c := range children {
		names[i] = c.Name
	}
	return some(names)
}

// mostNamed is how many of many a sentence names.
const mostNamed = 10

// some names the first of many.
func some(names []string) lang.Text {
	if len(names) > mostNamed {
		names = append(slices.Clone(names[:mostNamed]), "…")
	}
	return lang.Names(names)
}

// Result is an import as the API tells it. The numbers are those of the good rows
// of the file; added, changed and unchanged count children, and a child is changed
// if one who answers for it is.
type Result struct {
	Children  int       `json:"children"`
	Guardians int       `json:"guardians"`
	Contacts  int       `json:"contacts"`
	Added     int       `json:"added"`
	Changed   int       `json:"changed"`
	Unchanged int       `json:"unchanged"`
	Errors    []RowNote `json:"errors"`
	Warnings  []RowNote `json:"warnings"`
}

// RowNote is a Note in one language.
type RowNote struct {
	Row     int    `json:"row,omitempty"`
	Message string `json:"message"`
}

// Result returns the plan as the API tells it in the language.
func (p *Plan) Result(l lang.Lang) Result {
	return Result{
		Children: p.Children.Total(), Guardians: p.Guardians.Total(), Contacts: p.Contacts.Total(),
		Added: p.Children.Added, Changed: p.Children.Changed, Unchanged: p.Children.Unchanged,
		Errors: rowNotes(p.Errors, l), Warnings: rowNotes(p.Warnings, l),
	}
}

// ErrorRows returns how many rows are not imported.
func (p *Plan) ErrorRows() int {
	rows := map[int]bool{}
	for _, e := range p.Errors {
		rows[e.Row] = true
	}
	return len(rows)
}

func rowNotes(notes []Note, l lang.Lang) []RowNote {
	rs := make([]RowNote, len(notes))
	for i, n := range notes {
		rs[i] = RowNote{Row: n.Row, Message: n.Message.In(l)}
	}
	return rs
}
