package bbolt

import (
	"bytes"
	"cmp"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/queue"
)

// part is the messages of one group in a batch.
type part struct {
	group   *group
	entries []entry
	died    []entry // instead of being handed out again
	retake  bool    // the group is claimed again in the round that writes the outcome
}

// entry is one message in flight.
type entry struct {
	seq uint64
	stored
	attempt           // this one included
	until   time.Time // when it comes again if it failed; zero: when the visibility timeout ends
	failed  bool
}

func (e *entry) fail(failed bool, reason string) {
	e.failed = failed
	if failed {
		e.Reason = reason
	}
}

func (p *part) failures() (n int) {
	for _, e := range p.entries {
		if e.failed {
			n++
		}
	}
	return n
}

// hiddenUntil returns when the last of the failed messages becomes visible: at
// the end of the visibility timeout unless something else was said.
func (p *part) hiddenUntil(timeout time.Time) (t time.Time) {
	for _, e := range p.entries {
		until := e.until
		if until.IsZero() {
			until = timeout
		}
		if e.failed && until.After(t) {
			t = until
		}
	}
	return t
}

// Reasons of attempts that no handler reported.
const (
	reasonTimeout = "the visibility timeout ended before the handler did"
	reasonCrash   = "the process ended while it was being handled"
)

// maxReasonBytes bounds what is kept of a handler's error.
const maxReasonBytes = 500

// claim takes up to limit first messages of a group in flight and buries those
// that were received too often.
func (b buckets) claim(g *group, limit, maxReceives int, now int64) (*part, error) {
	if err := b.interrupted(g.name, reasonTimeout); err != nil {
		return nil, err
	}
	p := &part{group: g}
	if err := b.read(p, limit, maxReceives); err != nil {
		return nil, err
	}
	for _, e := range p.died {
		if err := b.bury(g.name, e, now); err != nil {
			return nil, err
		}
	}
	if len(p.entries) == 0 {
		return p, b.groups.Delete([]byte(g.name))
	}
	for i := range p.entries {
		e := &p.entries[i]
		e.Receives++
		e.First = cmp.Or(e.First, now)
	}
	return p, b.groups.Put([]byte(g.name), groupState{Count: len(p.entries), At: now}.encode())
}

// read fills p with the group's first messages. One that was handed out before is
// a batch of its own; such messages are always the first of their group.
func (b buckets) read(p *part, limit, maxReceives int) error {
	prefix := groupPrefix(p.group.name)
	size := 0
	c := b.messages.Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		e, err := b.entry(k, v)
		if err != nil {
			return err
		}
		if e.Receives >= maxReceives {
			p.died = append(p.died, e)
			continue
		}
		size += len(e.Body)
		if len(p.entries) > 0 && size > queue.MaxMessageBytes {
			return nil
		}
		p.entries = append(p.entries, e)
		if e.Receives > 0 || len(p.entries) == limit {
			return nil
		}
	}
	return nil
}

func (b buckets) entry(k, v []byte) (e entry, err error) {
	_, e.seq = splitKey(k)
	if e.stored, err = decodeStored(v); err != nil {
		return e, err
	}
	e.attempt, err = decodeAttempt(b.attempts.Get(k))
	return e, err
}

// complete removes what a handler handled and notes its failures.
func (b buckets) complete(p *part, until int64) error {
	for _, e := range p.entries {
		if err := b.settle(messageKey(p.group.name, e.seq), e); err != nil {
			return err
		}
	}
	if p.failures() == 0 {
		return b.groups.Delete([]byte(p.group.name))
	}
	return b.groups.Put([]byte(p.group.name), groupState{At: until}.encode())
}

func (b buckets) settle(key []byte, e entry) error {
	if e.failed {
		return b.attempts.Put(key, e.attempt.encode())
	}
	return b.remove(key)
}

func (b buckets) remove(key []byte) error {
	if err := b.messages.Delete(key); err != nil {
		return err
	}
	return b.attempts.Delete(key)
}

// interrupted counts a receive for each message that is in flight according to the
// file, and takes the group out of flight.
func (b buckets) interrupted(group, reason string) error {
	v := b.groups.Get([]byte(group))
	if v == nil {
		return nil
	}
	s, err := decodeGroupState(v)
	if err != nil {
		return err
	}
	prefix := groupPrefix(group)
	c := b.messages.Cursor()
	for k, _ := c.Seek(prefix); s.Count > 0 && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		if err := b.failed(k, s.At, reason); err != nil {
			return err
		}
		s.Count--
	}
	return b.groups.Delete([]byte(group))
}

func (b buckets) failed(key []byte, since int64, reason string) error {
	a, err := decodeAttempt(b.attempts.Get(key))
	if err != nil {
		return err
	}
	a.Receives++
	a.First = cmp.Or(a.First, since)
	a.Reason = reason
	return b.attempts.Put(bytes.Clone(key), a.encode())
}

// bury makes a message a dead letter.
func (b buckets) bury(group string, e entry, now int64) error {
	seq, err := b.dead.NextSequence()
	if err != nil {
		return err
	}
	l := deadLetter{Group: group, Died: now, Failed: e.attempt, stored: e.stored}
	if err := b.dead.Put(sequenceKey(seq), l.encode()); err != nil {
		return err
	}
	return b.remove(messageKey(group, e.seq))
}

func shorten(reason string) string {
	if len(reason) > maxReasonBytes {
		reason = reason[:maxReasonBytes]
	}
	return strings.ToValidUTF8(reason, "")
}
