package console

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/desk"
	"github.com/todoku/todoku/shared/each"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// The call desk of a district: the families of the open alerts of all its schools in one
// list, siblings at several schools in one row. Who may see one school only has the desk
// of its alert, which says when another has the family in hand.

const districtDesk = districtPath + "/desk"

func (s *Server) districtDeskRoutes(rt *routes) {
	rt.page("GET "+districtDesk, access.Overview, s.districtDeskList, on(undecided), recordsItself())
	rt.page("GET "+districtDesk+"/version", access.Overview, s.districtDeskVersion, on(undecided))
	rt.page("POST "+districtDesk+"/next", access.Overview, s.districtDeskNext, on(undecided), recordsItself())

	const household = districtDesk + "/families/{members}"
	rt.page("GET "+household, access.Overview, s.household, on(undecided), recordsItself())
	rt.page("POST "+household+"/claim", access.Overview, s.claimHousehold, on(undecided), recordsItself())
	rt.page("POST "+household+"/release", access.Overview, s.releaseHousehold, on(undecided), recordsItself())
	rt.page("POST "+household+"/hand-over", access.Overview, s.passHouseholdOn, on(undecided), recordsItself())
	rt.page("POST "+household+"/calls", access.Overview, s.callHousehold, on(undecided), recordsItself())

	rt.page("POST "+districtPapers, access.Overview, s.makeDistrictPaper, on(undecided), recordsItself())
	rt.page("GET "+districtPapers+"/{paper}", access.Overview, s.districtPaper, on(undecided), recordsItself())
	rt.page("GET "+districtPapers+"/{paper}/enter", access.Overview, s.enterDistrictPaper, on(undecided), recordsItself())
	rt.page("POST "+districtPapers+"/{paper}/enter", access.Overview, s.keyDistrictPaperIn, on(undecided), recordsItself())
}

// mostSchools is how many schools of a district its desk looks at; those that are not
// among them have their own.
const mostSchools = 100

// branch is an open alert of a school of the district, with what its desk is to its people.
type branch struct {
	schoolLine
	at   staff.Staff // whoever looks, before that school
	desk desk.Desk
	page *deskFrame // names of its classes

	district string
	zone     *time.Location
}

// branches returns the open alerts of the district's schools in which somebody is to be
// phoned: those of one school, or of all if school is "". While there is a real one,
// drills are not among them.
func (s *Server) branches(ctx context.Context, me staff.Staff, school string) (all []branch, schools []roster.School, err error) {
	schools, err = s.schoolsOf(ctx, me, access.Phone)
	if err != nil {
		return nil, nil, err
	}
	schools = schools[:min(len(schools), mostSchools)]
	found := make([][]branch, len(schools))
	err = eachSchool(ctx, schools, func(ctx context.Context, i int, v roster.School) error {
		if school != "" && v.ID != school {
			return nil
		}
		lines, err := s.openOf(ctx, v)
		for _, l := range lines {
			if l.Unaccounted() > 0 || l.Help > 0 {
				found[i] = append(found[i], s.branch(me, v, l))
			}
		}
		return err
	})
	for _, f := range found {
		all = append(all, f...)
	}
	isReal := func(b branch) bool { return b.Kind != alert.Drill }
	if slices.ContainsFunc(all, isReal) {
		all = slices.DeleteFunc(all, func(b branch) bool { return !isReal(b) })
	}
	slices.SortStableFunc(all, func(a, b branch) int {
		return cmp.Or(cmp.Compare(b.Help, a.Help), cmp.Compare(b.Unaccounted(), a.Unaccounted()))
	})
	return all, schools, err
}

func (s *Server) branch(me staff.Staff, v roster.School, l schoolLine) branch {
	b := branch{schoolLine: l, at: before(me, v), desk: s.desk(), district: v.District, zone: v.Location()}
	b.desk.Place = desk.Place{Name: v.Name, Scope: deskScope(v)}
	b.page = &deskFrame{Alert: l.Alert, At: s.Now(), Me: b.at, ClassNames: map[string]string{}}
	return b
}

