package roster

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
)

// Note is something to tell about a row of a sheet.
type Note struct {
	Row     int   // as in Row.Number; 0 if it is about the whole file
	Field   Field // "" if it is about the whole row
	Message lang.Text
}

// entry is what one row says.
type entry struct {
	row       int // index in Sheet.Rows
	number    int // Row.Number
	child     Child
	class     Group
	groups    []Group // beside the class
	hasGroups bool    // the sheet has a column for them: the child is in no others
	guardians []party
}

// party is a guardian as a row describes him or her.
type party struct {
	name, relation string
	phones         []string
	addresses      []address.Address
}

func (p party) empty() bool { return p.name == "" && len(p.phones) == 0 && len(p.addresses) == 0 }

// rowReader understands the rows of one sheet.
type rowReader struct {
	sheet    *Sheet
	columns  *Columns
	turn     bool            // of the year
	named    map[string]bool // the folded names of children in all rows, faulty ones, too
	errors   []Note
	warnings []Note
	remarks  remarks
}

// read understands one row. A row with any fault is refused as a whole: to take
// half of it would lose the other half without anybody noticing, and the row
// goes into the file to be corrected. ok is false for such a row.
func (rr *rowReader) read(i int) (e entry, ok bool) {
	row := rr.sheet.Rows[i]
	before := len(rr.errors)
	e = entry{row: i, number: row.Number, hasGroups: rr.columns.has(Groups), guardians: make([]party, rr.columns.guardians)}
	if len(row.Cells) > len(rr.columns.All) {
		rr.fail(row.Number, "", problem.New(problem.Invalid, "見出しより列が多い行です。セルの中の「,」などで列がずれていないか確かめてください。見出しのない列なら、見出しを付けるか、「列の読み取り方」で選んでください。",
			"This row has more cells than there are headers. Please check whether a comma in a cell has moved the others. If a column has no header, give it one or choose what it holds."))
		return e, false
	}
	rr.readChild(&e, row)
	for _, col := range rr.columns.All {
		if cell := row.cell(col.Index); col.Guardian >= 0 && !isNothing(cell) {
			rr.readGuardian(&e.guardians[col.Guardian], e, col, cell)
		}
	}
	rr.finishGuardians(&e)
	if faults := rr.brokenFormulas(row); faults != nil {
		rr.errors = append(rr.errors[:before], faults...) // what else is wrong may follow from them
	}
	if len(rr.errors) > before {
		return e, false
	}
	if !rr.turn || rr.columns.has(Mail) { // a turn's list need not have addresses: the roster has them
		rr.warnUnreachable(e)
	}
	return e, true
}

// brokenFormulas returns what is to be said of the cells that would be names and classes
// of that text.
func (rr *rowReader) brokenFormulas(row Row) (faults []Note) {
	for _, col := range rr.columns.All {
		if cell := row.cell(col.Index); col.Field != Ignored && isBrokenFormula(cell) {
			text := lang.T("「%s」は数式のエラーです。正しい値を入れるか、空にしてください。",
				"“%s” is the error of a formula. Please enter the right value, or leave the cell empty.", clean(cell))
			faults = append(faults, Note{Row: row.Number, Field: col.Field, Message: text})
		}
	}
	return faults
}

// cell returns the text of a cell, "" for one that the row does not have.
func (r Row) cell(i int) string {
	if i >= len(r.Cells) {
		return ""
	}
	return unguard(r.Cells[i])
}

func (rr *rowReader) fail(row int, f Field, err error) {
	rr.errors = append(rr.errors, Note{Row: row, Field: f, Message: problem.Of(err)[0].Text})
}

func (rr *rowReader) warn(row int, f Field, text lang.Text) {
	rr.warnings = append(rr.warnings, Note{Row: row, Field: f, Message: text})
}

func (rr *rowReader) readChild(e *entry, row Row) {
	cells := map[Field]string{}
	for _, col := range rr.columns.All {
		switch cell := row.cell(col.Index); {
		case col.Guardian >= 0 || col.Field == Ignored:
		case col.Field == Groups:
			rr.readGroups(e, cell)
		default:
			cells[col.Field] = cell
		}
	}
	e.child.Name = clean(cells[Name])
	if rr.columns.has(Surname) && rr.columns.has(Given) {
		e.child.Name = clean(cells[Surname] + " " + cells[Given])
	}
	e.child.Kana = narrow(cells[Kana] + " " + cells[SurnameKana] + " " + cells[GivenKana])
	e.child.Number = narrow(cells[Number])
	rr.check(e, Name, checkName(e.child.Name, "児童生徒の氏名", "child's name"))
	rr.check(e, Kana, checkLength(e.child.Kana, "ふりがな", "reading of the name"))
	rr.check(e, Number, checkNumber(e.child.Number))
	rr.named[fold(e.child.Name)] = true
	rr.readSeat(e, cells[Seat])
	rr.readClass(e, cells[GradeOf], cells[ClassOf])
}

// check notes a fault if there is one.
func (rr *rowReader) check(e *entry, f Field, err *problem.Error) {
	if err != nil {
		rr.fail(e.number, f, err)
	}
}

