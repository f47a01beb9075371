package alert

import (
	"context"

	"github.com/todoku/todoku/shared/table"
)

// Missing is whom nobody has answered for, of counters alone.
type Missing struct {
	Children Counts
	Help     int64
	Classes  []ClassStatus // those with somebody missing, in the order of their ids
	More     bool          // there are more classes than were read
}

// missingClasses is how many classes of an alert are looked at.
const missingClasses = 200

// Missing counts whom nobody has answered for. What it reads grows with classes, up to
// a limit, and not with children.
func (s *Store) Missing(ctx context.Context, alert string) (Missing, error) {
	var m Missing
	fanOut, err := s.Progress(ctx, alert, FanOut)
	if err != nil {
		return m, err
	}
	by := map[string]int64{}
	err = s.counters(ctx, alert, childrenCounter, func(_ string, counts map[string]int64) { sum(by, counts) })
	if err != nil {
		return m, err
	}
	m.Children, m.Help = childCounts(fanOut.Children, by), by[fieldHelp]
	if m.Children.Unaccounted() == 0 {
		return m, nil
	}
	classes, next, err := s.Classes(ctx, alert, "", missingClasses)
	for _, c := range classes {
		if c.Unaccounted() > 0 {
			m.Classes = append(m.Classes, c)
		}
	}
	m.More = next != ""
	return m, err
}

// MissingTold reports whether the sender was mailed who is missing at a round.
func (s *Store) MissingTold(ctx context.Context, alert string, round int) (bool, error) {
	p, err := s.Progress(ctx, alert, missingJob(round))
	return p.Done, err
}

// SetMissingTold records that the sender was. It is no error if somebody else did.
func (s *Store) SetMissingTold(ctx context.Context, alert string, round int) error {
	p := Progress{Job: missingJob(round), Done: true, At: s.Now().UTC()}
	return table.IgnoreConflict(s.Table.Write(ctx, "", table.Create{Key: progressKey(alert, p.Job), Value: table.Encode(p)}))
}

// missingJob names the record of what the sender was told at a round, which no handler takes for a job.
func missingJob(round int) Job { return "missing-" + RemindJob(round, false) }
