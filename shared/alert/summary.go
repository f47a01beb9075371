package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// Summary is what is kept of an alert for comparison when it is over: figures, and
// nothing of any person. It is written once, with the end of the job that ends the
// alert, and is as the counters stood then.
//
//	school/<id>/summaries  <alert>   a Summary, newest last
type Summary struct {
	ID       string        `json:"id"`
	Kind     Kind          `json:"kind"`
	Starts   time.Time     `json:"starts"`
	Open     time.Duration `json:"open"` // nanoseconds in which it could be answered
	Children int64         `json:"children"`
	Answered int64         `json:"answered"`
	Help     int64         `json:"help,omitempty"`
	// By counts the children by state; none in alerts of older versions.
	By     map[string]int64 `json:"by,omitempty"`
	Unsent int64            `json:"unsent,omitempty"` // copies that were given up before they left
	Lanes  []LaneSummary    `json:"lanes,omitempty"`
	// Steps is the answer curve: minutes since the start, and children answered for
	// by then. Whole hours after the first two.
	Steps [][2]int64 `json:"curve,omitempty"`
}

// LaneSummary counts the copies of one lane.
type LaneSummary struct {
	Lane    string `json:"lane"`
	Copies  int64  `json:"copies"`
	Left    int64  `json:"left"` // sent or delivered
	Refused int64  `json:"refused,omitempty"`
	// Asked and Answered are those of LaneStatus; none in alerts of older versions.
	Asked    int64 `json:"asked,omitempty"`
	Answered int64 `json:"answered,omitempty"`
}

// Summarize makes the summary of where an alert stands.
func Summarize(st Status) Summary {
	end := st.At
	if !st.Alert.Ended.IsZero() {
		end = st.Alert.Ended
	} else if st.Alert.UsefulUntil.Before(end) {
		end = st.Alert.UsefulUntil
	}
	s := Summary{
		ID: st.Alert.ID, Kind: st.Alert.Kind, Starts: st.Alert.Starts, Open: max(end.Sub(st.Alert.Starts), 0),
		Children: st.Children.Total, Answered: st.Children.By[string(Answered)], Help: st.Help, By: st.Children.By,
		Unsent: st.Copies.By[string(Cancelled)], Steps: steps(st.Curve),
	}
	for _, l := range st.Lanes {
		s.Lanes = append(s.Lanes, LaneSummary{
			Lane: l.Lane, Copies: l.Total, Left: l.By[string(Sent)] + l.By[string(Delivered)], Refused: l.By[string(Refused)],
			Asked: l.Asked, Answered: l.Answered,
		})
	}
	return s
}

// steps writes a curve down, by minutes for two hours and by hours after that.
func steps(curve []CurvePoint) [][2]int64 {
	var out [][2]int64
	for _, p := range curve {
		after := p.After
		if after > minuteSteps*time.Minute {
			after = (after + time.Hour - 1).Truncate(time.Hour)
		}
		step := [2]int64{int64(after / time.Minute), p.Answered}
		if n := len(out); n > 0 && out[n-1][0] == step[0] {
			out[n-1] = step
			continue
		}
		out = append(out, step)
	}
	return out
}

// Curve returns the answer curve.
func (s Summary) Curve() []CurvePoint {
	points := make([]CurvePoint, len(s.Steps))
	for i, st := range s.Steps {
		points[i] = CurvePoint{After: time.Duration(st[0]) * time.Minute, Answered: st[1]}
	}
	return points
}

// AnsweredBy returns how many children were answered for by a time since the start,
// as far as the curve tells: a point counts when its step is over.
func AnsweredBy(curve []CurvePoint, after time.Duration) (n int64) {
	for _, p := range curve {
		if p.After > after {
			break
		}
		n = p.Answered
	}
	return n
}

// ReachedAt returns when so many hundredths of the children were answered for, since
// the start and to the step of the curve; false: never.
func ReachedAt(curve []CurvePoint, children int64, hundredths int64) (time.Duration, bool) {
	for _, p := range curve {
		if children > 0 && p.Answered*100 >= children*hundredths {
			return p.After, true
		}
	}
	return 0, false
}

func summaries(school string) string { return "school/" + school + "/summaries" }

// SummaryOps returns the ops that keep the summary of an alert that is over; none if
// nobody was told.
func (s *Store) SummaryOps(ctx context.Context, a Alert) ([]table.Op, error) {
	st, err := s.Status(ctx, a)
	if err != nil || a.Ending == Undone || st.Children.Total == 0 {
		return nil, err
	}
	key := table.Key{Partition: summaries(a.School), Sort: a.ID}
	return []table.Op{table.Create{Key: key, Value: table.Encode(Summarize(st))}}, nil
}

// Summaries returns a school's alerts that are over, newest first, those before the
// one with the id after, and where to go on ("": the end).
func (s *Store) Summaries(ctx context.Context, school, after string, limit int) ([]Summary, string, error) {
	page, err := s.Table.Query(ctx, table.Query{Partition: summaries(school), After: after, Limit: limit, Reverse: true})
	if err != nil {
		return nil, "", err
	}
	out := make([]Summary, len(page.Items))
	for i, item := range page.Items {
		if err := json.Unmarshal(item.Value, &out[i]); err != nil {
			return nil, "", fmt.Errorf("alert: item %s: %w", item.Key, err)
		}
	}
	return out, page.Next, nil
}
