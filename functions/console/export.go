package console

import (
	"context"
	"encoding/csv"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/desk"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// familiesPerRead is how many families the export holds in memory at a time.
const familiesPerRead = 200

// childrenCSV streams all children of an alert, with what is known of each.
func (s *Server) childrenCSV(r *http.Request, me staff.Staff) (web.Response, error) {
	return s.alertCSV(r, me, "todoku-", exportHead, func(e *export, a *alert.Alert, groups map[string]roster.Group) func([]alert.ChildLine) error {
		return func(lines []alert.ChildLine) error {
			for _, c := range s.childLines(a, lines, groups) {
				record, err := e.calls(c.Ref)
				if err != nil {
					return err
				}
				if err := e.write(append(e.row(c), e.told(c, record)...)); err != nil {
					return err
				}
			}
			return e.flush()
		}
	})
}

// callsCSV streams all calls of an alert.
func (s *Server) callsCSV(r *http.Request, me staff.Staff) (web.Response, error) {
	return s.alertCSV(r, me, "todoku-calls-", callsHead, func(e *export, a *alert.Alert, groups map[string]roster.Group) func([]alert.ChildLine) error {
		return func(lines []alert.ChildLine) error {
			for _, c := range s.childLines(a, lines, groups) {
				if c.ID != c.Family.Children[0].ID {
					continue // a family stands with its first child
				}
				record, err := e.calls(c.Ref)
				if err != nil {
					return err
				}
				for _, call := range record.Calls {
					if err := e.write(e.callRow(c, call)); err != nil {
						return err
					}
				}
			}
			return e.flush()
		}
	})
}

// alertCSV streams a file that is made of all children of an alert, class by class.
func (s *Server) alertCSV(r *http.Request, me staff.Staff, name string, head []lang.Text, each func(*export, *alert.Alert, map[string]roster.Group) func([]alert.ChildLine) error) (web.Response, error) {
	ctx := r.Context()
	a, err := s.alertOf(ctx, me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	school, err := s.Roster.School(ctx, me.School)
	if err != nil {
		return nil, err
	}
	groups, err := s.schoolGroups(ctx, me.School)
	if err != nil {
		return nil, err
	}
	write := func(w io.Writer) error {
		e := export{csv: csv.NewWriter(w), lang: web.Language(r), zone: school.Location()}
		e.calls = s.callsByClass(ctx)
		if err := e.begin(w, head); err != nil {
			return err
		}
		return s.eachChild(ctx, a.ID, each(&e, &a, groups))
	}
	file := name + a.Starts.In(school.Location()).Format("20060102-1504") + ".csv"
	return web.Download{Name: file, Type: "text/csv; charset=utf-8", Write: write}, nil
}

// callsByClass returns a function that says what the desk knows of a family. It reads a
// class at a time and keeps a few: families come class by class, and those with
// children in two are kept in one of them.
func (s *Server) callsByClass(ctx context.Context) func(alert.Ref) (desk.Record, error) {
	const few = 8
	known := map[string]map[string]desk.Record{}
	return func(ref alert.Ref) (desk.Record, error) {
		if known[ref.Class] == nil {
			if len(known) >= few {
				clear(known)
			}
			var err error
			if known[ref.Class], err = s.desk().Records(ctx, ref.Alert, ref.Class); err != nil {
				return desk.Record{}, err
			}
		}
		return known[ref.Class][ref.Family], nil
	}
}

func (s *Server) eachChild(ctx context.Context, alertID string, f func([]alert.ChildLine) error) error {
	for cursor := ""; ; {
		lines, next, err := s.Alerts.AllChildren(ctx, alertID, cursor, familiesPerRead)
		if err != nil {
			return err
		}
		if err := f(lines); err != nil {
			return err
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}

// export writes children as CSV that Excel opens in Japanese: UTF-8 with a byte
// order mark, lines ended by CR LF.
type export struct {
	csv  *csv.Writer
	lang lang.Lang
	zone *time.Location
	// calls says what the desk knows of a family.
	calls func(alert.Ref) (desk.Record, error)
}

var exportHead = []lang.Text{
	lang.T("クラス", "Class"), lang.T("出席番号", "Seat"), lang.T("氏名", "Name"), lang.T("ふりがな", "Kana"),
	lang.T("状況", "State"), lang.T("回答", "Answer"), lang.T("要支援", "Needs help"), lang.T("回答日時", "Answered at"),
	lang.T("回答方法", "Way"), lang.T("保護者", "Guardians"), lang.T("電話", "Phones"),
	lang.T("メール", "Mails"), lang.T("延期・拒否の理由", "Put off or refused because"), lang.T("電話の回数", "Calls"),
	lang.T("最後の電話", "Last call"), lang.T("電話の結果", "Outcome"), lang.T("電話した人", "Called by"), lang.T("電話のメモ", "Note"),
}

var callsHead = []lang.Text{
	lang.T("日時", "When"), lang.T("クラス", "Class"), lang.T("児童生徒", "Children"), lang.T("電話番号", "Number"),
	lang.T("電話の結果", "Outcome"), lang.T("聞いた回答", "Told"), lang.T("かけ直す日時", "Call back at"), lang.T("電話した人", "Called by"), lang.T("メモ", "Note"),
}

func (e *export) begin(w io.Writer, texts []lang.Text) error {
	if _, err := io.WriteString(w, "\uFEFF"); err != nil {
		return err
	}
	e.csv.UseCRLF = true
	head := make([]string, len(texts))
	for i, t := range texts {
		head[i] = t.In(e.lang)
	}
	return e.csv.Write(head)
}

func (e *export) write(row []string) error {
	for i := range row {
		row[i] = formulaSafe(row[i])
	}
	return e.csv.Write(row)
}

func (e *export) flush() error {
	e.csv.Flush()
	return e.csv.Error()
}

// time writes a time as spreadsheets read it; "" for none.
func (e *export) time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(e.zone).Format("2006-01-02 15:04:05")
}

// told is how a child's guardians were told: by mail, and on the phone.
func (e *export) told(c childLine, r desk.Record) []string {
	var mails, reasons []string
	for _, m := range c.Family.Copies {
		if !slices.Contains(c.Child.Guardians, m.Guardian) {
			continue
		}
		line := c.lanes(m.Lane).In(e.lang) + " " + copyStateNames[m.State].In(e.lang) + " " + e.time(m.At)
		if left := m.Left(); !left.IsZero() && m.State != alert.Sent {
			line += " (" + copyStateNames[alert.Sent].In(e.lang) + " " + e.time(left) + ")"
		}
		mails = append(mails, line)
		if why := refusal(m); why != "" {
			reasons = append(reasons, why)
		}
	}
	row := []string{strings.Join(mails, " / "), strings.Join(reasons, " / "), "", "", "", "", ""}
	if last, ok := r.Last(); ok {
		row[2], row[3], row[4] = strconv.Itoa(len(r.Calls)), e.time(last.At), outcomeNames[last.Outcome].In(e.lang)
		row[5], row[6] = last.By.Name, last.Note
	}
	return row
}

func (e *export) callRow(c childLine, call desk.Call) []string {
	var names, told []string
	for _, child := range c.Family.Children {
		names = append(names, child.Name)
		if choice, ok := c.alert.Choice(call.Choices[child.ID]); ok {
			told = append(told, choice.Text().In(e.lang))
		}
	}
	return []string{
		e.time(call.At), c.ClassName, strings.Join(names, " / "), call.Phone, outcomeNames[call.Outcome].In(e.lang),
		strings.Join(told, " / "), e.time(call.CallAt), call.By.Name, call.Note,
	}
}

func (e *export) row(c childLine) []string {
	row := []string{c.ClassName, "", c.Name, c.Kana, c.StateName().In(e.lang), "", "", "", "", "", ""}
	if c.Seat > 0 {
		row[1] = strconv.Itoa(c.Seat)
	}
	if a := c.Answer; a != nil {
		row[5], row[7], row[8] = c.Said().In(e.lang), e.time(a.At), wayNames[a.Way].In(e.lang)
		if a.Help {
			row[6] = lang.T("要", "yes").In(e.lang)
		}
	}
	var names, phones []string
	for _, g := range c.GuardianList() {
		names = append(names, g.Name)
		phones = append(phones, g.Phones...)
	}
	row[9], row[10] = strings.Join(names, " / "), strings.Join(phones, " / ")
	return row
}

// formulaSafe keeps a spreadsheet from taking what somebody typed for a formula
// (OWASP, "CSV Injection").
func formulaSafe(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(s)[0]) {
		return "'" + s
	}
	return s
}
