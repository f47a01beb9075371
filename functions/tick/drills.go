package tick

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/memo"
	"github.com/todoku/todoku/shared/roster"
)

// Drills reminds managers of the drills that their school has planned. It reads one
// record a school, once an hour.
type Drills struct {
	Alerts *alert.Store
	Roster *roster.Store
	Memos  *memo.Office
	Now    func() time.Time
	Log    *slog.Logger

	looked seldom
}

// drillsEvery is how often it is looked whether managers are to be reminded.
const drillsEvery = time.Hour

// Run looks, if it is time.
func (d *Drills) Run(ctx context.Context) error {
	now := d.Now()
	return d.looked.do(now, drillsEvery, func() error {
		schools, err := d.Roster.Schools(ctx)
		if err != nil {
			return err
		}
		var errs []error
		for _, s := range schools {
			errs = append(errs, d.school(ctx, s.ID, now.In(s.Location())))
		}
		return errors.Join(errs...)
	})
}

func (d *Drills) school(ctx context.Context, school string, now time.Time) error {
	p, err := d.Alerts.DrillPlan(ctx, school)
	if err != nil {
		return err
	}
	due := p.Due(now)
	if len(due) == 0 {
		return nil
	}
	if p.Told == nil {
		p.Told = map[string]string{}
	}
	for _, one := range due {
		if _, err := d.Memos.Tell(ctx, drillMemo(school, one), memo.Managers); err != nil {
			return err
		}
		p.Told[one.Day.String()] = one.Name
		d.Log.Info("managers reminded of a drill", "school", school, "reminder", one.Name)
	}
	return d.Alerts.PutDrillPlan(ctx, school, p)
}

func drillMemo(school string, due alert.DrillDue) memo.Memo {
	day := due.On.Format("2006-01-02")
	return memo.Memo{
		School: school, About: "drill-" + due.Name, Path: "/drills", Until: due.On.AddDate(0, 0, 2),
		Subject: lang.T("安否確認の訓練の予定：%s", "A drill is planned: %s", day),
		Body: lang.T("%sに、安否確認の訓練が予定されています。\n送る人、送り先、保護者への予告を確認してください。もう済んでいるときは、何もする必要はありません。\n",
			"A safety check drill is planned for %s. See who sends it, to whom, and that guardians know. If it has been held, there is nothing to do.\n", day),
	}
}

// tellOfDrill tells who sent a drill that it is over and where its report is: one that
// nobody looks at was for nothing.
func (h *Handler) tellOfDrill(ctx context.Context, a alert.Alert) error {
	if h.Memos == nil || a.Kind != alert.Drill || a.Ending == alert.Undone {
		return nil
	}
	_, err := h.Memos.Tell(ctx, memo.Memo{
		School: a.School, About: "drill-over-" + a.ID, Path: "/alerts/" + a.ID + "/report", Until: h.Now().Add(24 * time.Hour),
		Subject: lang.T("訓練が終わりました：%s", "The drill is over: %s", a.Title()),
		Body:    lang.T("「%s」が終わりました。結果と、前回の訓練との比較を確認してください。\n", "\"%s\" is over. See how it went, beside the last one.\n", a.Title()),
	}, memo.Person(a.Sender.ID))
	return err
}
