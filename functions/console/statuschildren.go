package console

import (
	"cmp"
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

// familiesPerPage is more than any class has, so a class is one page, and a
// group that is not a class is a few.
const familiesPerPage = 60

// childrenPage is the data of class.html and help.html.
type childrenPage struct {
	web.Base
	Alert    alert.Alert
	State    alert.State
	At       time.Time
	Group    string      // id of the class; "" where classes are mixed
	Class    string      // its name
	Open     []childLine // nobody answered, or help is needed: those to be phoned
	Answered []childLine
	Next     string // where the list goes on; "": nowhere
	Link     string // the path of the page
	Every    int    // seconds until the next look
}

// childLine is a child in a list.
type childLine struct {
	alert.ChildLine
	ClassName string
	lanes     func(name string) lang.Text
	alert     *alert.Alert
}

// childRow is a child with what the part "child" needs of its page.
type childRow struct {
	Page      *web.Base
	Child     childLine
	ShowClass bool
}

// Row returns a child for the part "child".
func (p *childrenPage) Row(c childLine) childRow {
	return childRow{Page: &p.Base, Child: c, ShowClass: p.Group == ""}
}

// class lists the children of one class: it reads one page of its families.
func (s *Server) class(r *http.Request, me staff.Staff) (web.Response, error) {
	ctx, group := r.Context(), r.PathValue("group")
	a, err := s.alertOf(ctx, me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	groups, err := s.schoolGroups(ctx, me.School)
	if err != nil {
		return nil, err
	}
	lines, next, err := s.Alerts.Children(ctx, a.ID, group, r.URL.Query().Get("after"), familiesPerPage)
	if err != nil {
		return nil, err
	}
	if _, known := groups[group]; len(lines) == 0 && !known {
		return nil, alert.ErrNotFound
	}
	p := s.childrenPage(r, a, "/alerts/"+a.ID+"/classes/"+group)
	p.Group, p.Class, p.Next = group, groups[group].Name, next
	p.add(s.childLines(&a, lines, groups))
	p.sort()
	return web.Page{Template: "class.html", Data: p}, nil
}

func (s *Server) childrenPage(r *http.Request, a alert.Alert, link string) *childrenPage {
	p := &childrenPage{Alert: a, State: a.State(s.Now()), At: s.Now(), Link: link, Every: lookSeldom}
	p.Scripts = []string{statusScript}
	p.Refresh = lookSeldom
	if after := r.URL.Query().Get("after"); after != "" {
		p.Link = r.URL.RequestURI()
	}
	return p
}

func (s *Server) childLines(a *alert.Alert, lines []alert.ChildLine, groups map[string]roster.Group) []childLine {
	out := make([]childLine, len(lines))
	label := func(name string) lang.Text { return s.Lanes.Named(name).Label }
	for i, l := range lines {
		out[i] = childLine{ChildLine: l, ClassName: groups[l.Class].Name, lanes: label, alert: a}
	}
	return out
}

func (p *childrenPage) add(lines []childLine) {
	for _, l := range lines {
		if l.State == alert.Answered && !l.Answer.Help {
			p.Answered = append(p.Answered, l)
		} else {
			p.Open = append(p.Open, l)
		}
	}
}

// sort puts who needs help first, then the children by seat.
func (p *childrenPage) sort() {
	bySeat := func(a, b childLine) int {
		return cmp.Or(cmp.Compare(boolInt(b.Help()), boolInt(a.Help())), cmp.Compare(a.Seat, b.Seat), strings.Compare(a.Kana+a.Name, b.Kana+b.Name))
	}
	slices.SortStableFunc(p.Open, bySeat)
	slices.SortStableFunc(p.Answered, bySeat)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// help lists the children who need help. It reads the families of those classes
// only whose counters say that somebody there needs it, one page of classes.
func (s *Server) help(r *http.Request, me staff.Staff) (web.Response, error) {
	ctx := r.Context()
	a, err := s.alertOf(ctx, me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	groups, err := s.schoolGroups(ctx, me.School)
	if err != nil {
		return nil, err
	}
	p := s.childrenPage(r, a, "/alerts/"+a.ID+"/help")
	classes, next, err := s.Alerts.Classes(ctx, a.ID, r.URL.Query().Get("after"), classesPerPage)
	if err != nil {
		return nil, err
	}
	p.Next = next
	for _, c := range classes {
		lines, err := s.needHelp(ctx, a.ID, c)
		if err != nil {
			return nil, err
		}
		p.add(s.childLines(&a, only(me, lines), groups))
	}
	p.sort()
	return web.Page{Template: "help.html", Data: p}, nil
}

func (s *Server) needHelp(ctx context.Context, alertID string, c alert.ClassStatus) ([]alert.ChildLine, error) {
	var found []alert.ChildLine
	for after := ""; c.Help > 0; {
		lines, next, err := s.Alerts.Children(ctx, alertID, c.Class, after, familiesPerPage)
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			if l.Answer != nil && l.Answer.Help {
				found = append(found, l)
			}
		}
		if next == "" {
			break
		}
		after = next
	}
	return found, nil
}

// Help reports whether help is needed for the child.
func (c childLine) Help() bool { return c.Answer != nil && c.Answer.Help }

// StateName returns what the child's state is called.
func (c childLine) StateName() lang.Text { return childStateNames[c.State] }

// Said returns the words of the answer.
func (c childLine) Said() lang.Text {
	if c.Answer == nil {
		return lang.Text{}
	}
	choice, ok := c.alert.Choice(c.Answer.Choice)
	if !ok {
		return lang.Text{JA: c.Answer.Choice, EN: c.Answer.Choice}
	}
	return choice.Text()
}

// mailLine is what became of one copy, in words.
type mailLine struct{ Lane, State lang.Text }

// Mails returns what became of the copies to one of the child's guardians.
func (c childLine) Mails(guardian alert.Guardian) []mailLine {
	var lines []mailLine
	for _, m := range c.Family.Copies {
		if c.Family.Guardians[m.Guardian].ID == guardian.ID {
			lines = append(lines, mailLine{c.lanes(m.Lane), copyStateNames[m.State]})
		}
	}
	return lines
}

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