// districtRow is a household as the district's pages show it.
type districtRow struct {
	desk.Household
	listed
	Members []districtMember
}

// districtMember is a family of a household, with the school whose alert it is of.
type districtMember struct {
	deskRow
	School string
}

// Settled reports whether the family need not be phoned any more.
func (m districtMember) Settled() bool { return !desk.ToCall(&m.Family) }

// districtDeskPage is the data of district_desk.html. The group of its view is a school.
type districtDeskPage struct {
	deskFrame
	Schools []roster.School
	Only    string // name of the school View.Group
	Rows    []districtRow
	Total   int
	Both    int // households with children at several schools
	Held    int
	MineRow *districtRow
	More    bool
	Drill   bool
	Parts   []int
	News    string
}

// householdsOf reads the households of the open alerts of a view. It reads children until
// there are as many as a school's desk reads at most.
func (s *Server) householdsOf(ctx context.Context, me staff.Staff, v deskView) (homes []desk.Household, all []branch, schools []roster.School, more bool, err error) {
	all, schools, err = s.branches(ctx, me, v.Group)
	if err != nil || len(all) == 0 {
		return nil, nil, schools, false, err
	}
	var children int64
	for i, b := range all {
		if children += b.Unaccounted() + b.Help; children > mostFamilies {
			all, more = all[:max(i, 1)], true
			break
		}
	}
	found, err := each.Map(ctx, schoolReaders, all, func(ctx context.Context, b branch) ([]desk.Row, error) {
		rows, _, _, err := s.deskRows(ctx, b.at, b.Alert, deskView{Of: 1})
		return rows, err
	})
	if err != nil {
		return nil, nil, nil, false, err
	}
	homes = all[0].desk.Households(slices.Concat(found...))
	homes = slices.DeleteFunc(homes, func(h desk.Household) bool { return !desk.InPart(h.ID(), v.Part, v.Of) })
	return homes, all, schools, more, nil
}

func desksOf(all []branch) map[string]desk.Desk {
	desks := map[string]desk.Desk{}
	for _, b := range all {
		desks[b.ID] = b.desk
	}
	return desks
}

// districtFrame is what the pages of a district's desk have in common.
func (s *Server) districtFrame(r *http.Request, me staff.Staff) deskFrame {
	return deskFrame{At: s.Now(), Me: me, View: viewOf(r.URL.Query()), Every: lookForNews, MayPhone: true}
}

func (s *Server) districtDeskList(r *http.Request, me staff.Staff) (web.Response, error) {
	ctx := r.Context()
	p := &districtDeskPage{deskFrame: s.districtFrame(r, me)}
	p.Scripts, p.Refresh = []string{statusScript, "news.js", "desk.js"}, lookForNews
	homes, all, schools, more, err := s.householdsOf(ctx, me, p.View)
	if err != nil {
		return nil, err
	}
	p.Schools, p.More, p.Total = schools, more, len(homes)
	p.View.From = min(p.View.From, max(0, (len(homes)-1)/rowsPerPage*rowsPerPage))
	p.Back, p.Forward = p.View.pages(districtDesk, p.Total)
	p.Link = districtDesk + p.View.Query()
	p.Drill = len(all) > 0 && all[0].Kind == alert.Drill
	for _, v := range schools {
		if v.ID == p.View.Group {
			p.Only = v.Name
		}
	}
	for n := range p.View.Of {
		p.Parts = append(p.Parts, n+1)
	}
	if err := s.fillDistrictDesk(ctx, p, homes, all); err != nil {
		return nil, err
	}
	var ids []string
	for _, b := range all {
		ids = append(ids, b.ID)
	}
	p.News = districtDesk + "/version?" + url.Values{"alert": ids}.Encode()
	if p.Version, err = s.versions(ctx, all); err != nil {
		return nil, err
	}
	if r.URL.Query().Get("done") == "1" {
		p.Notice = lang.T("電話の結果を記録しました。", "The call is recorded.").In(web.Language(r))
	}
	return web.Page{Template: "district_desk.html", Data: p}, nil
}

