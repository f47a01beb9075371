package gate

import (
	"context"
	"encoding/json"
	"time"

	"github.com/todoku/todoku/shared/lane/pace"
	"github.com/todoku/todoku/shared/table"
)

// Unheard is an event: verdicts stay away, and lanes send at their cautious rates.
type Unheard struct {
	Since time.Time `json:"since,omitzero"` // zero: there is none
	Lanes []string  `json:"lanes,omitempty"`
}

// Lasts reports whether there is such an event.
func (u Unheard) Lasts() bool { return !u.Since.IsZero() }

var unheardKey = table.Key{Partition: "lane/unheard", Sort: "event"}

const (
	// fewUnheard is how many copies without a verdict are an event. Fewer are one mailbox
	// that is full, or a greylisted guardian.
	fewUnheard = 5
	// unheardRest is after how long an event is over of which nothing more is seen.
	unheardRest = time.Hour
)

// Unheard reads the event that lasts, if any.
func (g *Gate) Unheard(ctx context.Context) (Unheard, error) {
	u, _, err := g.unheard(ctx)
	return u, err
}

func (g *Gate) unheard(ctx context.Context) (u Unheard, revision int64, err error) {
	if g == nil || !g.Events {
		return u, 0, nil
	}
	return table.Recall[Unheard](ctx, g.Table, unheardKey)
}

// Listen looks whether verdicts stay away from lanes that send, and keeps as an event what
// is so at two looks. begun is true once for each, for whoever looked first. It is asked once
// a minute while an alert is open.
func (g *Gate) Listen(ctx context.Context) (u Unheard, begun bool, err error) {
	if g == nil || !g.Events {
		return u, false, nil
	}
	u, revision, err := g.unheard(ctx)
	if err != nil {
		return u, false, err
	}
	ls, err := g.Known(ctx)
	if err != nil {
		return u, false, err
	}
	now := g.Now().UTC()
	lanes, heard := g.waitInVain(ls, now)
	again := g.again(len(lanes) > 0, heard, now)
	switch {
	case !u.Lasts() && again:
		u = Unheard{Since: now, Lanes: lanes}
		value, _ := json.Marshal(u) // a time and names
		err = g.Table.Write(ctx, "", table.Create{Key: unheardKey, Value: value})
		_, other := table.Conflict(err)
		if other {
			return u, false, nil
		}
		return u, err == nil, err
	case u.Lasts() && len(lanes) == 0 && (heard.After(u.Since) || now.Sub(u.Since) > unheardRest):
		return Unheard{}, false, table.IgnoreConflict(g.Table.Write(ctx, "", table.Delete{Key: unheardKey, Revision: revision}))
	}
	return u, false, nil
}

// again reports whether verdicts stay away and did so at an earlier look, since when none
// came. At one look it may be that a lane which had been still has just begun to send. The
// earlier look is in memory: on AWS a fresh instance looks twice anew.
func (g *Gate) again(inVain bool, heard, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !inVain:
		g.vain = time.Time{}
	case g.vain.IsZero() || !heard.Before(g.vain):
		g.vain = now
	default:
		return now.Sub(g.vain) > pace.EventLag
	}
	return false
}

// waitInVain returns the lanes from which no verdict came on what they sent last, if
// that is so of all that send and of many copies; and when the last one came of any.
func (g *Gate) waitInVain(ls []Lane, now time.Time) (names []string, heard time.Time) {
	out := 0
	for i := range ls {
		s := &ls[i].State
		if s.Last.After(heard) {
			heard = s.Last
		}
		if s.Sent.After(s.Last) && now.Sub(s.Sent) <= pace.Forget && s.Silent(g.limits(ls[i].Name), now) {
			names, out = append(names, ls[i].Name), out+s.Out
		}
	}
	if out < fewUnheard || now.Sub(heard) <= pace.Silence {
		return nil, heard
	}
	return names, heard
}
