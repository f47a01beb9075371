package proof

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// Records keep how the proofs went.
type Records struct {
	Table table.Table
	Now   func() time.Time
	Every time.Duration // 0: there are none
	// Mailboxes are those of the lanes that are proven by themselves.
	Mailboxes []Mailbox
	// Started is when this process began, where it does the proving itself: until it has
	// had time for one, that there is none is no alarm. Zero: no data is bad data.
	Started time.Time
}

// Record is how the proofs of one family went.
type Record struct {
	Since  time.Time     `json:"since"`            // when the first one began
	Last   time.Time     `json:"last,omitzero"`    // when the newest that was whole ended
	Took   time.Duration `json:"took,omitempty"`   // of that
	Failed string        `json:"failed,omitempty"` // how far the newest came, if it failed
	Open   bool          `json:"open,omitempty"`   // the one under way waits for it
}

// State is how the proofs went: of the system, and of each lane by its name.
type State struct {
	Record
	Begun  time.Time         `json:"begun"`           // when the newest began
	Alert  string            `json:"alert,omitempty"` // of the one under way
	Tested time.Time         `json:"tested,omitzero"` // when the way of alarms was last tested
	Lanes  map[string]Record `json:"lanes,omitempty"`
}

// of returns the record of a lane, "" for that of the system.
func (s *State) of(lane string) Record {
	if lane == "" {
		return s.Record
	}
	return s.Lanes[lane]
}

func (s *State) set(lane string, r Record) {
	if lane == "" {
		s.Record = r
		return
	}
	if s.Lanes == nil {
		s.Lanes = map[string]Record{}
	}
	s.Lanes[lane] = r
}

var stateKey = table.Key{Partition: "proof", Sort: "state"}

// State returns how the proofs went, the zero State if there was none yet.
func (r *Records) State(ctx context.Context) (State, error) {
	s, _, err := table.Load[State](ctx, r.Table, stateKey)
	return s, err
}

// Limit is how old the newest proof may be.
func (r *Records) Limit() time.Duration { return 2*r.Every + Patience }

// Standing is how the system stands, or a lane.
type Standing struct {
	Lane string // "": the system
	Record
	Late error // why it is red; nil: it is not
}

// Standings returns how the system stands, and then each lane that has a mailbox.
func (r *Records) Standings(ctx context.Context) ([]Standing, error) {
	s, err := r.State(ctx)
	if err != nil {
		return nil, err
	}
	return r.standings(s), nil
}

func (r *Records) standings(s State) []Standing {
	all := []Standing{{Record: s.Record, Late: r.late(s.Record)}}
	for _, m := range r.Mailboxes {
		rec := s.Lanes[m.Lane]
		all = append(all, Standing{Lane: m.Lane, Record: rec, Late: r.late(rec)})
	}
	return all
}

// late says why a record is red.
func (r *Records) late(rec Record) error {
	now, since := r.Now(), rec.Last
	if since.IsZero() {
		since = rec.Since
	}
	if since.IsZero() {
		since = r.Started // it has not come to it yet
	}
	if now.Sub(since) < r.Limit() {
		return nil
	}
	stuck := ""
	if rec.Failed != "" {
		stuck = ": " + rec.Failed
	}
	if rec.Last.IsZero() {
		return errors.New("there was no proof yet" + stuck)
	}
	return fmt.Errorf("last proof %d min ago%s", int(now.Sub(rec.Last).Minutes()), stuck)
}

// Age is how long ago the newest proof was given, or, if there was none, the first one
// was begun.
func (s Standing) Age(now time.Time) time.Duration {
	if s.Last.IsZero() {
		return now.Sub(s.Since)
	}
	return now.Sub(s.Last)
}
