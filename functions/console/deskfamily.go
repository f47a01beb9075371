package console

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/desk"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// callForm is the form in which a call is entered, as it was filled in.
type callForm struct {
	ID      string
	Outcome string
	Phone   string
	Choices map[string]string // by child
	CallAt  string            // as the browser writes local time
	Note    string
	Newest  string // nanoseconds since 1970
	As      string // whose page it was, by id
}

func readCall(v url.Values) callForm {
	f := callForm{
		ID: v.Get("id"), Outcome: v.Get("outcome"), Phone: v.Get("phone"), CallAt: v.Get("call_at"),
		Note: v.Get("note"), Newest: v.Get("newest"), As: v.Get("as"), Choices: map[string]string{},
	}
	for name := range v {
		if child, ok := strings.CutPrefix(name, "choice_"); ok && v.Get(name) != "" {
			f.Choices[child] = v.Get(name)
		}
	}
	return f
}

const maxEntryID = 64

// entry is the call that the form says.
func (f callForm) entry(me staff.Staff, zone *time.Location) (desk.Entry, error) {
	e := desk.Entry{Call: desk.Call{
		ID: f.ID, By: caller(me), Outcome: desk.Outcome(f.Outcome), Phone: f.Phone, Note: strings.ReplaceAll(f.Note, "\r\n", "\n"), Choices: f.Choices,
	}, Newest: nanoseconds(f.Newest)}
	if f.ID == "" || len(f.ID) > maxEntryID || len(f.Phone) > maxEntryID {
		return e, problem.New(problem.Invalid, "画面を読み込み直してから、もう一度入力してください。", "Load the page again, then enter this once more.")
	}
	if err := enteredBy(me, f.As); err != nil {
		return e, err
	}
	if f.CallAt != "" {
		e.CallAt, _ = time.ParseInLocation(localTime, f.CallAt, zone) // the desk says what is wrong with none
	}
	return e, nil
}

// enteredBy fails if the page on which something was entered was another person's: on a
// shared computer it was kept there, and somebody else has signed in since. as "" is of a
// page of an older version.
func enteredBy(me staff.Staff, as string) error {
	if as == "" || as == me.ID {
		return nil
	}
	return problem.New(problem.Conflict,
		"この入力は、%[1]sさんとは別の人の画面で行われたため、まだ記録していません。%[1]sさんの入力として記録してよければ、もう一度押してください。",
		"This was entered on the page of somebody other than %[1]s, who is signed in now. Nothing is recorded yet: if it is to be %[1]s's entry, press once more.", me.Name)
}

func nanoseconds(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}

func nanosecondsOf(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return strconv.FormatInt(t.UnixNano(), 10)
}

// familyPage is the data of family.html.
type familyPage struct {
	deskFrame
	Row        deskRow
	Children   []childLine
	Form       callForm
	Colleagues []staff.Staff
	Events     []familyEvent
	ToCall     bool
	Self       string // address of this page without what is asked of it
	Complained bool   // a guardian reported a mail as spam: mail may not be shown
}

// familyEvent is a line of the family's history.
type familyEvent struct {
	At   time.Time
	What lang.Text
	Who  string
	Note string
}

func (s *Server) family(r *http.Request, me staff.Staff) (web.Response, error) {
	return s.familyAgain(r, me, callForm{}, nil)
}

