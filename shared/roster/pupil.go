package roster

import (
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
)

// pupil is one child of a file, from all rows about it: some offices write one
// row for each guardian.
type pupil struct {
	rows      []entry
	child     Child
	hasGroups bool
	at        *spot    // where the child is in the roster; nil if it is new
	extra     []string // phone keys that tie its family to others, beside those in its rows

	isNew   bool     // it is nobody of the roster, whatever its family's children are called
	childID string   // in the family being built
	index   int      // in the children of the family being built
	named   []*wish  // its guardians, as its rows name them
	claims  []string // keys of the addresses in its rows
}

// row returns the number of the first row about the child.
func (p *pupil) row() int { return p.rows[0].number }

// maxNamesakes is how many children of one name a class can have. It bounds the
// work that a file can make.
const maxNamesakes = 20

// gatherer puts rows together that are about one child.
type gatherer struct {
	rr       *rowReader
	pupils   []*pupil
	byNumber map[string]*pupil
	byName   map[string][]*pupil
	bySeat   map[seat]*pupil
}

// seat is what one child of a class has alone.
type seat struct {
	class  string
	number int
}

// gather returns the children in the rows, in the order of their first rows. It
// notes rows that contradict each other, and returns those that it refuses.
func gather(rr *rowReader, entries []entry) (pupils []*pupil, refused []entry) {
	g := &gatherer{rr: rr, byNumber: map[string]*pupil{}, byName: map[string][]*pupil{}, bySeat: map[seat]*pupil{}}
	for _, e := range entries {
		before := len(rr.errors)
		g.add(e)
		if len(rr.errors) > before {
			refused = append(refused, e)
		}
	}
	return g.pupils, refused
}

func (g *gatherer) add(e entry) {
	p := g.find(e.child)
	switch {
	case p == nil && len(g.byName[nameKey(e.child)]) >= maxNamesakes:
		g.rr.fail(e.number, Name, problem.New(problem.Invalid, "同じ組に「%s」が%d人を超えています。氏名の列を確かめてください。",
			"More than %[2]d children named “%[1]s” are in one class. Please check the column for names.", e.child.Name, maxNamesakes))
		return
	case p == nil:
		g.warnNamesake(e)
		p = &pupil{child: e.child, hasGroups: e.hasGroups}
		g.pupils = append(g.pupils, p)
		g.byName[nameKey(e.child)] = append(g.byName[nameKey(e.child)], p)
		g.warnSeat(p, e)
	case fold(p.child.Name) != fold(e.child.Name):
		g.rr.fail(e.number, Number, problem.New(problem.Invalid, "学籍番号「%s」は%d行目の「%s」と同じです。どちらかを直してください。",
			"The student number “%s” is that of row %d, “%s”. Please correct one.", e.child.Number, p.row(), p.child.Name))
		return
	case p.child.Class != e.child.Class, p.child.Seat != 0 && e.child.Seat != 0 && p.child.Seat != e.child.Seat:
		g.rr.fail(e.number, Name, problem.New(problem.Invalid, "「%s」は%d行目にもいますが、組か出席番号が違います。別の人なら学籍番号を付け、同じ人なら行をそろえてください。",
			"“%s” is in row %d, too, with another class or seat number. Give both a student number if they are two children; else make the rows agree.", e.child.Name, p.row()))
		return
	default:
		g.rr.warn(e.number, Name, lang.T("「%s」は%d行目にもいます。一人としてまとめます。", "“%s” is in row %d, too. The rows are taken together.", e.child.Name, p.row()))
	}
	p.add(e)
	if n := fold(p.child.Number); n != "" {
		g.byNumber[n] = p
	}
}

// warnNamesake says which rows are taken for two children although only a number
// or a reading tells them apart.
func (g *gatherer) warnNamesake(e entry) {
	for _, p := range g.byName[nameKey(e.child)] {
		if p.child.Number == "" || e.child.Number == "" {
			g.rr.warn(e.number, Name, lang.T("「%s」は同じ組の%d行目にもいます。学籍番号かふりがなが違うので、別の人とします。",
				"“%s” is in row %d, too, in the same class. The number or reading is another, so these are taken for two children.", e.child.Name, p.row()))
		}
	}
}

// warnSeat says that another child has the seat: mostly one number is a slip.
func (g *gatherer) warnSeat(p *pupil, e entry) {
	at := seat{e.child.Class, e.child.Seat}
	switch other := g.bySeat[at]; {
	case at.number == 0:
	case other == nil:
		g.bySeat[at] = p
	default:
		g.rr.warn(e.number, Seat, lang.T("出席番号%dは、同じ組の%d行目の「%s」と同じです。", "The seat number %d is that of row %d, “%s”, in the same class.", at.number, other.row(), other.child.Name))
	}
}

// find returns the pupil whom a row is about. A row with a number and one without
// are two children: of namesakes, one may have none.
func (g *gatherer) find(c Child) *pupil {
	if p := g.byNumber[fold(c.Number)]; p != nil {
		return p
	}
	for _, p := range g.byName[nameKey(c)] {
		if fold(p.child.Number) == fold(c.Number) && agree(foldKana(p.child.Kana), foldKana(c.Kana)) {
			return p
		}
	}
	return nil
}

func (p *pupil) add(e entry) {
	p.rows = append(p.rows, e)
	c := &p.child
	if c.Number == "" {
		c.Number = e.child.Number
	}
	if c.Kana == "" {
		c.Kana = e.child.Kana
	}
	if c.Seat == 0 {
		c.Seat = e.child.Seat
	}
	if len(p.rows) > 1 {
		c.Groups = addNew(c.Groups, e.child.Groups...)
	}
}

// nameKey is what identifies a child without a number.
func nameKey(c Child) string { return c.Class + "|" + fold(c.Name) }

// agree reports whether two things can be the same, not knowing either if empty.
func agree(a, b string) bool { return a == "" || b == "" || a == b }

// addNew appends what is not there yet.
func addNew[T comparable](to []T, more ...T) []T {
	seen := make(map[T]bool, len(to))
	for _, v := range to {
		seen[v] = true
	}
	for _, v := range more {
		if !seen[v] {
			to = append(to, v)
		}
		seen[v] = true
	}
	return to
}
