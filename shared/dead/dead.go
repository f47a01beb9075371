// Package dead keeps the messages that a queue gave up where the queue itself cannot be
// asked for them: on AWS the tick takes them out of the queues of dead letters and puts
// them here, with their reason. So page, command and metric read one place, and need no
// right on any queue; what is to be tried again is marked, and the tick puts it back.
package dead

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/table"
)

// Life is for how long letters are kept: as long as Amazon SQS keeps them. Some hold
// mail of guardians.
const Life = 14 * 24 * time.Hour

// Store keeps letters in a table:
//
//	dead        <queue>/<time>-<id>   a letter that was given up
//	dead/again  <queue>/<time>-<id>   one that the tick is to put back
//	dead/why    <queue>/<message id>  why a message failed when it was last received
//	dead/seen   <queue>/<message id>  that a message was buried, even if it is tried again since
type Store struct {
	Table table.Table
	Now   func() time.Time
}

// After how many receives in vain a message is given up, in both modes: 1,000 is the most
// that SQS counts to, and what waits for an operator to come back is received again and
// again. An event may come before its copy is recorded, by seconds; one that is received
// in vain for an hour belongs to nobody here. So does a mail.
const (
	JobReceives   = 1000
	EventReceives = 20
)

// Queues are the names of the queues whose letters are kept.
var Queues = []string{"jobs", "copies", "events", "mails"}

const (
	part      = "dead"
	againPart = "dead/again"
	whyPart   = "dead/why"
	seenPart  = "dead/seen"
)

// stored is a letter in the table.
type stored struct {
	Group    string    `json:"g,omitempty"` // "": the queue knows no groups
	ID       string    `json:"i"`
	Body     string    `json:"b"`
	Receives int       `json:"n"`
	Died     time.Time `json:"d"`
	Reason   string    `json:"w,omitempty"`
}

// Because notes why a message failed when it was received for the last time. Who buries
// it finds the reason there.
func (s *Store) Because(ctx context.Context, queueName, messageID, reason string) error {
	key := table.Key{Partition: whyPart, Sort: queueName + "/" + messageID}
	return table.IgnoreConflict(s.Table.Write(ctx, "", table.Create{Key: key, Value: []byte(reason), Expires: s.Now().Add(Life)}))
}

// Bury keeps a letter; messageID is the queue's name of it. To bury it again is no error and does
// nothing, whenever that is: who buried it may not have come to take it out of its queue.
func (s *Store) Bury(ctx context.Context, queueName, messageID string, l queue.DeadLetter) error {
	why, err := s.Table.Get(ctx, table.Key{Partition: whyPart, Sort: queueName + "/" + messageID})
	if err != nil && !errors.Is(err, table.ErrNotFound) {
		return err
	}
	v := stored{Group: l.Message.Group, ID: l.Message.ID, Body: l.Message.Body, Receives: l.Receives, Died: l.Died.UTC(), Reason: string(why.Value)}
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	ends := s.Now().Add(Life)
	err = s.Table.Write(ctx, "",
		table.Create{Key: table.Key{Partition: seenPart, Sort: queueName + "/" + messageID}, Expires: ends},
		table.Create{Key: table.Key{Partition: part, Sort: fmt.Sprintf("%s/%013d-%s", queueName, l.Died.UnixMilli(), messageID)}, Value: value, Expires: ends})
	return table.IgnoreConflict(err)
}

// counted is up to how many letters of a queue Counts counts.
const counted = 100

// Counts returns how many letters each queue has that has any.
func (s *Store) Counts(ctx context.Context) (map[string]int, error) {
	n := map[string]int{}
	for _, name := range Queues {
		page, err := s.Table.Query(ctx, table.Query{Partition: part, Prefix: name + "/", Limit: counted})
		if err != nil {
			return nil, err
		}
		if len(page.Items) > 0 {
			n[name] = len(page.Items)
		}
	}
	return n, nil
}

// returned is how many letters of a queue one call of Return puts back at most.
const returned = 100