// familyAgain shows a family, with the form of a call as it was filled in and what is
// wrong with it.
func (s *Server) familyAgain(r *http.Request, me staff.Staff, form callForm, wrong error) (web.Response, error) {
	f, err := s.deskFrame(r, me)
	if err != nil {
		return nil, err
	}
	ref, d, err := s.keptAt(r, me)
	if err != nil {
		return nil, err
	}
	row, err := d.Row(r.Context(), ref)
	if err != nil {
		return nil, err
	}
	p := &familyPage{deskFrame: f, Form: form, ToCall: desk.ToCall(&row.Family), Self: familyPath(ref)}
	p.Link = p.Self + p.View.Query()
	p.Scripts = append(p.Scripts, "once.js")
	p.Refresh = 0 // it holds a form
	p.Row = deskRow{row, listed{Page: &p.deskFrame}}
	if p.Row.Other, err = d.Elsewhere(r.Context(), ref, &row.Family); err != nil {
		return nil, err
	}
	if p.Form.ID == "" || errors.Is(wrong, desk.ErrRecorded) {
		p.Form.ID = s.Alerts.IDs.New()
	}
	p.Form.Newest = nanosecondsOf(row.Family.NewestAnswer())
	if err := s.fillFamily(r, p); err != nil {
		return nil, err
	}
	return s.orProblem(web.Page{Template: "family.html", Data: p}, &p.Base, wrong)
}

func (s *Server) fillFamily(r *http.Request, p *familyPage) error {
	ctx, row := r.Context(), p.Row.Row
	groups, err := p.name(ctx, s, []desk.Row{row}, nil)
	if err != nil {
		return err
	}
	var lines []alert.ChildLine
	var to access.Target
	to.School = p.Me.School
	for i, c := range row.Children {
		lines = append(lines, alert.ChildLine{Child: c, State: row.State(i), Ref: row.Ref, Family: row.Family})
		to.Groups = append(to.Groups, c.Class)
	}
	if p.Complained, err = s.complained(ctx, p.Me.School, row.Ref.Family); err != nil {
		return err
	}
	p.Children = s.childLines(&p.Alert, lines, groups)
	p.MayPhone = access.May(p.Me, access.Phone, to)
	all, err := s.Staff.OfSchool(ctx, p.Me.School)
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, m := range all {
		names[m.ID] = m.Name
		if m.ID != p.Me.ID && access.May(m, access.Phone, to) {
			p.Colleagues = append(p.Colleagues, m)
		}
	}
	p.Events, err = s.events(r, p.Alert, row, names)
	return err
}

// events tells what is known of a family in an alert, oldest first: its copies, every
// answer and every call. Of a copy the newest state is kept, and the last failure.
func (s *Server) events(r *http.Request, a alert.Alert, row desk.Row, names map[string]string) ([]familyEvent, error) {
	for _, g := range row.Guardians {
		names[g.ID] = g.Name
	}
	var all []familyEvent
	for _, c := range row.Copies {
		all = append(all, s.copyEvents(c, row.Guardians[c.Guardian].Name)...)
	}
	phoned := map[string]bool{} // the answers of calls stand with the calls
	for _, c := range row.Calls {
		phoned[c.By.ID] = true
		what := outcomeNames[c.Outcome]
		all = append(all, familyEvent{At: c.At, What: lang.T("電話：%[1]s", "Phoned: %[2]s", what.JA, what.EN), Who: c.By.Name, Note: callNote(c)})
	}
	for _, c := range row.Children {
		history, err := s.Alerts.History(r.Context(), row.Ref, c.ID)
		if err != nil {
			return nil, err
		}
		for _, h := range history {
			choice, _ := a.Choice(h.Choice)
			said, way := choice.Text(), wayNames[h.Way]
			all = append(all, familyEvent{
				At: h.At, Who: names[h.By],
				What: lang.T("%[1]s：回答「%[2]s」（%[4]s）", "%[1]s: said “%[3]s” (%[5]s)", c.Name, said.JA, said.EN, way.JA, way.EN),
			})
			if !h.Back.IsZero() {
				what := lang.T("%[1]s：回答「%[2]s」の取り消し", "%[1]s: “%[3]s” taken back", c.Name, said.JA, said.EN)
				all = append(all, familyEvent{At: h.Back, Who: names[h.BackBy], What: what})
			}
		}
	}
	slices.SortStableFunc(all, func(x, y familyEvent) int { return cmp.Compare(x.At.UnixNano(), y.At.UnixNano()) })
	return all, nil
}

