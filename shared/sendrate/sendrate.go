// Package sendrate shares the rate at which an account may send among all who
// send for it, whatever process they run in.
//
// A mail operator such as SES allows an account so many messages a second, in
// all. Workers that know nothing of each other either leave a part of that unused
// or run into refusals. So a worker reserves its turns before it sends: one item
// of the table says when the next turn is free, and moving it on by n turns is one
// write at a revision. This is the virtual scheduling form of the generic cell rate
// algorithm (ITU-T I.371, annex A): no token is counted, only a time is kept.
//
// A reservation that fails keeps nobody from sending: whoever cannot reserve sends
// at once, and the operator's own refusals slow him down.
package sendrate

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/table"
)

const (
	// share of the account's rate that is given out: clocks differ a little.
	share = 0.99
	// credit is how much of the time in which nobody reserved may be made up for.
	// SES is assumed to bear a tenth of a second's worth at once.
	credit = 50 * time.Millisecond
	// MaxAhead is how far ahead turns are given out. A function that waits for its
	// turn is paid for, and must end before its timeout.
	MaxAhead = 8 * time.Second
	// rateLife is for how long the account's rate is believed. It is asked for by one
	// worker for all: GetAccount may be called once a second by a whole account
	// (https://docs.aws.amazon.com/ses/latest/dg/quotas.html).
	rateLife = 5 * time.Minute
	// rest is for how long a process does not ask again for a rate that it did not get.
	rest = 30 * time.Second
	// reserveTries is how often a reservation that others got in the way of is tried
	// again at once.
	reserveTries = 8
)

// Turns are times at which messages may leave, one after the other.
type Turns struct {
	First time.Time
	Gap   time.Duration // from one to the next
}

// At returns the time of the i-th turn, from 0.
func (t Turns) At(i int) time.Time { return t.First.Add(time.Duration(i) * t.Gap) }

// schedule is what is stored: the next free turn, and the account's rate as it was
// learned.
type schedule struct {
	Next    time.Time `json:"next"`
	Rate    float64   `json:"rate"` // messages a second
	Learned time.Time `json:"learned"`
}

// reserve takes n turns from now on. ahead is how far off the first free turn was;
// beyond MaxAhead nothing is taken.
func (s schedule) reserve(now time.Time, n int) (turns Turns, after schedule, ahead time.Duration) {
	first := s.Next
	if earliest := now.Add(-credit); first.Before(earliest) {
		first = earliest
	}
	ahead = max(0, first.Sub(now))
	if ahead > MaxAhead {
		return Turns{}, s, ahead
	}
	turns = Turns{First: first, Gap: time.Duration(float64(time.Second) / (s.Rate * share))}
	after = s
	after.Next = turns.At(n)
	return turns, after, ahead
}

// TooFarAheadError says that the turns of the next MaxAhead are all given out.
type TooFarAheadError struct {
	Ahead time.Duration // until the next free turn
}

func (e *TooFarAheadError) Error() string {
	return "sendrate: the next free turn is " + e.Ahead.Round(time.Millisecond).String() + " away"
}

// Account shares one account's rate. Its fields are required.
type Account struct {
	Table table.Table
	// Rate asks how many messages a second the account may send.
	Rate func(ctx context.Context) (perSecond float64, err error)
	Now  func() time.Time

	mu     sync.Mutex
	failed error     // why the rate was not got
	again  time.Time // when to ask again
}

var key = table.Key{Partition: "account", Sort: "sendrate"}

// Reserve takes the next n turns. It fails with a *TooFarAheadError, or with an
// error of the store or of Rate, after which a sender should send all the same.
func (a *Account) Reserve(ctx context.Context, n int) (Turns, error) {
	for range reserveTries {
		s, revision, err := a.read(ctx)
		if err != nil {
			return Turns{}, err
		}
		turns, after, ahead := s.reserve(a.Now().UTC(), n)
		if ahead > MaxAhead {
			return Turns{}, &TooFarAheadError{Ahead: ahead}
		}
		err = a.write(ctx, after, revision)
		if err == nil {
			return turns, nil
		}
		if _, conflict := table.Conflict(err); !conflict {
			return Turns{}, err
		}
	}
	return Turns{}, table.ErrBusy
}

// Told returns the account's rate as it was last learned, and 0 if it never was. It
// asks nobody.
func Told(ctx context.Context, t table.Table) (float64, error) {
	item, err := t.Get(ctx, key)
	if errors.Is(err, table.ErrNotFound) {
		return 0, nil
	}
	var s schedule
	if err == nil && json.Unmarshal(item.Value, &s) != nil {
		s = schedule{}
	}
	return s.Rate, err
}

// read returns the schedule with a rate that can be believed.
func (a *Account) read(ctx context.Context) (s schedule, revision int64, err error) {
	item, err := a.Table.Get(ctx, key)
	if err != nil && !errors.Is(err, table.ErrNotFound) {
		return s, 0, err
	}
	if err == nil && json.Unmarshal(item.Value, &s) != nil {
		s = schedule{} // written by nobody that we know: begin anew
	}
	now := a.Now().UTC()
	if s.Rate > 0 && now.Sub(s.Learned) < rateLife {
		return s, item.Revision, nil
	}
	rate, err := a.ask(ctx, now)
	switch {
	case err == nil:
		s.Rate, s.Learned = rate, now
	case s.Rate > 0: // the old rate serves on, and somebody asks again in a minute
		s.Learned = now.Add(time.Minute - rateLife)
	default:
		return s, 0, err
	}
	return s, item.Revision, nil
}

var errNoRate = errors.New("sendrate: the account has no rate")

// ask asks for the rate, but not at once again after it did not get it: a call that
// fails may take seconds.
func (a *Account) ask(ctx context.Context, now time.Time) (float64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed != nil && now.Before(a.again) {
		return 0, a.failed
	}
	rate, err := a.Rate(ctx)
	if err == nil && rate <= 0 {
		err = errNoRate
	}
	a.failed, a.again = err, now.Add(rest)
	return rate, err
}

func (a *Account) write(ctx context.Context, s schedule, revision int64) error {
	value, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if revision == 0 {
		return a.Table.Write(ctx, "", table.Create{Key: key, Value: value})
	}
	return a.Table.Write(ctx, "", table.Replace{Key: key, Revision: revision, Value: value})
}