// fillDistrictDesk adds the rows of the page, and records that they were seen in the audit
// logs of the schools whose children are in them.
func (s *Server) fillDistrictDesk(ctx context.Context, p *districtDeskPage, homes []desk.Household, all []branch) error {
	for i, h := range homes {
		if len(h.Rows) > 1 {
			p.Both++
		}
		row := s.districtRow(&p.deskFrame, h, all)
		row.No = i + 1
		if row.IsHeld() {
			p.Held++
		}
		if row.IsMine() && p.MineRow == nil {
			p.MineRow = &row
		}
		if i >= p.View.From && i < p.View.From+rowsPerPage {
			p.Rows = append(p.Rows, row)
		}
	}
	shown := slices.Clone(p.Rows)
	if p.MineRow != nil {
		shown = append(shown, *p.MineRow)
	}
	if err := s.showMembers(ctx, shown, all); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(schoolReaders)
	for i := range p.Rows {
		g.Go(func() (err error) {
			p.Rows[i].Other, err = p.Rows[i].Elsewhere(gctx, all[0].desk)
			return err
		})
	}
	return g.Wait()
}

func (s *Server) districtRow(p *deskFrame, h desk.Household, all []branch) districtRow {
	row := districtRow{Household: h, listed: listed{Page: p}}
	for _, r := range h.Rows {
		b := all[slices.IndexFunc(all, func(b branch) bool { return b.ID == r.Ref.Alert })]
		row.Members = append(row.Members, districtMember{deskRow{r, listed{Page: b.page}}, b.School})
	}
	return row
}

// showMembers looks up what the classes of rows are called, and records in the schools'
// audit logs that their children are shown.
func (s *Server) showMembers(ctx context.Context, rows []districtRow, all []branch) error {
	return eachBranch(ctx, rows, all, func(ctx context.Context, b branch, mine []desk.Row) error {
		if err := s.Audit.Once(ctx, entry(b.at, audit.View, "/alerts/"+b.ID+"/desk", ""), viewEvery); err != nil {
			return err
		}
		_, err := b.page.name(ctx, s, mine, nil)
		return err
	})
}

// eachBranch calls f for the alerts that rows are of, with their rows, some side by side.
func eachBranch(ctx context.Context, rows []districtRow, all []branch, f func(context.Context, branch, []desk.Row) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(schoolReaders)
	for _, b := range all {
		var mine []desk.Row
		for _, row := range rows {
			if r, ok := row.Of(b.ID); ok {
				mine = append(mine, r)
			}
		}
		if len(mine) > 0 {
			g.Go(func() error { return f(ctx, b, mine) })
		}
	}
	return g.Wait()
}

// versions names the state of several desks.
func (s *Server) versions(ctx context.Context, all []branch) (string, error) {
	found, err := each.Map(ctx, schoolReaders, all, func(ctx context.Context, b branch) (string, error) {
		return b.desk.Version(ctx, b.ID)
	})
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.Join(found, " ")))
	return strconv.FormatUint(h.Sum64(), 36), err
}

// districtDeskVersion says whether there is news of alerts, as deskVersion does of one.
// Alerts that were sent since are seen when the page next loads itself.
func (s *Server) districtDeskVersion(r *http.Request, me staff.Staff) (web.Response, error) {
	ids := r.URL.Query()["alert"]
	ids = ids[:min(len(ids), mostSchools)]
	all, err := s.branchesOf(r.Context(), me, ids)
	if err != nil {
		return nil, err
	}
	if len(all) < len(ids) {
		return nil, alert.ErrNotFound
	}
	v, err := s.versions(r.Context(), all)
	return web.JSON{Value: map[string]string{"version": v}}, err
}

// branchesOf returns alerts of the district's by their ids: those of schools where somebody
// may phone.
func (s *Server) branchesOf(ctx context.Context, me staff.Staff, ids []string) ([]branch, error) {
	all, err := each.Map(ctx, schoolReaders, ids, func(ctx context.Context, id string) (branch, error) {
		b, err := s.branchOf(ctx, me, id)
		if errors.Is(err, alert.ErrNotFound) {
			return branch{}, nil
		}
		return b, err
	})
	return slices.DeleteFunc(all, func(b branch) bool { return b.ID == "" }), err
}

