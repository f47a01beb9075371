package bbolt

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/todoku/todoku/shared/journal"
)

// A queue is one top-level bucket, "queue/NAME", of five:
//
//	messages  group NUL sequence -> sent, id, body
//	attempts  group NUL sequence -> receives, first receive, reason
//	groups    group              -> in flight: count, since; or hidden: until
//	sent      sequence           -> time, ids: the log that deduplicates
//	dead      sequence           -> a dead letter
//
// Messages of a group are neighbours, so a batch is one short range, and handing
// it out writes one small record in groups instead of a write a message: at most
// one batch of a group is in flight, and it is always the group's first messages.
// Attempts holds only messages that were handed out in vain before.
type buckets struct {
	messages, attempts, groups, sent, dead *journal.Bucket
}

// Sequences run to the end of pages at the end of groups, so pages may be filled
// almost wholly; bbolt's default of a half would double the file.
const fill = 0.9

func rootName(queue string) []byte { return []byte("queue/" + queue) }

func createBuckets(tx *journal.Tx, queue string) error {
	root, err := tx.CreateBucketIfNotExists(rootName(queue))
	if err != nil {
		return err
	}
	for _, name := range []string{"messages", "attempts", "groups", "sent", "dead"} {
		if _, err := root.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}

func openBuckets(tx *journal.Tx, queue string) buckets {
	root := tx.Bucket(rootName(queue))
	in := func(name string) *journal.Bucket {
		b := root.Bucket([]byte(name))
		b.Fill(fill)
		return b
	}
	return buckets{
		messages: in("messages"),
		attempts: in("attempts"),
		groups:   in("groups"),
		sent:     in("sent"),
		dead:     in("dead"),
	}
}

// groupPrefix begins the keys of a group's messages. Groups hold no NUL, so no
// group's prefix begins another's.
func groupPrefix(group string) []byte {
	return append(append(make([]byte, 0, len(group)+9), group...), 0)
}

func messageKey(group string, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(groupPrefix(group), seq)
}

func splitKey(key []byte) (group string, seq uint64) {
	n := len(key) - 8
	return string(key[:n-1]), binary.BigEndian.Uint64(key[n:])
}

func sequenceKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func sequence(key []byte) uint64 { return binary.BigEndian.Uint64(key) }

// stored is the value of a message. Times are Unix milliseconds throughout, as in
// the attributes that handlers read.
type stored struct {
	Sent     int64
	ID, Body string
}

func (s stored) encode() []byte {
	b := make([]byte, 0, len(s.ID)+len(s.Body)+16)
	b = binary.AppendUvarint(b, uint64(s.Sent))
	b = appendString(b, s.ID)
	return append(b, s.Body...)
}

func decodeStored(v []byte) (stored, error) {
	d := decoder{rest: v}
	s := stored{Sent: d.int(), ID: d.string()}
	s.Body = string(d.rest)
	return s, d.err("message")
}

// attempt is what is known of a message that was handed out in vain.
type attempt struct {
	Receives int
	First    int64 // when it was first received
	Reason   string
}

func (a attempt) encode() []byte {
	b := binary.AppendUvarint(nil, uint64(a.Receives))
	b = binary.AppendUvarint(b, uint64(a.First))
	return append(b, a.Reason...)
}

func decodeAttempt(v []byte) (attempt, error) {
	if v == nil {
		return attempt{}, nil
	}
	d := decoder{rest: v}
	a := attempt{Receives: int(d.int()), First: d.int()}
	a.Reason = string(d.rest)
	return a, d.err("attempt")
}

// groupState is the value of a group: Count messages are in flight since At, or,
// if Count is 0, the group is hidden until At.
type groupState struct {
	Count int
	At    int64
}

func (s groupState) encode() []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(s.Count)), uint64(s.At))
}

func decodeGroupState(v []byte) (groupState, error) {
	d := decoder{rest: v}
	s := groupState{Count: int(d.int()), At: d.int()}
	return s, d.err("group")
}

// deadLetter is the value of a dead letter.
type deadLetter struct {
	Group  string
	Died   int64
	Failed attempt
	stored
}

func (l deadLetter) encode() []byte {
	b := appendString(nil, l.Group)
	b = binary.AppendUvarint(b, uint64(l.Died))
	b = appendString(b, string(l.Failed.encode()))
	return append(b, l.stored.encode()...)
}

func decodeDeadLetter(v []byte) (deadLetter, error) {
	d := decoder{rest: v}
	l := deadLetter{Group: d.string(), Died: d.int()}
	failed := d.string()
	if err := d.err("dead letter"); err != nil {
		return l, err
	}
	var err error
	if l.Failed, err = decodeAttempt([]byte(failed)); err != nil {
		return l, err
	}
	l.stored, err = decodeStored(d.rest)
	return l, err
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decoder reads numbers and strings off the front of a value and remembers
// whether one of them was not there.
type decoder struct {
	rest    []byte
	damaged bool
}

func (d *decoder) int() int64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.damaged, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return int64(v)
}

func (d *decoder) string() string {
	n := d.int()
	if n < 0 || n > int64(len(d.rest)) {
		d.damaged, d.rest = true, nil
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return string(s)
}

func (d *decoder) err(what string) error {
	if d.damaged {
		return fmt.Errorf("queue: damaged record of a %s", what)
	}
	return nil
}

func fromMilli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
