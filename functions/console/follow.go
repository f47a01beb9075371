package console

import (
	"context"
	"errors"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audience"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
)

// follow gives a draft that is for those who have not answered another alert the
// audience of that alert. Whether it may be followed is for the domain to say.
func (a *App) follow(ctx context.Context, d *alert.Draft) error {
	if d.Follows == "" {
		return nil
	}
	old, err := a.alertOf(ctx, d.School, d.Follows)
	if errors.Is(err, alert.ErrNotFound) {
		return problem.New(problem.Invalid, "もとの連絡が見つかりません。", "The alert that this one follows was not found.").In("follows")
	}
	d.All, d.Groups = old.All, old.Groups
	return err
}

// previewFollowing counts of the counters of the alert that is followed: reading all of
// its families would take too long, and the numbers change with every answer.
func (a *App) previewFollowing(ctx context.Context, d alert.Draft) (Preview, error) {
	old, err := a.Status(ctx, d.School, d.Follows)
	if err != nil {
		return Preview{Draft: d}, err
	}
	school, err := a.Roster.School(ctx, d.School)
	p := Preview{Draft: d, Mail: a.sample(d, school), byLane: map[string]int64{}}
	p.Size = audience.Size{Children: int(old.Children.Unaccounted())}
	for _, l := range old.Lanes {
		if n := max(l.Asked-l.Answered, 0); n > 0 {
			p.byLane[l.Lane] = n
			p.Size.Copies += int(n)
		}
	}
	return p, err
}

// openLine is an open alert that could be followed, or whose page could be updated,
// instead of sending to everybody.
type openLine struct {
	alert.Alert
	Missing int64
}

// mostOpen is how many are offered.
const mostOpen = 2

// openFor returns the newest open alerts to which a draft may belong. What cannot be
// read is left out.
func (s *Server) openFor(ctx context.Context, me staff.Staff, d alert.Draft) (open []openLine) {
	if d.Follows != "" || d.Supersedes != "" {
		return nil
	}
	list, _, err := s.Alerts.List(ctx, me.School, "", mostToday)
	for _, a := range list {
		if len(open) == mostOpen || err != nil {
			break
		}
		if a.State(s.Now()) != alert.StateOpen || alert.SameWorld(a.Kind, d.Kind) != nil || !access.May(me, access.End, ofAlert(a)) || !access.May(me, access.Send, ofAlert(a)) {
			continue
		}
		var m alert.Missing
		if m, err = s.Alerts.Missing(ctx, a.ID); err == nil {
			open = append(open, openLine{a, m.Children.Unaccounted()})
		}
	}
	if err != nil {
		s.Log.Warn("open alerts not offered", "school", me.School, "err", err)
	}
	return open
}