// copyEvents tells when a copy left, was first put off, and came into its newest state.
func (s *Server) copyEvents(c alert.Copy, to string) []familyEvent {
	event := func(state alert.CopyState, at time.Time, note string) familyEvent {
		c := c
		c.State = state
		return familyEvent{At: at, What: s.copyWords(c), Who: to, Note: note}
	}
	var all []familyEvent
	if c.PutOff > 0 && c.State != alert.Delayed {
		all = append(all, event(alert.Delayed, c.PutOffAt, refusal(c)))
	}
	if !c.SentAt.IsZero() {
		all = append(all, event(alert.Sent, c.SentAt, ""))
	}
	note := ""
	if c.State == alert.Delayed || c.State == alert.Refused {
		note = refusal(c)
	}
	return append(all, event(c.State, c.At, note))
}

// refusal is what the operator said when it last did not take a copy.
func refusal(c alert.Copy) string {
	return strings.TrimSpace(c.Status + " " + c.Reason)
}

func callNote(c desk.Call) string {
	return strings.TrimSpace(c.Phone + " " + c.Note)
}

func (s *Server) copyWords(c alert.Copy) lang.Text {
	label, state := s.Lanes.Named(c.Lane).Label, copyStateNames[c.State]
	ja, en := "メール", "Mail"
	if c.Round > 0 {
		ja, en = "再送メール", "Reminder"
	}
	return lang.T("%[1]s（%[3]s）：%[5]s", "%[2]s (%[4]s): %[6]s", ja, en, label.JA, label.EN, state.JA, state.EN)
}

// ProposedCallAt proposes when to call back: in half an hour.
func (f *deskFrame) ProposedCallAt() string {
	return f.At.Add(30 * time.Minute).In(f.Zone).Format(localTime)
}

// Outcomes lists how a call can end.
func (f callForm) Outcomes() []outcomeOption {
	var all []outcomeOption
	for _, o := range desk.Outcomes {
		all = append(all, outcomeOption{string(o), outcomeNames[o], f.Outcome == string(o)})
	}
	return all
}

// outcomeOption is an outcome that can be chosen.
type outcomeOption struct {
	Value   string
	Name    lang.Text
	Checked bool
}

// Chosen reports whether a choice is ticked for a child.
func (p *familyPage) Chosen(child, choice string) bool { return p.Form.Choices[child] == choice }

// enterCall records a call. A script that could not reach the server sends it later,
// with the same id.
func (s *Server) enterCall(r *http.Request, me staff.Staff) (web.Response, error) {
	posted, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	form := readCall(posted.Values)
	if len(posted.Wrong) > 0 {
		return s.familyAgain(r, me, form, posted.Wrong)
	}
	a, err := s.alertOf(ctx, me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	ref, _, err := s.keptAt(r, me)
	if err != nil {
		return nil, err
	}
	zone, err := s.zone(ctx, me.School)
	if err != nil {
		return nil, err
	}
	e, err := form.entry(me, zone)
	if err == nil {
		err = s.recordCall(r, me, a, ref, e)
	}
	if err != nil {
		return s.familyAgain(r, me, form, err)
	}
	return web.Redirect{To: viewOf(r.URL.Query()).Done("/alerts/" + a.ID + "/desk")}, nil
}

// recordCall records a call, and in the audit log that it was.
func (s *Server) recordCall(r *http.Request, me staff.Staff, a alert.Alert, ref alert.Ref, e desk.Entry) error {
	d, err := s.deskAt(r.Context(), me.School)
	if err != nil {
		return err
	}
	_, err = recording(r.Context(), s.App, entry(me, audit.Call, idsOf(ref), outcomeNames[e.Outcome].JA), func() (desk.Record, error) {
		return d.Enter(r.Context(), a, ref, e)
	})
	return err
}
