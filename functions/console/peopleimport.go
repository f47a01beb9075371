package console

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// maxPeopleSheet is the most bytes of a sheet of staff, as a form carries it.
const maxPeopleSheet = 1 << 20

// maxPeople is the most rows of one: a large school has two hundred.
const maxPeople = 500

// peopleImportPage is the data of people_import.html.
type peopleImportPage struct {
	web.Base
	Text   string
	Rows   []personRow // none: nothing was read yet
	Groups map[string]roster.Group
	Mail   bool // invitations are to be mailed
}

// Counts returns how many rows are new, changed and wrong.
func (p *peopleImportPage) Counts() (c struct{ New, Changed, Wrong int }) {
	for _, r := range p.Rows {
		switch {
		case len(r.Wrong) > 0:
			c.Wrong++
		case r.Old.ID == "":
			c.New++
		case !r.Same:
			c.Changed++
		}
	}
	return c
}

// Any reports whether there is anything to import.
func (p *peopleImportPage) Any() bool { c := p.Counts(); return c.New+c.Changed > 0 }

func (s *Server) importPeople(*http.Request, staff.Staff) (web.Response, error) {
	return web.Page{Template: "people_import.html", Data: &peopleImportPage{Mail: true, Base: web.Base{Scripts: []string{"once.js"}}}}, nil
}

// readSheet returns the page with what the posted sheet means: the file if one was
// chosen, else the text.
func (s *Server) readSheet(r *http.Request, me staff.Staff) (*peopleImportPage, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	p := &peopleImportPage{Text: form.Get("text"), Mail: form.Get("mail") == "1", Base: web.Base{Scripts: []string{"once.js"}}}
	sheet, err := sheetOfForm(r, p.Text)
	if err == nil {
		p.Text = sheetText(sheet)
		err = s.meaning(r, me, p, sheet)
	}
	if wrong := s.site.Mendable(err); len(wrong) > 0 {
		p.Problems = problem.List{wrong[0].In("text")}
		return p, nil
	}
	return p, err
}

func (s *Server) meaning(r *http.Request, me staff.Staff, p *peopleImportPage, sheet *roster.Sheet) error {
	if len(sheet.Rows) > maxPeople+1 {
		return problem.New(problem.TooLarge, "一度に取り込めるのは%d人までです。分けて取り込んでください。", "At most %d people at once: import them in parts.", maxPeople)
	}
	groups, err := s.Roster.Groups(r.Context(), me.School)
	if err != nil {
		return err
	}
	have, err := s.Staff.OfSchool(r.Context(), me.School)
	if err != nil {
		return err
	}
	if p.Groups, err = s.schoolGroups(r.Context(), me.School); err != nil {
		return err
	}
	p.Rows, err = readPeople(sheet, me.School, have, groups)
	return err
}

func sheetOfForm(r *http.Request, text string) (*roster.Sheet, error) {
	if r.MultipartForm != nil {
		f, _, err := r.FormFile("file")
		if err == nil {
			defer func() { _ = f.Close() }()
			return roster.ReadSheet(f, maxPeopleSheet)
		}
		if !errors.Is(err, http.ErrMissingFile) {
			return nil, err
		}
	}
	if strings.TrimSpace(text) == "" {
		return nil, problem.New(problem.Invalid, "ファイルを選ぶか、表を貼り付けてください。", "Choose a file, or paste a table.")
	}
	return roster.ReadSheet(strings.NewReader(text), maxPeopleSheet)
}

// sheetText writes a sheet as text that can be corrected in the page.
func sheetText(sheet *roster.Sheet) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	for _, row := range sheet.Rows {
		_ = w.Write(row.Cells) // a strings.Builder takes everything
	}
	w.Flush()
	return b.String()
}

func (s *Server) previewPeople(r *http.Request, me staff.Staff) (web.Response, error) {
	p, err := s.readSheet(r, me)
	if err != nil {
		return nil, err
	}
	return web.Page{Template: "people_import.html", Data: p}, nil
}

// commitPeople imports the rows that are right, and shows the others again.
func (s *Server) commitPeople(r *http.Request, me staff.Staff) (web.Response, error) {
	p, err := s.readSheet(r, me)
	if err != nil {
		return nil, err
	}
	if len(p.Problems) > 0 {
		return web.Page{Template: "people_import.html", Data: p}, nil
	}
	c := p.Counts()
	said := fmt.Sprintf("CSV: 新規%d人 変更%d人", c.New, c.Changed)
	err = s.record(r.Context(), entry(me, audit.People, "", said), func() error { return s.commitRows(r, me, p.Rows) })
	if wrong := s.site.Mendable(err); len(wrong) > 0 {
		p.Problems = wrong
		return web.Page{Template: "people_import.html", Data: p}, nil
	}
	if err != nil {
		return nil, err
	}
	unsent := 0
	if p.Mail {
		unsent = s.inviteNew(r, p.Rows)
	}
	done := &peopleImportPage{Mail: p.Mail, Base: p.Base, Groups: p.Groups}
	done.Notice = lang.T("取り込みました（新規%d人、変更%d人）。", "Imported (new: %d, changed: %d).", c.New, c.Changed).In(web.Language(r))
	if unsent > 0 {
		done.Notice += lang.T("招待メールを送れなかった人が%d人います。教職員の画面からコードを印刷してください。", " Invitations that could not be mailed: %d. Print codes from the list of people.", unsent).In(web.Language(r))
	}
	for _, row := range p.Rows {
		if len(row.Wrong) > 0 {
			done.Rows = append(done.Rows, row)
		}
	}
	if len(done.Rows) > 0 {
		done.Text = onlyRows(p.Text, done.Rows)
	}
	return web.Page{Template: "people_import.html", Data: done}, nil
}

// onlyRows returns the headers and the given rows of a text of sheetText.
func onlyRows(text string, rows []personRow) string {
	sheet, err := roster.ReadSheet(strings.NewReader(text), maxPeopleSheet)
	if err != nil {
		return text
	}
	keep := map[int]bool{}
	for _, r := range rows {
		keep[r.Number] = true
	}
	sheet.Rows = slices.DeleteFunc(sheet.Rows, func(r roster.Row) bool { return r.Number > sheet.Rows[0].Number && !keep[r.Number] })
	return sheetText(sheet)
}

// commitRows writes first who changes, because that can be refused, then who is new.
func (s *Server) commitRows(r *http.Request, me staff.Staff, rows []personRow) error {
	var changed []staff.Staff
	for _, row := range rows {
		if len(row.Wrong) == 0 && row.Old.ID != "" && !row.Same {
			changed = append(changed, row.Staff)
		}
	}
	if len(changed) > 0 {
		if err := s.Staff.Change(r.Context(), me.School, changed...); err != nil {
			return err
		}
	}
	for i, row := range rows {
		if len(row.Wrong) > 0 || row.Old.ID != "" {
			continue
		}
		m, err := s.Staff.PutStaff(r.Context(), row.Staff)
		if err != nil {
			return err
		}
		rows[i].Staff = m
	}
	return nil
}

// inviteNew mails those who are new, and returns how many mails did not leave.
func (s *Server) inviteNew(r *http.Request, rows []personRow) (unsent int) {
	for _, row := range rows {
		if len(row.Wrong) > 0 || row.Old.ID != "" {
			continue
		}
		if row.Staff.Mail == "" {
			unsent++
			continue
		}
		if err := s.invite(r.Context(), row.Staff); err != nil {
			unsent++
			s.Log.Error("invitation not mailed", "staff", row.Staff.ID, "err", err)
		}
	}
	return unsent
}
