package alert

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/pack"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/table"
)

// CopyRef names one copy.
type CopyRef struct {
	Ref
	Contact string `json:"k"`
	Round   int    `json:"r,omitempty"`
}

// ID names the copy in Message-IDs and in the events of mail operators: it holds
// no personal data.
func (c CopyRef) ID() string {
	name := c.Alert + "-" + c.Contact
	switch {
	case c.Round == 1:
		name += "-r"
	case c.Round > 1:
		name += "-r" + strconv.Itoa(c.Round)
	}
	return name
}

// Names of the tags that a copy's mail carries. Their values are ids, made of the
// characters that SES takes: letters, digits, '-' and '_'
// (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html).
const (
	tagAlert   = "alert"
	tagClass   = "class"
	tagFamily  = "family"
	tagContact = "contact"
	tagRound   = "round"
)

// Tags returns what a mail operator's events about the copy carry back.
func (c CopyRef) Tags() map[string]string {
	return map[string]string{
		tagAlert: c.Alert, tagClass: c.Class, tagFamily: c.Family, tagContact: c.Contact, tagRound: strconv.Itoa(c.Round),
	}
}

// CopyOfTags is the inverse of Tags. It is false for the tags of something else.
func CopyOfTags(tags map[string]string) (CopyRef, bool) {
	c := CopyRef{Ref: Ref{Alert: tags[tagAlert], Class: tags[tagClass], Family: tags[tagFamily]}, Contact: tags[tagContact]}
	round, err := strconv.Atoi(tags[tagRound])
	c.Round = round
	for _, ulid := range []string{c.Alert, c.Family, c.Contact} {
		if _, ok := id.Bytes(ulid); !ok {
			return CopyRef{}, false
		}
	}
	return c, err == nil && round >= 0 && c.Class != ""
}

// Message returns the queue message that has a copy sent. number tells one
// attempt from the next: without it the queue would drop the second as repeated.
func (c CopyRef) Message(group string, number int) queue.Message {
	name := c.ID()
	if number > 0 {
		name += "-" + strconv.Itoa(number)
	}
	return queue.Message{Group: group, ID: name, Body: string(table.Encode(c))}
}

// MaxBundle is how many copies one message names at most, and how many a worker
// has in hand of a slot, unless it says otherwise (Worker.Hand).
const MaxBundle = 10

// bundle is the body of a message that names several copies of an alert. They are packed
// (package pack) and in base64: read and written as JSON, as before, they were one
// fortieth of all that an alert takes.
type bundle struct {
	Alert  string    `json:"a"`
	Packed string    `json:"p,omitempty"`
	Copies []bundled `json:"b,omitempty"` // in messages of older versions
}

type bundled struct {
	Class   string `json:"c"`
	Family  string `json:"f"`
	Contact string `json:"k"`
	Round   int    `json:"r,omitempty"`
}

// Bundle returns the message that has 1 to MaxBundle copies of one alert sent, all
// for the first time.
func Bundle(group string, copies []CopyRef) queue.Message {
	if len(copies) == 1 {
		return copies[0].Message(group, 0)
	}
	packed := packCopies(copies)
	sum := fnv.New64a()
	_, _ = sum.Write(packed) // another bundle that begins with the same copy is another message
	return queue.Message{
		Group: group, ID: copies[0].ID() + "-" + strconv.FormatUint(sum.Sum64(), 36),
		Body: string(table.Encode(bundle{Alert: copies[0].Alert, Packed: base64.StdEncoding.EncodeToString(packed)})),
	}
}

// packCopies packs references to copies of one alert, which is not in them.
func packCopies(copies []CopyRef) []byte {
	const usualCopy = 55 // bytes
	w := pack.NewWriter(2 + usualCopy*len(copies))
	w.Count(len(copies))
	for _, c := range copies {
		w.Text(c.Class)
		w.Text(c.Family)
		w.Text(c.Contact)
		w.Int(c.Round)
	}
	return w.Bytes()
}