func (rr *rowReader) readClass(e *entry, grade, class string) {
	if !rr.columns.has(ClassOf) {
		class = grade // a school with one class in each grade has no column for it
		grade = ""
		if g, err := parseGrade(class); err == nil && g > 0 {
			class = strconv.Itoa(g) + "年"
		}
	}
	g, err := parseClass(grade, class)
	if err == nil && clean(class) == "" {
		err = checkClass(0, "")
	}
	rr.check(e, ClassOf, err)
	e.class, e.child.Class = g, g.ID
}

func (rr *rowReader) readSeat(e *entry, cell string) {
	s := strings.TrimSuffix(narrow(cell), "番")
	if s == "" {
		return
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 9999 {
		rr.fail(e.number, Seat, problem.New(problem.Invalid, "出席番号「%.20s」は、1から9999までの数字ではありません。直すか、空にしてください。",
			"The seat number “%.20s” is not a number from 1 to 9999. Please correct it or leave it out.", clean(cell)))
	}
	e.child.Seat = n
}

func (rr *rowReader) readGroups(e *entry, cell string) {
	for _, name := range split(cell) {
		g := NewGroup(name)
		switch {
		case isNothing(name), slices.Contains(e.child.Groups, g.ID):
		case len([]rune(name)) > MaxNameLength:
			rr.fail(e.number, Groups, tooLong(name, "グループの名前", "group's name"))
		case len(e.child.Groups) == MaxGroupsPerChild-1:
			rr.fail(e.number, Groups, problem.New(problem.Invalid, "グループが%d件を超えています。減らしてください。",
				"There are more than %d groups. Please leave some out.", MaxGroupsPerChild-1))
			return
		default:
			e.groups, e.child.Groups = append(e.groups, g), append(e.child.Groups, g.ID)
		}
	}
}

func (rr *rowReader) readGuardian(p *party, e entry, col Column, cell string) {
	switch col.Field {
	case GuardianName, GuardianSurname:
		p.name = clean(p.name + " " + cell)
		rr.check(&e, col.Field, checkLength(p.name, "保護者の氏名", "guardian's name"))
	case Relation:
		p.relation = clean(cell)
		rr.check(&e, col.Field, checkLength(p.relation, "続柄", "relation"))
	case Phone:
		rr.readPhones(p, e.number, cell)
	case Mail:
		rr.readMail(p, e.number, cell)
	}
}

func (rr *rowReader) readMail(p *party, row int, cell string) {
	if isNothing(cell) {
		return
	}
	found, err := address.ParseList(cell)
	var faults problem.List
	if errors.As(err, &faults) {
		for _, f := range faults {
			rr.fail(row, Mail, f)
		}
	} else if err != nil {
		rr.fail(row, Mail, err)
	}
	if len(found) > MaxFamilyContacts {
		rr.fail(row, Mail, tooManyContacts(len(found)))
		return
	}
	for _, a := range found {
		for _, doubt := range address.Doubts(a) {
			rr.warn(row, Mail, lang.T("%[1]s: %[2]s", "%[1]s: %[3]s", a.String(), doubt.JA, doubt.EN))
		}
		p.addresses = addAddresses(p.addresses, a)
	}
}

// finishGuardians drops the guardians of whom the row says nothing, and names the
// child itself where it is one of those who answer.
func (rr *rowReader) finishGuardians(e *entry) {
	for _, col := range rr.columns.All {
		if col.Guardian >= 0 {
			p := &e.guardians[col.Guardian]
			if p.relation == "" {
				p.relation = col.Relation
			}
			if col.Relation == "本人" && !p.empty() && p.name == "" {
				p.name = e.child.Name
			}
		}
	}
	e.guardians = slices.DeleteFunc(e.guardians, party.empty)
}

func (rr *rowReader) warnUnreachable(e entry) {
	if !slices.ContainsFunc(e.guardians, func(p party) bool { return len(p.addresses) > 0 }) {
		rr.warn(e.number, Mail, lang.T("「%s」にはメールアドレスがありません。緊急連絡はメールでは届かず、電話の一覧に入ります。",
			"“%s” has no mail address. Alerts cannot reach this child's guardians by mail; the child is listed for phoning.", e.child.Name))
	}
}

func addAddresses(to []address.Address, more ...address.Address) []address.Address {
	for _, a := range more {
		if !slices.ContainsFunc(to, func(b address.Address) bool { return a.Key() == b.Key() }) {
			to = append(to, a)
		}
	}
	return to
}

func addPhones(to []string, more ...string) []string {
	for _, p := range more {
		if !slices.ContainsFunc(to, func(q string) bool { return phoneKey(p) == phoneKey(q) }) {
			to = append(to, p)
		}
	}
	return to
}

func checkLength(text, ja, en string) *problem.Error {
	if len([]rune(text)) > MaxNameLength {
		return tooLong(text, ja, en)
	}
	return nil
}

func checkNumber(number string) *problem.Error {
	if len([]rune(number)) <= MaxNumberLength {
		return nil
	}
	return problem.New(problem.Invalid, "学籍番号「%.40s」は長すぎます。%d文字以内にしてください。",
		"The student number “%.40s” is too long. Please use at most %d characters.", number, MaxNumberLength)
}
