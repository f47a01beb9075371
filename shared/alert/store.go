package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// Store keeps alerts in a table:
//
//	alert/<id>           alert                       the Alert
//	                     plan                        what its fan-out walks over (Plan)
//	                     fanout fanout/<strand>      how far each job is (Progress)
//	                     cancel remind.. again/<time>
//	                     lane/.. children/..         counters (tally.go)
//	                     class/.. curve/..
//	                     hand/<group>                copies of a slot that are being sent (Hand)
//	                     reply/<family>/<mail>       mails that staff are to read (Reply)
//	                     silence                     what was seen of its lanes (silence.go)
//	alert/<id>/<class>   family/<family>             a Family, or a pointer to it in another class
//	                     answer/<child>/<id>         every answer ever given for the child
//	                     taken/<family>/<mail>       mails whose answers were taken
//	school/<id>/alerts   <alert>                     the school's alerts, newest last
//	school/<id>/accepts  <idempotency key>           which alert a repeated request made
//	school/<id>/summaries <alert>                     what is kept of it when it is over (Summary)
//	school/<id>/drills    plan                       when drills are held (DrillPlan)
//	school/<id>/chase     chase                      how answers are chased (Chases)
//	school/<id>/templates templates                  what the big buttons say (Template)
//	school/<id>/silence   past                       what the school's lanes are like (silence.go)
//	open                 <alert>                     alerts that the tick looks after
//	due                  <time>/...                  copies to be tried again (due.go)
//	forget               <time>/<contact>            addresses that were deleted (Forget)
type Store struct {
	Table table.Table
	IDs   *id.Source
	Now   func() time.Time
	// Reread says that a refused write costs more than another read of what it
	// writes, as where each is charged.
	Reread bool
}

// ErrNotFound says that there is no such alert or family.
var ErrNotFound = errors.New("alert: not found")

const (
	alertSort = "alert"
	openPart  = "open"
)

func alertKey(alert string) table.Key {
	return table.Key{Partition: partition(alert), Sort: alertSort}
}

// Alert reads an alert. It fails with ErrNotFound if there is none.
func (s *Store) Alert(ctx context.Context, alertID string) (Alert, error) {
	if _, ok := id.Bytes(alertID); !ok {
		return Alert{}, ErrNotFound
	}
	var a Alert
	rev, err := s.read(ctx, alertKey(alertID), &a)
	a.Revision = rev
	return a, err
}

// Newer reads an alert as Alert does. known is what is known of it, or of another: if it
// has not changed since, it is not decoded again.
func (s *Store) Newer(ctx context.Context, alertID string, known Alert) (Alert, error) {
	if known.ID != alertID {
		return s.Alert(ctx, alertID)
	}
	item, err := s.item(ctx, alertKey(alertID))
	if err != nil || item.Revision == known.Revision {
		return known, err
	}
	return s.Alert(ctx, alertID)
}

// read decodes the record under key into v and returns its revision.
func (s *Store) read(ctx context.Context, key table.Key, v any) (int64, error) {
	item, err := s.item(ctx, key)
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(item.Value, v); err != nil {
		return 0, fmt.Errorf("alert: item %s: %w", key, err)
	}
	return item.Revision, nil
}

func (s *Store) item(ctx context.Context, key table.Key) (table.Item, error) {
	item, err := s.Table.Get(ctx, key)
	if errors.Is(err, table.ErrNotFound) {
		return item, ErrNotFound
	}
	return item, err
}

// Family reads a family's record. It fails with ErrNotFound if there is none.
func (s *Store) Family(ctx context.Context, ref Ref) (Family, error) {
	f, _, err := s.family(ctx, ref)
	return f, err
}

// Known reports of each record of a family whether there is one.
func (s *Store) Known(ctx context.Context, refs ...Ref) (known map[Ref]bool, err error) {
	known = make(map[Ref]bool, len(refs))
	for some := range slices.Chunk(refs, table.MaxOps) {
		keys := make([]table.Key, len(some))
		for i, ref := range some {
			keys[i] = ref.Key()
		}
		items, err := s.Table.GetMany(ctx, keys...)
		if err != nil {
			return nil, err
		}
		for i, item := range items {
			known[some[i]] = item.Revision != 0
		}
	}
	return known, nil
}

func (s *Store) family(ctx context.Context, ref Ref) (f Family, revision int64, err error) {
	item, err := s.item(ctx, ref.Key())
	if err != nil {
		return Family{}, 0, err
	}
	f, _, err = decodeFamily(item)
	return f, item.Revision, err
}

// change has alter change an alert and writes it, unless alter reports that nothing is to
// be changed, or fails. It begins anew if somebody else wrote the alert meanwhile.
func (s *Store) change(ctx context.Context, alertID string, alter func(*Alert) (bool, error)) (Alert, error) {
	var a Alert
	err := table.Again(func() (err error) {
		if a, err = s.Alert(ctx, alertID); err != nil {
			return err
		}
		if changed, err := alter(&a); err != nil || !changed {
			return err
		}
		err = s.Table.Write(ctx, "", table.Replace{Key: alertKey(alertID), Revision: a.Revision, Value: table.Encode(a)})
		a.Revision++
		return err
	})
	return a, err
}

func (a *Alert) end(how Ending, now time.Time) {
	a.Ending, a.Ended = how, now
	if a.Glass != nil && a.Starts.After(now) {
		a.Starts = now // nobody waits for it any more
	}
}

// Undo takes an alert back before anything was sent. Undoing twice is not an error.
func (s *Store) Undo(ctx context.Context, alertID string) (Alert, error) {
	return s.change(ctx, alertID, func(a *Alert) (bool, error) {
		switch now := s.Now().UTC(); {
		case a.Ending == Undone:
			return false, nil
		case a.State(now) != StateWaiting:
			return false, problem.New(problem.Conflict,
				"もう送信が始まっているため、取り消せません。訂正する場合は、新しい連絡を送ってください。",
				"Sending has begun, so it can no longer be undone. To correct it, send a new alert.")
		default:
			a.end(Undone, now)
			return true, nil
		}
	})
}

// Close ends an alert: what has not left is cancelled, and links show that it is
// over. Closing twice is not an error.
func (s *Store) Close(ctx context.Context, alertID string) (Alert, error) {
	return s.change(ctx, alertID, func(a *Alert) (bool, error) {
		if a.Ending != "" {
			return false, nil
		}
		a.end(Closed, s.Now().UTC())
		return true, nil
	})
}