// readCopies reads what packCopies has packed.
func readCopies(r *pack.Reader, alert string) []CopyRef {
	return pack.List(r, func(r *pack.Reader) CopyRef {
		return CopyRef{Ref: Ref{Alert: alert, Class: r.Text(), Family: r.Text()}, Contact: r.Text(), Round: r.Int()}
	})
}

// ParseCopies returns the copies that a message names: it is the inverse of Message
// and of Bundle.
func ParseCopies(body string) ([]CopyRef, error) {
	var m struct {
		CopyRef
		Packed string    `json:"p"`
		Copies []bundled `json:"b"`
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		return nil, err
	}
	if m.Packed != "" {
		packed, err := base64.StdEncoding.DecodeString(m.Packed)
		if err != nil {
			return nil, err
		}
		r := pack.NewReader(packed)
		refs := readCopies(r, m.Alert)
		if r.Close() != nil || len(refs) == 0 {
			return nil, pack.ErrDamaged
		}
		return refs, nil
	}
	if len(m.Copies) == 0 {
		return []CopyRef{m.CopyRef}, nil
	}
	refs := make([]CopyRef, len(m.Copies))
	for i, c := range m.Copies {
		refs[i] = CopyRef{Ref: Ref{Alert: m.Alert, Class: c.Class, Family: c.Family}, Contact: c.Contact, Round: c.Round}
	}
	return refs, nil
}

// Due is a copy that waits for its time. Only copies that an operator put off
// wait so, one by one; a lane waits in its queue.
type Due struct {
	CopyRef
	Group  string `json:"q"` // the queue's message group
	Number int    `json:"n"` // which of the copy's waits it is, such as its tries
	key    table.Key
}

const duePart = "due"

// DueOp returns the op that has the copy tried again at a time.
func DueOp(d Due, at time.Time) table.Op {
	sortKey := at.UTC().Format(time.RFC3339) + "/" + d.ID() + "/" + strconv.Itoa(d.Number)
	return table.Create{Key: table.Key{Partition: duePart, Sort: sortKey}, Value: table.Encode(d)}
}

// DueBy returns up to limit copies whose time has come, earliest first.
func (s *Store) DueBy(ctx context.Context, now time.Time, limit int) ([]Due, error) {
	page, err := s.Table.Query(ctx, table.Query{Partition: duePart, Limit: limit})
	if err != nil {
		return nil, err
	}
	var due []Due
	end := now.UTC().Format(time.RFC3339) + "0" // after every key of this second
	for _, item := range page.Items {
		if item.Sort > end {
			break
		}
		var d Due
		if err := json.Unmarshal(item.Value, &d); err != nil {
			return nil, err
		}
		d.key = item.Key
		due = append(due, d)
	}
	return due, nil
}

// Aside reports whether any copy waits for its time.
func (s *Store) Aside(ctx context.Context) (bool, error) {
	page, err := s.Table.Query(ctx, table.Query{Partition: duePart, Limit: 1})
	return len(page.Items) > 0, err
}

// Done forgets copies of DueBy, once their messages are in the queue. One that is
// already gone is not an error.
func (s *Store) Done(ctx context.Context, due []Due) error {
	for some := range slices.Chunk(due, table.MaxOps) {
		ops := make([]table.Op, len(some))
		for i, d := range some {
			ops[i] = table.Delete{Key: d.key, Revision: 1}
		}
		if err := s.deleteAll(ctx, ops); err != nil {
			return err
		}
	}
	return nil
}

// deleteAll deletes what is still there.
func (s *Store) deleteAll(ctx context.Context, ops []table.Op) error {
	for len(ops) > 0 {
		err := s.Table.Write(ctx, "", ops...)
		gone, conflict := table.Conflict(err)
		if !conflict {
			return err
		}
		for _, i := range slices.Backward(gone) {
			ops = slices.Delete(ops, i, i+1)
		}
	}
	return nil
}
