package console

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const drillsPath = "/drills"

func (s *Server) drillRoutes(rt *routes) {
	rt.page("GET "+drillsPath, access.Settings, s.drills)
	rt.page("POST "+drillsPath, access.Settings, s.planDrills, recordsItself())
}

// drillsPage is the data of drills.html: when drills are held, and how they went.
type drillsPage struct {
	web.Base
	Days     [alert.MaxDrillDays]string // as they were typed
	Revision int64
	Next     time.Time // the next planned day; zero: none
	Open     []alertLine
	Past     []drillLine
}

// drillLine is a drill that is over.
type drillLine struct {
	alert.Summary
	Half, Most string // when 50 and 90 in a hundred were answered for; "": never
}

// Percent is how many in a hundred children were answered for.
func (l drillLine) Percent() int64 {
	if l.Children == 0 {
		return 0
	}
	return l.Answered * 100 / l.Children
}

// DayField names the field of the i-th day, counted from 0.
func (*drillsPage) DayField(i int) string { return "day_" + strconv.Itoa(i+1) }

// Place numbers the days for people.
func (*drillsPage) Place(i int) int { return i + 1 }

func (s *Server) drills(r *http.Request, me staff.Staff) (web.Response, error) {
	plan, err := s.Alerts.DrillPlan(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	p := &drillsPage{Revision: plan.Revision}
	for i, d := range plan.Days[:min(len(plan.Days), len(p.Days))] {
		p.Days[i] = d.String()
	}
	if r.URL.Query().Get("done") != "" {
		p.Notice = lang.T("保存しました。2週間前と当日に、管理者へメールで知らせます。", "Saved. Managers are mailed two weeks before, and on the day.").In(web.Language(r))
	}
	return s.drillsWith(r, me, plan, p)
}

func (s *Server) drillsWith(r *http.Request, me staff.Staff, plan alert.DrillPlan, p *drillsPage) (web.Response, error) {
	zone, err := s.zone(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	for _, d := range plan.Days {
		if next := d.Next(s.Now().In(zone)); p.Next.IsZero() || next.Before(p.Next) {
			p.Next = next
		}
	}
	alerts, _, err := s.Alerts.List(r.Context(), me.School, "", alertsPerPage)
	if err != nil {
		return nil, err
	}
	for _, a := range alerts {
		if a.Kind == alert.Drill && a.Useful(s.Now()) {
			p.Open = append(p.Open, alertLine{a, a.State(s.Now())})
		}
	}
	const most = 100
	past, _, err := s.Alerts.Summaries(r.Context(), me.School, "", most)
	for _, one := range past {
		if one.Kind == alert.Drill {
			p.Past = append(p.Past, drillLineOf(one, web.Language(r)))
		}
	}
	return web.Page{Template: "drills.html", Data: p}, err
}

func drillLineOf(one alert.Summary, l lang.Lang) drillLine {
	line := drillLine{Summary: one}
	if after, ok := alert.ReachedAt(one.Curve(), one.Children, marksAt[0]); ok {
		line.Half = within(after, l)
	}
	if after, ok := alert.ReachedAt(one.Curve(), one.Children, marksAt[1]); ok {
		line.Most = within(after, l)
	}
	return line
}

// planDrills keeps the days.
func (s *Server) planDrills(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	plan, err := s.Alerts.DrillPlan(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	p := &drillsPage{Revision: revisionOf(form)}
	wanted := alert.DrillPlan{Told: plan.Told, Revision: p.Revision}
	p.Problems = form.Wrong
	var said []string
	for i := range p.Days {
		p.Days[i] = form.Get(p.DayField(i))
		if strings.TrimSpace(p.Days[i]) == "" {
			continue
		}
		day, ok := alert.ParseDay(strings.TrimSpace(p.Days[i]))
		if !ok {
			p.Problems = append(p.Problems, problem.New(problem.Invalid, "月と日を、9/1 のように入力してください。", "Enter month and day, like 9/1.").In(p.DayField(i)))
			continue
		}
		wanted.Days, said = append(wanted.Days, day), append(said, day.String())
	}
	if len(p.Problems) == 0 {
		err = s.record(r.Context(), entry(me, audit.Settings, "", "訓練の予定: "+strings.Join(said, "、")), func() error {
			return s.Alerts.PutDrillPlan(r.Context(), me.School, wanted)
		})
		p.Problems = s.site.Mendable(err)
	}
	switch {
	case len(p.Problems) > 0:
		return s.drillsWith(r, me, plan, p)
	case err != nil:
		return nil, err
	}
	return web.Redirect{To: drillsPath + "?done=1"}, nil
}

// lastDrill is a drill beside the one before.
type lastDrill struct {
	ID     string
	Starts time.Time
	Rows   []drillRow
}

// drillRow is a figure of two drills; "": never.
type drillRow struct {
	Name      lang.Text
	Now, Then string
}

// lastDrill compares a drill with the last one; nil if there was none, or it is none.
func (s *Server) lastDrill(r *http.Request, st alert.Status) (*lastDrill, error) {
	if st.Alert.Kind != alert.Drill {
		return nil, nil
	}
	then, found, err := s.Alerts.LastDrill(r.Context(), st.Alert.School, st.Alert.ID)
	if err != nil || !found {
		return nil, err
	}
	l := web.Language(r)
	now := alert.Summarize(st)
	a, b := drillLineOf(now, l), drillLineOf(then, l)
	share := func(d drillLine) string {
		return fmt.Sprintf("%d / %d (%d%%)", d.Answered, d.Children, d.Percent())
	}
	c := &lastDrill{ID: then.ID, Starts: then.Starts, Rows: []drillRow{
		{lang.T("回答", "Answered"), share(a), share(b)},
		{lang.T("%d%%の回答", "%d%% answered", marksAt[0]), a.Half, b.Half},
		{lang.T("%d%%の回答", "%d%% answered", marksAt[1]), a.Most, b.Most},
	}}
	c.compareMissing(now, then)
	s.compareLanes(c, now, then)
	return c, nil
}

// compareMissing adds how many children were not answered for, by what is known of why.
func (c *lastDrill) compareMissing(now, then alert.Summary) {
	for _, state := range []alert.ChildState{alert.NoRoute, alert.RouteRefused, alert.Untold, alert.Reached, alert.Silent} {
		before := "-" // drills of older versions do not say
		if then.By != nil {
			before = strconv.FormatInt(then.By[string(state)], 10)
		}
		c.Rows = append(c.Rows, drillRow{childStateNames[state], strconv.FormatInt(now.By[string(state)], 10), before})
	}
}

// compareLanes adds how many in a hundred answered through each operator's mail.
func (s *Server) compareLanes(c *lastDrill, now, then alert.Summary) {
	before := map[string]string{}
	share := func(l alert.LaneSummary) string {
		if l.Asked == 0 {
			return "-"
		}
		return fmt.Sprintf("%d%%", l.Answered*100/l.Asked)
	}
	for _, l := range then.Lanes {
		before[l.Lane] = share(l)
	}
	for _, l := range now.Lanes {
		then := before[l.Lane]
		if then == "" {
			then = "-"
		}
		c.Rows = append(c.Rows, drillRow{s.Lanes.Named(l.Lane).Label, share(l), then})
	}
}
