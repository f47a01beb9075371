package roster

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
)

// exportGuardians is how many guardians every export has columns for; a school
// with more in one family gets more.
const exportGuardians = 2

// Export writes a school's roster as a CSV file with one row a child, in the order
// of classes and seats. Importing the file again changes nothing; its columns are
// always the same, up to the number of guardians.
//
// Addresses that their owner has not confirmed or has closed are left out: in
// another system they would get mail that nobody asked for. It holds the whole
// roster in memory, and writes nothing if it fails with a *problem.Error because
// the encoding has no place for a character.
func Export(ctx context.Context, s *Store, school string, to io.Writer, enc Encoding) error {
	k, err := s.known(ctx, school)
	if err != nil {
		return err
	}
	lines := k.lines()
	guardians := exportGuardians
	for _, l := range lines {
		guardians = max(guardians, len(l.guardians))
	}
	w := &sheetWriter{comma: ','}
	w.row(exportHeader(guardians))
	for _, l := range lines {
		w.row(k.cells(l, guardians))
	}
	return w.flush(to, enc)
}

// line is what a row of an export is made of.
type line struct {
	class     Group
	child     Child
	guardians []Guardian
}

func (k *known) lines() []line {
	var lines []line
	for _, f := range k.families {
		for _, c := range f.Children {
			l := line{class: k.groups[c.Class], child: c}
			for _, id := range c.Guardians {
				if g, ok := f.Guardian(id); ok && !exported(g).empty() {
					l.guardians = append(l.guardians, g)
				}
			}
			lines = append(lines, l)
		}
	}
	slices.SortFunc(lines, func(a, b line) int {
		return cmp.Or(a.class.Grade-b.class.Grade, natural(a.class.Name, b.class.Name), a.child.Seat-b.child.Seat,
			strings.Compare(a.child.Kana, b.child.Kana), strings.Compare(a.child.ID, b.child.ID))
	})
	return lines
}

func exportHeader(guardians int) []string {
	cells := []string{"学年", "組", "出席番号", "学籍番号", "氏名", "ふりがな", "グループ"}
	for i := range guardians {
		n := "保護者" + strconv.Itoa(i+1)
		cells = append(cells, n+"氏名", n+"続柄", n+"電話", n+"メール")
	}
	return cells
}

func (k *known) cells(l line, guardians int) []string {
	cells := []string{number(l.class.Grade), classCell(l.class), number(l.child.Seat), l.child.Number, l.child.Name, l.child.Kana, k.groupNames(l.child)}
	for _, g := range l.guardians {
		p := exported(g)
		cells = append(cells, p.name, p.relation, strings.Join(p.phones, "; "), strings.Join(p.mails, "; "))
	}
	return append(cells, make([]string, 4*(guardians-len(l.guardians)))...)
}

// classCell returns what the column for the class says beside the one for the
// grade; a grade's only class repeats the grade, for an empty cell is a mistake.
func classCell(g Group) string { return cmp.Or(g.Label, g.Name, g.ID) }

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func (k *known) groupNames(c Child) string {
	var names []string
	for _, id := range c.Groups {
		names = append(names, cmp.Or(k.groups[id].Name, id))
	}
	return strings.Join(names, "; ")
}

// exportedGuardian is what an export says of a guardian.
type exportedGuardian struct {
	name, relation string
	phones, mails  []string
}

func (g exportedGuardian) empty() bool {
	return g.name == "" && len(g.phones) == 0 && len(g.mails) == 0
}

func exported(g Guardian) exportedGuardian {
	e := exportedGuardian{name: g.Name, relation: g.Relation, phones: g.Phones}
	for _, c := range g.Contacts {
		if c.Tellable() || c.State == Refused {
			e.mails = append(e.mails, c.Address)
		}
	}
	return e
}
