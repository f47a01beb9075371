package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/todoku/todoku/functions/console/imports"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// maxNotes is how many errors, and how many warnings, a page shows. All errors
// are in the file to be corrected.
const maxNotes = 50

// previewPage is the data of roster_preview.html.
type previewPage struct {
	resultPage
	Warnings []roster.Note
	Columns  []columnChoice
	Fields   []fieldOption
}

// resultPage is the data of roster_result.html.
type resultPage struct {
	web.Base
	Import    imports.Import
	Plan      *roster.Plan // nil: the file is kept no longer, or has no errors
	Errors    []roster.Note
	ErrorRows int
}

// Seen names what the preview shows, so that nothing else is confirmed.
func (d *previewPage) Seen() string { return d.Plan.Seen() }

// Same reports whether the roster holds all that the good rows say.
func (d *previewPage) Same() bool {
	tallies := []roster.Tally{d.Plan.Children, d.Plan.Guardians, d.Plan.Contacts}
	return !slices.ContainsFunc(tallies, func(t roster.Tally) bool { return t.Added+t.Changed > 0 })
}

// MoreErrors is how many errors are not shown.
func (d *resultPage) MoreErrors() int { return len(d.Plan.Errors) - len(d.Errors) }

// MoreWarnings is how many warnings are not shown.
func (d *previewPage) MoreWarnings() int { return len(d.Plan.Warnings) - len(d.Warnings) }

func first[T any](all []T, most int) []T { return all[:min(len(all), most)] }

// preview shows what an import would do, with why it was not begun if somebody has
// confirmed it. A sheet whose columns are not understood is shown with a question for
// each.
func (p *rosterPages) preview(ctx context.Context, me staff.Staff, in imports.Import, wrong problem.List) (web.Response, error) {
	sheet, plan, err := p.imports.Plan(ctx, me.School, in)
	var e *problem.Error
	if sheet != nil && errors.As(err, &e) && e.Kind == problem.Invalid {
		return p.askColumns(ctx, me, in, sheet, e)
	}
	if err != nil {
		return nil, imports.Withhold(err)
	}
	imports.Doubt(ctx, p.Hosts, plan)
	if in.Turn {
		return p.turnPreview(ctx, me, in, sheet, plan, nil)
	}
	mapping, err := p.mapping(ctx, me, in)
	if err != nil {
		return nil, err
	}
	data := &previewPage{
		resultPage: newResult(in, plan), Warnings: first(plan.Warnings, maxNotes),
		Columns: columnChoices(sheet, plan.Columns, mapping), Fields: fieldOptions,
	}
	data.Problems, data.Scripts = wrong, []string{"once.js"}
	page := web.Page{Template: "roster_preview.html", Data: data}
	if len(wrong) > 0 {
		page.Status = web.Status(wrong[0].Kind)
	}
	return page, nil
}

var importChanged = problem.New(problem.Conflict,
	"確認している間に名簿が変わったため、まだ取り込んでいません。下の内容をもう一度確かめてから、取り込んでください。",
	"The roster has changed meanwhile, so nothing was imported. Look at the new preview below, then confirm.")

// confirmImport begins an import if it does what was seen. Else, and if the file cannot
// be imported any more, it shows the preview anew.
func (p *rosterPages) confirmImport(r *http.Request, me staff.Staff, in imports.Import) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	_, plan, err := p.imports.Plan(r.Context(), me.School, in)
	if err != nil || form.Get("seen") != plan.Seen() {
		return p.preview(r.Context(), me, in, problem.List{importChanged})
	}
	if err := p.begin(r.Context(), me, in.ID, imported(plan)); err != nil {
		return nil, err
	}
	return web.Redirect{To: importPath(in.ID)}, nil
}

// imported is what the audit log says of an import.
func imported(plan *roster.Plan) string {
	return fmt.Sprintf("名簿の取り込み / 追加%d人 / 変更%d人", plan.Children.Added, plan.Children.Changed)
}

func newResult(in imports.Import, plan *roster.Plan) resultPage {
	return resultPage{Import: in, Plan: plan, Errors: first(plan.Errors, maxNotes), ErrorRows: plan.ErrorRows()}
}

