package desk

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// Fields of the counter of a class, beside "n".
const (
	outcomePrefix = "o/" // and an outcome: calls that ended so
	minutePrefix  = "m/" // and a minute since 1970: calls that were entered in it
)

// Calls counts the calls of an alert.
type Calls struct {
	Total   int64
	By      map[Outcome]int64
	Minutes []Minute // oldest first
}

// Minute counts the calls that were entered in one minute.
type Minute struct {
	At    time.Time
	Calls int64
}

// Calls reads how often was phoned for an alert: one counter for each class.
func (d Desk) Calls(ctx context.Context, alertID string) (Calls, error) {
	c := Calls{By: map[Outcome]int64{}}
	minutes := map[int64]int64{}
	for item, err := range table.Items(ctx, d.Alerts.Table, table.Query{Partition: part(alertID), Prefix: changes}) {
		if err != nil {
			return c, err
		}
		for field, n := range item.Counts {
			if o, ok := strings.CutPrefix(field, outcomePrefix); ok {
				c.By[Outcome(o)] += n
				c.Total += n
			}
			if m, ok := strings.CutPrefix(field, minutePrefix); ok {
				at, _ := strconv.ParseInt(m, 10, 64)
				minutes[at] += n
			}
		}
	}
	for at, n := range minutes {
		c.Minutes = append(c.Minutes, Minute{time.Unix(at*60, 0).UTC(), n})
	}
	slices.SortFunc(c.Minutes, func(a, b Minute) int { return a.At.Compare(b.At) })
	return c, nil
}

// Records reads what the desk knows of the families that are kept in a class, by
// family: those that nobody has done anything for are not in it.
func (d Desk) Records(ctx context.Context, alertID, class string) (map[string]Record, error) {
	known := map[string]Record{}
	for item, err := range table.Items(ctx, d.Alerts.Table, table.Query{Partition: part(alertID) + "/" + class}) {
		if err == nil {
			known[item.Sort], err = decode(item)
		}
		if err != nil {
			return nil, err
		}
	}
	return known, nil
}
