package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
	"golang.org/x/sync/errgroup"
)

// Store keeps alerts in a table:
//
//	alert/<id>           alert                       the Alert
//	                     fanout, cancel, remind      how far each job is (Progress)
//	                     lane/.. class/.. ..         counters (tally.go)
//	alert/<id>/<class>   family/<family>             a Family, or a pointer to it in another class
//	                     answer/<child>/<id>         every answer ever given for the child
//	school/<id>/alerts   <alert>                     the school's alerts, newest last
//	school/<id>/accepts  <idempotency key>           which alert a repeated request made
//	open                 <alert>                     alerts that the tick looks after
//	due                  <time>/...                  copies to be tried again (due.go)
type Store struct {
	Table table.Table
	IDs   *id.Source
	Now   func() time.Time
}

// ErrNotFound says that there is no such alert or family.
var ErrNotFound = errors.New("alert: not found")

const (
	alertSort = "alert"
	openPart  = "open"
	// updateTries bounds how often a write is begun anew because somebody else
	// wrote one of its families first.
	updateTries = 20
	readers     = 16 // concurrent reads of one call
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

// read decodes the record under key into v and returns its revision.
func (s *Store) read(ctx context.Context, key table.Key, v any) (int64, error) {
	item, err := s.Table.Get(ctx, key)
	if errors.Is(err, table.ErrNotFound) {
		return 0, ErrNotFound
	}
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(item.Value, v); err != nil {
		return 0, fmt.Errorf("alert: item %s: %w", key, err)
	}
	return item.Revision, nil
}

// encode never fails on the types of this package.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// Family reads a family's record. It fails with ErrNotFound if there is none.
func (s *Store) Family(ctx context.Context, ref Ref) (Family, error) {
	var f Family
	_, err := s.read(ctx, ref.Key(), &f)
	return f, err
}

// Change is one wanted change of a family's record. Apply alters the record and
// reports whether it did; it can be called again on a newer record if somebody
// else wrote first, so it must set anew whatever it reports elsewhere. More, if
// set, names further ops of the same write.
type Change struct {
	Ref   Ref
	Apply func(f *Family) bool
	More  func() []table.Op
}

// Update applies changes to families of one alert, all in one write together
// with the counters. Two changes of one family are applied in order. A family
// that does not exist is an error matching ErrNotFound.
func (s *Store) Update(ctx context.Context, changes ...Change) error {
	for range updateTries {
		ops, err := s.plan(ctx, changes)
		if err != nil || len(ops) == 0 {
			return err
		}
		err = s.Table.Write(ctx, "", ops...)
		if _, conflict := table.Conflict(err); !conflict {
			return err
		}
	}
	return fmt.Errorf("alert: %d writes in a row lost against others: %w", updateTries, table.ErrBusy)
}

// loaded is a family's record as it is stored, and as the changes leave it.
type loaded struct {
	ref           Ref
	revision      int64
	before, after Family
	changed       bool
}

func (s *Store) plan(ctx context.Context, changes []Change) ([]table.Op, error) {
	families, index, err := s.load(ctx, changes)
	if err != nil {
		return nil, err
	}
	var ops []table.Op
	for _, c := range changes {
		l := &families[index[c.Ref]]
		if !c.Apply(&l.after) {
			continue
		}
		l.changed = true
		if c.More != nil {
			ops = append(ops, c.More()...)
		}
	}
	t := tallies{}
	for i := range families {
		l := &families[i]
		if !l.changed {
			continue
		}
		t.count(&l.before, -1)
		t.count(&l.after, +1)
		ops = append(ops, table.Replace{Key: l.ref.Key(), Revision: l.revision, Value: encode(&l.after)})
	}
	if len(ops) == 0 {
		return nil, nil
	}
	return append(ops, t.ops(changes[0].Ref.Alert)...), nil
}

// load reads the families of the changes, each once.
func (s *Store) load(ctx context.Context, changes []Change) ([]loaded, map[Ref]int, error) {
	index := make(map[Ref]int, len(changes))
	families := make([]loaded, 0, len(changes))
	for _, c := range changes {
		if _, ok := index[c.Ref]; !ok {
			index[c.Ref] = len(families)
			families = append(families, loaded{ref: c.Ref})
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := range families {
		g.Go(func() error { return s.loadOne(ctx, &families[i]) })
	}
	return families, index, g.Wait()
}

func (s *Store) loadOne(ctx context.Context, l *loaded) error {
	item, err := s.Table.Get(ctx, l.ref.Key())
	if errors.Is(err, table.ErrNotFound) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	l.revision = item.Revision
	if err := json.Unmarshal(item.Value, &l.before); err != nil {
		return fmt.Errorf("alert: item %s: %w", l.ref.Key(), err)
	}
	// Decoded twice rather than copied: the changes may alter any depth of it.
	return json.Unmarshal(item.Value, &l.after)
}

// end records that an alert ended, if it has not already.
func (s *Store) end(ctx context.Context, alertID string, how Ending) (Alert, error) {
	for range updateTries {
		a, err := s.Alert(ctx, alertID)
		if err != nil || a.Ending != "" {
			return a, err
		}
		a.Ending, a.Ended = how, s.Now().UTC()
		err = s.Table.Write(ctx, "", table.Replace{Key: alertKey(alertID), Revision: a.Revision, Value: encode(a)})
		if _, conflict := table.Conflict(err); !conflict {
			a.Revision++
			return a, err
		}
	}
	return Alert{}, table.ErrBusy
}

// Undo takes an alert back before anything was sent.
func (s *Store) Undo(ctx context.Context, alertID string) (Alert, error) {
	a, err := s.Alert(ctx, alertID)
	if err != nil {
		return a, err
	}
	if a.State(s.Now()) != StateWaiting {
		return a, problem.New(problem.Conflict,
			"もう送信が始まっているため、取り消せません。訂正する場合は、新しい連絡を送ってください。",
			"Sending has begun, so it can no longer be undone. To correct it, send a new alert.")
	}
	return s.end(ctx, alertID, Undone)
}

// Close ends an alert: what has not left is cancelled, and links show that it is
// over. Closing twice is not an error.
func (s *Store) Close(ctx context.Context, alertID string) (Alert, error) {
	return s.end(ctx, alertID, Closed)
}
