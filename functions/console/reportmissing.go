package console

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/desk"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

// mostUnreached is how many families a report lists.
const mostUnreached = 100

// unreached is a family for whom nobody has answered, in the report.
type unreached struct {
	Class    string
	Children []alert.Child // those without an answer
	Why      lang.Text
	Call     lang.Text // how the last call ended; zero: nobody phoned
	Again    bool      // nobody answered at the last drill either
	grade    int
}

// setUnreached lists the families of whom nothing was heard, once an alert is over or if
// it is a drill: of an open alert that is the call desk's to say.
func (s *Server) setUnreached(r *http.Request, me staff.Staff, p *reportPage) error {
	ctx := r.Context()
	if p.Alert.Kind != alert.Drill && p.Alert.Useful(s.Now()) {
		return nil
	}
	rows, classes, more, err := s.deskRows(ctx, me, p.Alert, deskView{Of: 1})
	if err != nil {
		return err
	}
	f := deskFrame{Me: me, ClassNames: map[string]string{}}
	groups, err := f.name(ctx, s, rows, classes)
	if err != nil {
		return err
	}
	then, err := s.missedThen(ctx, p.Last, classes)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if u, ok := unreachedOf(row, groups); ok {
			u.Again = then[row.ID]
			p.Unreached = append(p.Unreached, u)
		}
	}
	slices.SortStableFunc(p.Unreached, func(a, b unreached) int {
		return cmp.Or(cmp.Compare(a.grade, b.grade), cmp.Compare(a.Class, b.Class), cmp.Compare(a.Children[0].Seat, b.Children[0].Seat))
	})
	p.UnreachedMore = more || len(p.Unreached) > mostUnreached
	p.Unreached = p.Unreached[:min(len(p.Unreached), mostUnreached)]
	return nil
}

// unreachedOf makes a line of a family; false: somebody has answered for every child.
func unreachedOf(row desk.Row, groups map[string]roster.Group) (unreached, bool) {
	var u unreached
	for i, c := range row.Children {
		if c.Answer != nil {
			continue
		}
		if len(u.Children) == 0 {
			u.Class, u.grade, u.Why = groups[c.Class].Name, groups[c.Class].Grade, childStateNames[row.State(i)]
		}
		u.Children = append(u.Children, c)
	}
	if last, ok := row.Last(); ok {
		u.Call = outcomeNames[last.Outcome]
	}
	return u, len(u.Children) > 0
}

// missedThen returns the families of whom nothing was heard at the last drill, of those
// classes. What is no longer kept of it is left out.
func (s *Server) missedThen(ctx context.Context, last *lastDrill, classes []alert.ClassStatus) (map[string]bool, error) {
	missed := map[string]bool{}
	if last == nil {
		return missed, nil
	}
	var ids []string
	for _, c := range classes {
		ids = append(ids, c.Class)
	}
	rows, err := s.desk().Rows(ctx, last.ID, ids, desk.Lanes{})
	for _, row := range rows {
		missed[row.ID] = slices.ContainsFunc(row.Children, func(c alert.Child) bool { return c.Answer == nil })
	}
	return missed, err
}
