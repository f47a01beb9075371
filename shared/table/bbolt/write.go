package bbolt

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/todoku/todoku/shared/journal"

	"github.com/todoku/todoku/shared/table"
)

// Write implements table.Table. It waits for the disk about once, or twice if it
// arrives while another write does; writes that wait together share the wait.
//
// After an error of the disk itself (not for want of room) in the very last step
// of a commit, the write can be there all the same; a repetition with its token
// tells.
func (t *Table) Write(ctx context.Context, token string, ops ...table.Op) error {
	if err := table.CheckWrite(token, ops); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w := newWrite(token, ops)
	var outcome error
	err := t.group.Update(func(tx *journal.Tx) (err error) {
		if outcome = ctx.Err(); outcome != nil {
			return nil
		}
		outcome, err = w.run(tx, t.now())
		return err
	})
	if err != nil {
		return fault(err)
	}
	return outcome
}

// write is a Write made ready, outside of the transaction that others wait for.
type write struct {
	token  string
	digest []byte
	steps  []writeStep
}

// writeStep is one op: the condition on the item that is there, and what to put in
// its place. An Add has no value until it has seen the item.
type writeStep struct {
	key     []byte
	holds   func(old stored) bool
	value   []byte  // to put; nil: nothing
	expires int64   // of value
	remove  bool    // delete the item
	add     []field // add to the item's fields
}

func newWrite(token string, ops []table.Op) *write {
	w := &write{token: token, steps: make([]writeStep, len(ops))}
	if token != "" {
		d := table.Digest(ops)
		w.digest = d[:]
	}
	for i, op := range ops {
		w.steps[i] = newStep(op)
	}
	return w
}

func newStep(op table.Op) writeStep {
	s := writeStep{key: itemKey(op.OpKey())}
	switch op := op.(type) {
	case table.Create:
		s.holds = isAbsent
		s.put(1, op.Expires, op.Value)
	case table.Replace:
		s.holds = isRevision(op.Revision)
		s.put(op.Revision+1, op.Expires, op.Value)
	case table.Delete:
		s.holds, s.remove = isRevision(op.Revision), true
	case table.Check:
		s.holds = isRevision(op.Revision)
	case table.CheckAbsent:
		s.holds = isAbsent
	case table.Add:
		s.holds, s.add = isNoRecord, sortedFields(op.Deltas)
	}
	return s
}

func (s *writeStep) put(revision int64, expires time.Time, value []byte) {
	s.expires = unixSecond(expires)
	s.value = encodeRecord(revision, s.expires, value)
}

func isAbsent(old stored) bool   { return old.kind == kindNone }
func isNoRecord(old stored) bool { return old.kind != kindRecord }

func isRevision(r int64) func(stored) bool {
	return func(old stored) bool { return old.kind == kindRecord && old.revision == r }
}

// run applies w, or does nothing and returns as outcome why not. An error is a
// fault of the file; then the transaction must be rolled back.
func (w *write) run(tx *journal.Tx, now time.Time) (outcome, err error) {
	items := openItems(tx)
	if w.token != "" {
		again, outcome, err := w.repeated(items, now)
		if again || err != nil {
			return outcome, err
		}
	}
	outcome, err = w.check(items, now.Unix())
	if outcome != nil || err != nil {
		return outcome, err
	}
	for i := range w.steps {
		if err := items.apply(&w.steps[i]); err != nil {
			return nil, err
		}
	}
	return nil, w.remember(items, now)
}

// check reads what is at every key, expired or not, and names the ops whose
// condition does not hold. What an Add would write is a condition too, so check
// works it out on the way.
func (w *write) check(items items, now int64) (outcome, err error) {
	var failed []int
	for i := range w.steps {
		s := &w.steps[i]
		seen, err := items.get(s.key)
		if err != nil {
			return nil, err
		}
		if !seen.live(now) {
			seen = stored{}
		}
		ok := s.holds(seen)
		if ok && s.add != nil {
			ok, err = s.addTo(seen)
		}
		if err != nil {
			return nil, err
		}
		if !ok {
			failed = append(failed, i)
		}
	}
	if failed != nil {
		return &table.ConflictError{Ops: failed}, nil
	}
	return nil, nil
}

func (s *writeStep) addTo(old stored) (ok bool, err error) {
	have, err := fields(old.body)
	if err != nil {
		return false, err
	}
	fs, ok := sum(have, s.add)
	if ok {
		s.value = encodeCounter(fs)
	}
	return ok, nil
}

// repeated reports whether w's token was used lately, and then the outcome.
func (w *write) repeated(items items, now time.Time) (again bool, outcome, err error) {
	used, err := items.get(tokenKey(w.token))
	switch {
	case err != nil || !used.live(now.Unix()):
		return false, nil, err
	case !bytes.Equal(used.body, w.digest):
		return true, fmt.Errorf("%w: the token was used with other ops", table.ErrInvalid), nil
	}
	return true, nil, nil
}

func (w *write) remember(items items, now time.Time) error {
	if w.token == "" {
		return nil
	}
	s := writeStep{key: tokenKey(w.token)}
	s.put(1, now.Add(table.TokenLife+time.Second-1), w.digest)
	return items.apply(&s)
}

// items is the table within one transaction.
type items struct{ items *journal.Bucket }

// fillPercent is how full a page of items is left when it is split. Of 100,000
// items, 0.5 (bbolt's own) makes 57 MiB if they are written in the order of their
// keys and 38 if not; 0.7 makes 39 and 39; 0.9 makes 30 and 56.
const fillPercent = 0.7

func openItems(tx *journal.Tx) items {
	t := items{tx.Bucket(bucketItems)}
	t.items.Fill(fillPercent)
	return t
}

func (t items) get(key []byte) (stored, error) { return parse(t.items.Get(key)) }

// apply does what s says.
func (t items) apply(s *writeStep) error {
	switch {
	case s.remove:
		return t.items.Delete(s.key)
	case s.value == nil:
		return nil
	}
	return t.items.Put(s.key, s.value)
}
