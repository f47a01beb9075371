package console

import (
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

// peopleColumns are the headers of a sheet of staff, as roster.HeaderKey folds them.
var peopleColumns = columnWords(map[string][]string{
	"name":    {"氏名", "名前", "お名前", "教職員名", "職員名", "教員名", "教職員氏名", "職員氏名", "name", "full name", "staff name", "teacher"},
	"surname": {"姓", "氏", "苗字", "surname", "last name", "family name"},
	"given":   {"名", "given name", "first name"},
	"mail":    {"メール", "メールアドレス", "eメール", "アドレス", "mail", "email", "e-mail address", "mail address"},
	"role":    {"役割", "権限", "役職", "職名", "職", "role", "position", "title"},
	"groups":  {"担任", "担当", "担当学級", "担任学級", "学級", "クラス", "組", "学年・組", "グループ", "担当グループ", "部活動", "groups", "group", "class", "classes", "homeroom"},
})

// roleWords are the words for roles. A title that is none of them is a teacher's.
var roleWords = columnWords(map[string][]string{
	string(staff.Manager): {"管理者", "管理職", "校長", "副校長", "教頭", "園長", "manager", "administrator", "admin", "principal", "head", "deputy head", "vice principal"},
	string(staff.Teacher): {"教員", "教職員", "教師", "教諭", "主幹教諭", "指導教諭", "養護教諭", "栄養教諭", "講師", "助教諭", "先生", "担任", "副担任", "teacher", "staff"},
	string(staff.Viewer):  {"閲覧者", "閲覧", "電話係", "事務", "事務職員", "事務員", "viewer", "office", "clerk"},
})

func columnWords(words map[string][]string) map[string]string {
	m := map[string]string{}
	for field, ws := range words {
		for _, w := range ws {
			m[roster.HeaderKey(w)] = field
		}
	}
	return m
}

// personRow is what a row of a sheet means.
type personRow struct {
	Number int
	Staff  staff.Staff // as the person is to be
	Old    staff.Staff // ID "": somebody new
	Wrong  []lang.Text
	Same   bool

	name string // as spellings have it in common
}

// Outcome is what becomes of the row.
func (r personRow) Outcome() lang.Text {
	switch {
	case len(r.Wrong) > 0:
		return lang.T("取り込めません", "Error")
	case r.Same:
		return lang.T("変更なし", "No change")
	case r.Old.ID != "":
		return lang.T("変更", "Changed")
	}
	return lang.T("新規", "New")
}

// Tag is the class of the outcome's mark.
func (r personRow) Tag() string {
	switch {
	case len(r.Wrong) > 0:
		return "refused"
	case r.Same:
		return "over"
	}
	return "open"
}

// RoleName returns what the person's role is called.
func (r personRow) RoleName() lang.Text { return roleNames[r.Staff.Role] }

var errPeopleHeader = problem.New(problem.Invalid,
	"1行目に見出し（氏名、メールアドレス、役割、担任）を入れてください。少なくとも「氏名」が必要です。",
	"Put headers into the first row: name, mail, role, class. At least the name is needed.").In("text")

// peopleReader reads rows of a sheet.
type peopleReader struct {
	school string
	have   []staff.Staff
	groups groupWords
	at     map[string][]int // columns by field
}

// readPeople returns what the rows of a sheet mean at a school where have work
// already. It fails with a problem.Invalid if the sheet has no headers.
func readPeople(sheet *roster.Sheet, school string, have []staff.Staff, groups []roster.Group) ([]personRow, error) {
	p := peopleReader{school: school, have: have, groups: newGroupWords(groups), at: map[string][]int{}}
	for i, cell := range sheet.Rows[0].Cells {
		if field, ok := peopleColumns[roster.HeaderKey(cell)]; ok {
			p.at[field] = append(p.at[field], i)
		}
	}
	if len(p.at["name"])+len(p.at["surname"]) == 0 {
		return nil, errPeopleHeader
	}
	var rows []personRow
	for _, row := range sheet.Rows[1:] {
		r := p.read(row)
		r.twice(rows)
		rows = append(rows, r)
	}
	return rows, nil
}

// twice says with which of the rows above one would make a person twice: that has the
// same address, or the same name where not both have an address to tell them apart.
func (r *personRow) twice(above []personRow) {
	for _, x := range above {
		mails := x.Staff.Mail != "" && r.Staff.Mail != ""
		switch {
		case mails && strings.EqualFold(x.Staff.Mail, r.Staff.Mail):
			r.wrong("%d行目と同じアドレスです。どちらかを消してください。", "Row %d has the same address. Remove one of them.", x.Number)
			return
		case !mails && r.name != "" && x.name == r.name:
			r.wrong("%d行目と同じ氏名です。同じ人なら1行にまとめ、別の人なら両方にメールアドレスを入れてください。",
				"Row %d has the same name. Make one row of them if it is one person; else give both a mail address.", x.Number)
			return
		}
	}
}

func (r *personRow) wrong(ja, en string, args ...any) {
	r.Wrong = append(r.Wrong, lang.T(ja, en, args...))
}

// cell returns the text of a field; several columns are joined.
func (p *peopleReader) cell(row roster.Row, field string) string {
	var parts []string
	for _, i := range p.at[field] {
		if i < len(row.Cells) {
			if c := strings.Join(strings.Fields(row.Cells[i]), " "); c != "" {
				parts = append(parts, c)
			}
		}
	}
	return strings.Join(parts, "、")
}

func (p *peopleReader) read(row roster.Row) personRow {
	r := personRow{Number: row.Number}
	name := p.cell(row, "name")
	if surname := p.cell(row, "surname"); name == "" || surname != "" {
		name = strings.TrimSpace(surname + " " + p.cell(row, "given") + name)
	}
	mail := p.cell(row, "mail")
	if mail != "" {
		a, err := address.Parse(mail)
		if err != nil {
			r.Wrong = append(r.Wrong, problem.Of(err)[0].Text)
		} else {
			mail = a.String()
		}
	}
	r.Old = p.known(&r, name, mail)
	r.Staff = r.Old
	r.Staff.School, r.Staff.Name, r.name = p.school, name, roster.HeaderKey(name)
	if mail != "" {
		r.Staff.Mail = mail
	}
	p.role(&r, p.cell(row, "role"))
	p.ownGroups(&r, p.cell(row, "groups"))
	if name == "" {
		r.wrong("氏名がありません。", "The name is missing.")
	} else if len([]rune(name)) > staff.MaxName {
		r.wrong("氏名が長すぎます（%d文字まで）。", "The name is too long (at most %d characters).", staff.MaxName)
	}
	r.Same = r.Old.ID != "" && r.Old.Name == r.Staff.Name && r.Old.Mail == r.Staff.Mail && r.Old.Role == r.Staff.Role && slices.Equal(r.Old.Groups, r.Staff.Groups)
	return r
}

// known returns who of the school is meant: who has the address, else the only one
// with the name who has no address or of whom none is given.
func (p *peopleReader) known(r *personRow, name, mail string) staff.Staff {
	var same []staff.Staff
	for _, m := range p.have {
		switch {
		case mail != "" && strings.EqualFold(m.Mail, mail):
			if !slices.Contains(schoolRoles, m.Role) {
				r.wrong("教育委員会の人は、学校では変更できません。", "People of the district are not for the school to change.")
			}
			return m
		case roster.HeaderKey(m.Name) == roster.HeaderKey(name) && (mail == "" || m.Mail == "") && slices.Contains(schoolRoles, m.Role):
			same = append(same, m)
		}
	}
	if len(same) > 1 {
		r.wrong("同じ氏名の人が%d人います。メールアドレスを入れてください。", "%d people have this name. Give the mail address.", len(same))
	}
	if len(same) == 1 {
		return same[0]
	}
	return staff.Staff{}
}

// role reads a role. Of an empty cell nothing changes; somebody new is a teacher.
func (p *peopleReader) role(r *personRow, cell string) {
	role, ok := roleWords[roster.HeaderKey(cell)]
	switch {
	case ok:
		r.Staff.Role = staff.Role(role)
	case cell != "":
		r.wrong("役割「%.30s」がわかりません。教員・管理者・閲覧者のどれかにしてください。", "The role “%.30s” is not known. Use teacher, manager or viewer.", cell)
	case r.Old.ID == "":
		r.Staff.Role = staff.Teacher
	}
}

// ownGroups reads classes and groups. Of a sheet without such a column, and of an
// empty cell, nothing changes.
func (p *peopleReader) ownGroups(r *personRow, cell string) {
	if cell == "" {
		return
	}
	r.Staff.Groups = nil
	for _, word := range splitWords(cell) {
		ids := p.groups[roster.HeaderKey(word)]
		if len(ids) == 0 {
			r.wrong("クラス・グループ「%.30s」が名簿にありません。", "There is no class or group “%.30s” in the roster.", word)
		}
		r.Staff.Groups = append(r.Staff.Groups, ids...)
	}
	slices.Sort(r.Staff.Groups)
	r.Staff.Groups = slices.Compact(r.Staff.Groups)
}

// splitWords parts a cell that lists several things.
func splitWords(cell string) []string {
	words := strings.FieldsFunc(cell, func(r rune) bool { return strings.ContainsRune(",、，;；/／\n\r", r) })
	var all []string
	for _, w := range words {
		if w = strings.TrimSpace(w); w != "" {
			all = append(all, w)
		}
	}
	return all
}

// groupWords are the ids that the names of groups stand for: for a grade, its classes.
type groupWords map[string][]string

func newGroupWords(groups []roster.Group) groupWords {
	w := groupWords{}
	for _, g := range groups {
		ids := []string{g.ID}
		if g.Kind == roster.Grade {
			ids = g.Classes
		}
		w[roster.HeaderKey(g.Name)] = ids
	}
	return w
}
