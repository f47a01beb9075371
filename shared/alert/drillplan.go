package alert

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// MaxDrill is within what a drill is over, so that none stays open unnoticed. A drill is
// another kind of alert from beginning to end: its kind never changes, what replaces it
// is a drill, and its text can become that of a drill only.
const MaxDrill = 24 * time.Hour

// errKindOfDrill says that a drill stays one, and a real alert does.
var errKindOfDrill = problem.New(problem.Conflict,
	"訓練と実際の連絡は、たがいに置き換えられません。新しい連絡を作ってください。",
	"A drill and a real alert cannot replace each other. Write a new alert.").In("kind")

// SameWorld fails with a Conflict unless both kinds are of drills, or neither is.
func SameWorld(a, b Kind) error {
	if (a == Drill) != (b == Drill) {
		return errKindOfDrill
	}
	return nil
}

// DrillPlan is when a school holds its drills, every year.
type DrillPlan struct {
	Days []Day `json:"days"`
	// Told is the last reminder of each day that managers got, as Due names it.
	Told     map[string]string `json:"told,omitempty"`
	Revision int64             `json:"-"` // 0: there was never a plan
}

// Day is a day of every year.
type Day struct {
	Month time.Month `json:"m"`
	Day   int        `json:"d"`
}

// String writes a day as Japanese forms do: 9/1.
func (d Day) String() string { return fmt.Sprintf("%d/%d", int(d.Month), d.Day) }

// MaxDrillDays is how many drills a year can be planned.
const MaxDrillDays = 6

// DrillNotice is how many days ahead managers are reminded; they are again on the day.
const DrillNotice = 14

var dayText = regexp.MustCompile(`^(\d{1,2})\s*[/月.-]\s*(\d{1,2})\s*日?$`)

// ParseDay reads a day as people write it: 9/1, 9月1日, 09-01, in any width.
func ParseDay(s string) (Day, bool) {
	m := dayText.FindStringSubmatch(norm.NFKC.String(s))
	if m == nil {
		return Day{}, false
	}
	month, _ := strconv.Atoi(m[1])
	day, _ := strconv.Atoi(m[2])
	t := time.Date(2025, time.Month(month), day, 0, 0, 0, 0, time.UTC) // of a year without a 29 February
	return Day{t.Month(), t.Day()}, int(t.Month()) == month && t.Day() == day
}

// Next returns when the day comes next, from the day of now on, in now's zone.
func (d Day) Next(now time.Time) time.Time {
	next := time.Date(now.Year(), d.Month, d.Day, 0, 0, 0, 0, now.Location())
	if next.Before(time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())) {
		next = time.Date(now.Year()+1, d.Month, d.Day, 0, 0, 0, 0, now.Location())
	}
	return next
}

// DrillDue is a drill of which managers are to be reminded now.
type DrillDue struct {
	Day  Day
	On   time.Time
	Name string // of the reminder: the same is told once
}

// morning is the hour from which on managers are reminded.
const morning = 8

// Due returns the drills of which managers are to be reminded at now, in the school's
// zone, and were not yet.
func (p DrillPlan) Due(now time.Time) (due []DrillDue) {
	if now.Hour() < morning {
		return nil
	}
	for _, d := range p.Days {
		on := d.Next(now)
		name := on.Format("2006-01-02") + "-ahead"
		switch days := int(on.Sub(now).Hours()/24 + 1); {
		case on.Before(now):
			name = on.Format("2006-01-02")
		case days > DrillNotice:
			continue
		}
		if p.Told[d.String()] != name {
			due = append(due, DrillDue{d, on, name})
		}
	}
	return due
}

func drillPlanKey(school string) table.Key {
	return table.Key{Partition: "school/" + school + "/drills", Sort: "plan"}
}

// DrillPlan reads a school's plan.
func (s *Store) DrillPlan(ctx context.Context, school string) (DrillPlan, error) {
	var p DrillPlan
	revision, err := s.read(ctx, drillPlanKey(school), &p)
	if errors.Is(err, ErrNotFound) {
		return DrillPlan{}, nil
	}
	p.Revision = revision
	return p, err
}

// PutDrillPlan writes a school's plan in place of that of its Revision. It fails with a
// Conflict if another change came first.
func (s *Store) PutDrillPlan(ctx context.Context, school string, p DrillPlan) error {
	slices.SortFunc(p.Days, func(a, b Day) int { return int(a.Month)*100 + a.Day - int(b.Month)*100 - b.Day })
	p.Days = slices.Compact(p.Days)
	err := s.Table.Write(ctx, "", put(drillPlanKey(school), p.Revision, p))
	if _, conflict := table.Conflict(err); conflict {
		return errSettings.Because(err)
	}
	return err
}

// LastDrill returns the summary of the last drill before an alert; false: there was none
// among the school's last alerts.
func (s *Store) LastDrill(ctx context.Context, school, before string) (Summary, bool, error) {
	const most = 100
	all, _, err := s.Summaries(ctx, school, before, most)
	for _, one := range all {
		if one.Kind == Drill {
			return one, true, err
		}
	}
	return Summary{}, false, err
}