// result shows what an import did, and what is left to be corrected.
func (p *rosterPages) result(ctx context.Context, me staff.Staff, in imports.Import) (web.Response, error) {
	data := resultPage{Import: in}
	if !in.Ended(p.Now()) && in.Counts.Errors > 0 {
		_, plan, err := p.imports.Plan(ctx, me.School, in)
		if err != nil {
			return nil, imports.Withhold(err)
		}
		data = newResult(in, plan)
	}
	return web.Page{Template: "roster_result.html", Data: &data}, nil
}

// columnsPage is the data of roster_columns.html.
type columnsPage struct {
	web.Base
	Import  imports.Import
	Columns []columnChoice
	Fields  []fieldOption
}

// Asking reports whether the page is there for its questions about columns.
func (d *columnsPage) Asking() bool { return true }

// Asking reports the same of a preview.
func (d *previewPage) Asking() bool { return false }

var whichColumns = problem.New(problem.Invalid,
	"「氏名」と「組」（または「学年」）がどの列か分かりません。下で選んでください。",
	"It is not clear which columns hold the name and the class (or grade). Choose below.")

// askColumns asks what the columns hold. why is what is wrong with the sheet; if
// that is its headers, the question says so in fewer words.
func (p *rosterPages) askColumns(ctx context.Context, me staff.Staff, in imports.Import, sheet *roster.Sheet, why *problem.Error) (web.Response, error) {
	mapping, err := p.mapping(ctx, me, in)
	if err != nil {
		return nil, err
	}
	data := &columnsPage{Import: in, Columns: columnChoices(sheet, nil, mapping), Fields: fieldOptions}
	if _, err := sheet.Columns(mapping); err != nil {
		why = whichColumns
	}
	data.Problems = problem.List{why.In("columns")}
	return web.Page{Status: http.StatusOK, Template: "roster_columns.html", Data: data}, nil // a question
}

// mapping returns the columns that were named by hand: for this file, else for
// the school's files before.
func (p *rosterPages) mapping(ctx context.Context, me staff.Staff, in imports.Import) (roster.Mapping, error) {
	if in.Mapping != nil {
		return in.Mapping, nil
	}
	return p.Roster.Mapping(ctx, me.School)
}

// columnChoice asks what a column holds.
type columnChoice struct {
	Key     string      // in a roster.Mapping
	Place   int         // from 1
	Header  string      // "" if it has none
	Samples []string    // the first values below it
	Found   fieldOption // what the header says by itself
	Chosen  string      // fieldOption.Value that was chosen by hand, "" if none
}

// fieldOption is one thing that a column can hold.
type fieldOption struct {
	Value string // such as "name" or "mail:2"
	Text  lang.Text
}

var fieldNames = map[roster.Field]lang.Text{
	roster.Number:          lang.T("学籍番号", "Student number"),
	roster.GradeOf:         lang.T("学年", "Grade"),
	roster.ClassOf:         lang.T("組", "Class"),
	roster.Seat:            lang.T("出席番号", "Number in class"),
	roster.Name:            lang.T("氏名", "Name"),
	roster.Surname:         lang.T("姓", "Surname"),
	roster.Given:           lang.T("名", "Given name"),
	roster.Kana:            lang.T("ふりがな", "Kana"),
	roster.SurnameKana:     lang.T("姓のふりがな", "Kana of the surname"),
	roster.GivenKana:       lang.T("名のふりがな", "Kana of the given name"),
	roster.Groups:          lang.T("グループ（部活など）", "Groups, such as clubs"),
	roster.GuardianName:    {JA: "保護者%dの氏名", EN: "Guardian %d: name"},
	roster.GuardianSurname: {JA: "保護者%dの姓", EN: "Guardian %d: surname"},
	roster.Relation:        {JA: "保護者%dの続柄", EN: "Guardian %d: relation"},
	roster.Phone:           {JA: "保護者%dの電話", EN: "Guardian %d: phone"},
	roster.Mail:            {JA: "保護者%dのメール", EN: "Guardian %d: mail"},
	roster.Ignored:         lang.T("使わない", "Not used"),
}