// Return gives the letters of some queues that are to be tried again to send, which puts them
// into their queue, and forgets them. One that could not be forgotten is put back twice,
// which every handler bears. Those of a queue that there is not any more wait for it.
func (s *Store) Return(ctx context.Context, queues []string, send func(ctx context.Context, queueName string, m queue.Message) error) error {
	var errs []error
	for _, name := range queues {
		page, err := s.Table.Query(ctx, table.Query{Partition: againPart, Prefix: name + "/", Limit: returned})
		errs = append(errs, err)
		for _, item := range page.Items {
			errs = append(errs, s.putBack(ctx, item, send))
		}
	}
	return errors.Join(errs...)
}

func (s *Store) putBack(ctx context.Context, item table.Item, send func(context.Context, string, queue.Message) error) error {
	l, err := decode(item)
	if err != nil {
		return err
	}
	name, _, _ := strings.Cut(item.Sort, "/")
	if err := send(ctx, name, l.Message); err != nil {
		return fmt.Errorf("dead: a letter of %s was not put back: %w", name, err)
	}
	return table.IgnoreConflict(s.Table.Write(ctx, "", table.Delete{Key: item.Key, Revision: item.Revision}))
}

func decode(item table.Item) (l queue.DeadLetter, err error) {
	var v stored
	if err := json.Unmarshal(item.Value, &v); err != nil {
		return l, fmt.Errorf("dead: item %s: %w", item.Key, err)
	}
	_, handle, _ := strings.Cut(item.Sort, "/")
	return queue.DeadLetter{
		Handle: handle, Message: queue.Message{Group: v.Group, ID: v.ID, Body: v.Body},
		Receives: v.Receives, Died: v.Died, Reason: v.Reason,
	}, nil
}

// Queue returns the letters of one queue. Its Redrive marks them: the tick puts them back
// within a minute.
func (s *Store) Queue(name string) queue.DeadLetters { return letters{s, name} }

type letters struct {
	*Store
	name string
}

// ListDead implements queue.DeadLetters.
func (q letters) ListDead(ctx context.Context, after string, limit int) ([]queue.DeadLetter, error) {
	query := table.Query{Partition: part, Prefix: q.name + "/", Limit: limit}
	if after != "" {
		query.After = q.name + "/" + after
	}
	var all []queue.DeadLetter
	for {
		page, err := q.Table.Query(ctx, query)
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			l, err := decode(item)
			if err != nil {
				return nil, err
			}
			all = append(all, l)
		}
		if page.Next == "" || len(all) >= limit {
			return all[:min(limit, len(all))], nil
		}
		query.After = page.Next
	}
}

// Redrive implements queue.DeadLetters.
func (q letters) Redrive(ctx context.Context, handles ...string) (n int, err error) {
	if len(handles) == 0 {
		return q.redriveAll(ctx)
	}
	for _, h := range handles {
		moved, err := q.redrive(ctx, h)
		if err != nil {
			return n, err
		}
		if moved {
			n++
		}
	}
	return n, nil
}

func (q letters) redriveAll(ctx context.Context) (n int, err error) {
	for {
		some, err := q.ListDead(ctx, "", returned)
		if err != nil || len(some) == 0 {
			return n, err
		}
		for _, l := range some {
			moved, err := q.redrive(ctx, l.Handle)
			if err != nil {
				return n, err
			}
			if moved {
				n++
			}
		}
	}
}

// redrive marks one letter. One that is gone, somebody else has marked.
func (q letters) redrive(ctx context.Context, handle string) (bool, error) {
	key := table.Key{Partition: part, Sort: q.name + "/" + handle}
	item, err := q.Table.Get(ctx, key)
	if errors.Is(err, table.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	again := table.Create{Key: table.Key{Partition: againPart, Sort: key.Sort}, Value: item.Value, Expires: q.Now().Add(Life)}
	err = q.Table.Write(ctx, "", table.Delete{Key: key, Revision: item.Revision}, again)
	if _, faster := table.Conflict(err); faster {
		return false, nil
	}
	return err == nil, err
}