// branchOf returns an alert of the district's by its id. It fails with alert.ErrNotFound if
// it is of no school where somebody may phone.
func (s *Server) branchOf(ctx context.Context, me staff.Staff, id string) (branch, error) {
	a, err := s.Alerts.Alert(ctx, id)
	if err != nil {
		return branch{}, err
	}
	v, err := s.Roster.School(ctx, a.School)
	if err != nil {
		return branch{}, err
	}
	to := access.Target{School: v.ID, District: v.District}
	if !access.May(me, access.Phone, to) || !access.May(me, access.Children, to) {
		return branch{}, alert.ErrNotFound
	}
	return s.branch(me, v, schoolLine{Alert: a, School: v.Name}), nil
}

// districtDeskNext takes the most pressing household in hand that nobody has, or goes
// back to the one that the caller has.
func (s *Server) districtDeskNext(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	v := viewOf(form.Values).At(0)
	homes, all, _, _, err := s.householdsOf(ctx, me, v)
	if err != nil {
		return nil, err
	}
	for _, h := range homes {
		if slices.ContainsFunc(h.Rows, func(r desk.Row) bool { return r.HeldBy(me.ID, s.Now()) }) {
			return web.Redirect{To: householdPath(h) + v.Query()}, nil
		}
	}
	h, found, err := desk.NextHousehold(ctx, homes, desksOf(all), caller(me))
	if err != nil {
		return nil, err
	}
	if !found {
		return web.Redirect{To: districtDesk + v.Query()}, nil
	}
	for _, row := range h.Rows {
		b := all[slices.IndexFunc(all, func(b branch) bool { return b.ID == row.Ref.Alert })]
		s.note(r, entry(b.at, audit.Call, idsOf(row.Ref), ""))
	}
	return web.Redirect{To: householdPath(h) + v.Query()}, nil
}

func idsOf(ref alert.Ref) string { return ref.Alert + " " + ref.Class + " " + ref.Family }

// Names of a household's families in an address: alert.class.family, with commas between.
const (
	memberSign = ","
	memberPart = "."
)

func householdPath(h desk.Household) string {
	var members []string
	for _, r := range h.Rows {
		members = append(members, strings.Join([]string{r.Ref.Alert, r.Ref.Class, r.Ref.Family}, memberPart))
	}
	slices.Sort(members) // the same whatever is pressing
	return districtDesk + "/families/" + strings.Join(members, memberSign)
}

// Path is where the household's page is.
func (r districtRow) Path() string { return householdPath(r.Household) }

// Key is the last part of Path.
func (r districtRow) Key() string { return r.Path()[strings.LastIndexByte(r.Path(), '/')+1:] }

// holder returns the member that somebody has in hand; nil: nobody has any.
func (r districtRow) holder() *districtMember {
	for i := range r.Members {
		if r.Members[i].IsHeld() {
			return &r.Members[i]
		}
	}
	return nil
}

// IsHeld reports whether somebody has one of its families in hand.
func (r districtRow) IsHeld() bool { return r.holder() != nil }

// IsMine reports whether that is whoever looks.
func (r districtRow) IsMine() bool { return r.IsHeld() && r.holder().IsMine() }

// InHand returns the member that is in somebody's hands. Only where IsHeld.
func (r districtRow) InHand() districtMember { return *r.holder() }

// First returns the member for which the household is most pressing.
func (r districtRow) First() districtMember {
	return slices.MinFunc(r.Members, func(a, b districtMember) int {
		switch {
		case a.Settled() == b.Settled():
			return cmp.Compare(a.Need, b.Need)
		case a.Settled():
			return 1
		}
		return -1
	})
}

// LastCall returns the newest call of all members; nil if there is none.
func (r districtRow) LastCall() *callLine {
	var newest *callLine
	for _, m := range r.Members {
		if c := m.LastCall(); c != nil && (newest == nil || c.At.After(newest.At)) {
			newest = c
		}
	}
	return newest
}