// offeredGuardians is how many guardians of a row can be named by hand.
const offeredGuardians = 2

var fieldOptions = listFields()

func listFields() []fieldOption {
	var all []fieldOption
	for _, f := range roster.Fields() {
		if !ofGuardian(f) {
			all = append(all, option(f, 0))
		}
	}
	for n := range offeredGuardians {
		for _, f := range roster.Fields() {
			if ofGuardian(f) {
				all = append(all, option(f, n+1))
			}
		}
	}
	return all
}

func ofGuardian(f roster.Field) bool { return strings.Contains(fieldNames[f].EN, "%d") }

// option returns the option for a field; of the n-th guardian, if it is one's.
func option(f roster.Field, n int) fieldOption {
	if !ofGuardian(f) {
		return fieldOption{Value: string(f), Text: fieldNames[f]}
	}
	n = max(n, 1)
	return fieldOption{Value: fmt.Sprintf("%s:%d", f, n), Text: lang.T(fieldNames[f].JA, fieldNames[f].EN, n)}
}

// target is the inverse of option.
func target(value string) roster.Target {
	field, number, _ := strings.Cut(value, ":")
	n, _ := strconv.Atoi(number) // what is no number is refused by SaveMapping's check, or is the first
	return roster.Target{Field: roster.Field(field), Guardian: n}
}

// columnChoices asks about every column that has a header or values; found is nil if
// the headers say too little.
func columnChoices(sheet *roster.Sheet, found *roster.Columns, mapping roster.Mapping) []columnChoice {
	row := 0
	if found != nil {
		row = found.Row
	}
	var choices []columnChoice
	headers := sheet.Headers(row)
	keys, chosen := roster.ColumnKeys(headers), mapping.Of(headers)
	for i, text := range headers {
		c := columnChoice{Key: keys[i], Place: i + 1, Header: strings.TrimSpace(text), Samples: samples(sheet, row, i)}
		if c.Header == "" && len(c.Samples) == 0 {
			continue
		}
		if found != nil && i < len(found.All) {
			c.Found = option(found.All[i].Field, found.All[i].Guardian+1)
		}
		if t, ok := chosen[i]; ok {
			c.Chosen = option(t.Field, t.Guardian).Value
		}
		choices = append(choices, c)
	}
	return choices
}

// samples returns the first values of a column, shortened.
func samples(sheet *roster.Sheet, row, column int) []string {
	const most, longest = 2, 20
	var values []string
	for _, r := range sheet.Rows[row+1:] {
		if column >= len(r.Cells) || strings.TrimSpace(r.Cells[column]) == "" {
			continue
		}
		v := []rune(strings.Join(strings.Fields(r.Cells[column]), " "))
		values = append(values, string(first(v, longest)))
		if len(values) == most {
			break
		}
	}
	return values
}

// nameColumns notes what the columns hold, for this file; a confirmed import has
// it remembered for the school.
func (p *rosterPages) nameColumns(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	mapping, err := chosenColumns(form)
	if err != nil {
		return nil, err
	}
	importID := r.PathValue("id")
	_, err = p.imports.Change(r.Context(), me.School, importID, func(in *imports.Import) bool {
		in.Mapping = mapping
		return in.State == imports.Waits
	})
	if err != nil {
		return nil, err
	}
	return web.Redirect{To: importPath(importID)}, nil
}

var badColumns = problem.New(problem.Invalid,
	"列の選び方を読み取れませんでした。前の画面に戻り、もう一度選んでください。",
	"What the columns hold could not be read. Go back and choose again.")

// chosenColumns reads the form: pairs of a column's key and field, in their order.
func chosenColumns(form web.Form) (roster.Mapping, error) {
	keys, fields := form.Values["header"], form.Values["field"]
	if len(keys) != len(fields) || len(form.Wrong) > 0 {
		return nil, badColumns
	}
	m := roster.Mapping{}
	for i, value := range fields {
		if value == "" {
			continue // as its header says
		}
		if !slices.ContainsFunc(fieldOptions, func(o fieldOption) bool { return o.Value == value }) {
			return nil, badColumns
		}
		m[keys[i]] = target(value)
	}
	return m, nil
}
