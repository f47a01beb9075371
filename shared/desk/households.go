package desk

import (
	"cmp"
	"context"
	"slices"

	"github.com/todoku/todoku/shared/table"
)

// Household is what one call is for: rows of one family, at most one of each alert.
type Household struct {
	Rows []Row // the most pressing first
}

// tooCommon is how many families of one alert share a line that says nothing of who is a
// family: a children's home, or a number that an office made up.
const tooCommon = 3

// Households puts the rows of several alerts' desks together that are of one family: those
// that share most lines. Who shares a line with two of one alert is put to one of them; the
// other is another household, and is not in anybody's hands at the same time. It reads
// nothing. The most pressing household comes first.
func (d Desk) Households(rows []Row) []Household {
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Ref.Alert, b.Ref.Alert), cmp.Compare(a.ID, b.ID)) // the same whatever was phoned
	})
	keys := d.telling(rows)
	var homes []Household
	at := map[table.Key][]int{} // households by line
	for i, row := range rows {
		h := match(homes, at, keys[i], row.Ref.Alert)
		if h < 0 {
			h, homes = len(homes), append(homes, Household{})
		}
		homes[h].Rows = append(homes[h].Rows, row)
		for _, k := range keys[i] {
			if !slices.Contains(at[k], h) {
				at[k] = append(at[k], h)
			}
		}
	}
	for _, h := range homes {
		slices.SortFunc(h.Rows, before)
	}
	slices.SortFunc(homes, func(a, b Household) int { return before(a.Rows[0], b.Rows[0]) })
	return homes
}

// telling returns the lines of each row that tell who is a family.
func (d Desk) telling(rows []Row) [][]table.Key {
	type of struct {
		alert string
		line  table.Key
	}
	families := map[of]int{}
	keys := make([][]table.Key, len(rows))
	for i, row := range rows {
		keys[i] = d.lineKeys(&row.Family)
		for _, k := range keys[i] {
			families[of{row.Ref.Alert, k}]++
		}
	}
	for i, row := range rows {
		keys[i] = slices.DeleteFunc(keys[i], func(k table.Key) bool { return families[of{row.Ref.Alert, k}] >= tooCommon })
	}
	return keys
}

// match returns which household shares most lines, of those that have none of an alert
// and are not full; -1: none.
func match(homes []Household, at map[table.Key][]int, lines []table.Key, alertID string) int {
	shared := map[int]int{}
	best := -1
	for _, k := range lines {
		for _, h := range at[k] {
			shared[h]++
			if !homes[h].takes(alertID) {
				continue
			}
			if best < 0 || shared[h] > shared[best] || shared[h] == shared[best] && h < best {
				best = h
			}
		}
	}
	return best
}

func (h Household) takes(alertID string) bool {
	return len(h.Rows) < MaxTogether && !slices.ContainsFunc(h.Rows, func(r Row) bool { return r.Ref.Alert == alertID })
}

// Need is the most pressing of its rows'.
func (h Household) Need() Need { return h.Rows[0].Need }

// ID is one of its families' ids, the same in whatever order its rows are.
func (h Household) ID() string {
	return slices.MinFunc(h.Rows, func(a, b Row) int { return cmp.Compare(a.ID, b.ID) }).ID
}

// NextHousehold claims the first of the households that nobody has and that is not to be
// called later. desks are those of their alerts, by id.
func NextHousehold(ctx context.Context, homes []Household, desks map[string]Desk, who Person) (Household, bool, error) {
	for _, h := range homes {
		if h.Need() == CallLater || h.held(desks) {
			continue
		}
		_, err := h.Together(desks).Claim(ctx, who)
		if isConflict(err) {
			continue
		}
		return h, err == nil, err
	}
	return Household{}, false, nil
}

func (h Household) held(desks map[string]Desk) bool {
	return slices.ContainsFunc(h.Rows, func(r Row) bool { return r.Held(desks[r.Ref.Alert].Alerts.Now()) })
}

// Together returns the household as what is done to it, with the desks of its alerts.
func (h Household) Together(desks map[string]Desk) Together {
	var t Together
	for _, r := range h.Rows {
		t = append(t, Member{desks[r.Ref.Alert], r.Ref})
	}
	return t
}

// Of returns the household's row of an alert.
func (h Household) Of(alertID string) (Row, bool) {
	i := slices.IndexFunc(h.Rows, func(r Row) bool { return r.Ref.Alert == alertID })
	if i < 0 {
		return Row{}, false
	}
	return h.Rows[i], true
}

// Numbers returns the telephone numbers of all of the household's families, each once, as
// Row.Numbers does.
func (h Household) Numbers() []Number {
	var one Row
	for _, r := range h.Rows {
		one.Guardians = append(one.Guardians, r.Guardians...)
		one.Calls = append(one.Calls, r.Calls...)
	}
	one.Calls = once(one.Calls)
	return one.Numbers()
}

// once returns calls without those that were entered for several families.
func once(calls []Call) []Call {
	seen := map[string]bool{}
	return slices.DeleteFunc(calls, func(c Call) bool {
		twice := seen[c.ID]
		seen[c.ID] = true
		return twice
	})
}

// ToCallAny reports whether one of the household's families is to be phoned.
func (h Household) ToCallAny() bool {
	return slices.ContainsFunc(h.Rows, func(r Row) bool { return ToCall(&r.Family) })
}
