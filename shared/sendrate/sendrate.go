// Package sendrate shares the rate at which an account may send among all who
// send for it, whatever process they run in.
//
// A mail operator such as SES allows an account so many messages a second, in
// all. Workers that know nothing of each other either leave a part of that unused
// or run into refusals. So a worker reserves its turns before it sends: one item of
// the table says which turns of the next seconds are taken, a bit each, and taking some
// is one write at a revision. A batch takes turns as far apart as its sends take, and
// others' lie between (docs/decisions/0016-account-rate.md).
//
// A reservation that fails keeps nobody from sending: whoever cannot reserve sends
// at once, and the operator's own refusals slow him down.
package sendrate

import (
	"context"
	"errors"
	"math/bits"
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
	// maxTurns is how many turns ahead are given out at most: a kilobyte of the item.
	maxTurns = 6000
	// Of the turns that are farther off than nearby, who is ahead of the others by more
	// than lead leaves every second to those who lag behind. What they do not take comes
	// near, and is then anybody's.
	nearby = time.Second / 4
	lead   = time.Second
	// placeSpan is of how many messages, about, Place is the mean.
	placeSpan = 100
)

// Want is what turns are reserved for.
type Want struct {
	N     int           // how many messages
	Apart time.Duration // how long sending one takes: turns that are nearer to each other come too early
	// Place is how far back the messages stand in their own alert, as the time after its
	// acceptance at which they were queued. Who lags behind the others goes first.
	Place time.Duration
}

// schedule is what is stored: which turns are taken, and the account's rate as it was
// learned. Turns have numbers, so that of two that follow each other one is even.
type schedule struct {
	From    time.Time `json:"from"`   // when the turn is that the first bit of Taken stands for
	Number  int64     `json:"number"` // of that turn
	Taken   []byte    `json:"taken"`  // a bit a turn
	Place   float64   `json:"place"`  // seconds; the mean of those who reserved lately
	Rate    float64   `json:"rate"`   // messages a second
	Learned time.Time `json:"learned"`
}

func (s *schedule) gap() time.Duration { return time.Duration(float64(time.Second) / (s.Rate * share)) }

func (s *schedule) at(i int) time.Time { return s.From.Add(time.Duration(i) * s.gap()) }

func (s *schedule) taken(i int) bool { return i/8 < len(s.Taken) && s.Taken[i/8]&(1<<(i%8)) != 0 }

func (s *schedule) take(i int) {
	for i/8 >= len(s.Taken) {
		s.Taken = append(s.Taken, 0)
	}
	s.Taken[i/8] |= 1 << (i % 8)
}

// change sets another rate. The turns that are taken stay so, and none lies between them.
func (s *schedule) change(rate float64) {
	if rate == s.Rate {
		return
	}
	last := length(s.Taken)
	var end time.Time
	if last > 0 {
		end = s.at(last)
	}
	s.Rate, s.Taken = rate, nil
	for i := 0; s.at(i).Before(end); i++ {
		s.take(i)
	}
}

// length returns how many bits there are up to the last that is set.
func length(b []byte) int {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0 {
			return i*8 + bits.Len8(b[i])
		}
	}
	return 0
}

// pass forgets the turns that have passed. Bits go by bytes, so some of those that are
// kept may have passed as well; first is the first that has not.
func (s *schedule) pass(now time.Time) (first int) {
	earliest := now.Add(-credit)
	passed := int64(earliest.Sub(s.From) / s.gap())
	if s.From.IsZero() || passed < 0 && len(s.Taken) == 0 {
		s.From, passed = earliest, 0
	}
	if passed < 0 {
		return 0
	}
	whole := passed / 8 * 8
	s.Taken = s.Taken[min(int(whole/8), len(s.Taken)):]
	s.From, s.Number = s.From.Add(time.Duration(whole)*s.gap()), s.Number+whole
	first = int(passed - whole)
	if s.at(first).Before(earliest) {
		first++
	}
	return first
}

// reserve takes turns from now on. ahead is how far off the first of them is; beyond
// MaxAhead nothing is taken.
func (s *schedule) reserve(now time.Time, w Want) (turns []time.Time, ahead time.Duration) {
	first, gap := s.pass(now), s.gap()
	stride := max(1, int((w.Apart+gap-1)/gap))
	near := max(int(nearby/gap), w.N*stride)
	leads := w.Place.Seconds() > s.Place+lead.Seconds()
	most := min(int(MaxAhead/gap), maxTurns)
	for i := first; len(turns) < w.N; {
		if s.taken(i) || leads && i-first > near && (s.Number+int64(i))%2 == 1 {
			i++
			continue
		}
		if len(turns) == 0 {
			if ahead = max(0, s.at(i).Sub(now)); i-first > most {
				return nil, ahead
			}
		}
		turns = append(turns, s.at(i))
		s.take(i)
		i += stride
	}
	s.Place += (w.Place.Seconds() - s.Place) * min(1, float64(w.N)/placeSpan)
	return turns, ahead
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

// Reserve takes turns, at most MaxAhead away. It fails with a *TooFarAheadError, or
// with an error of the store or of Rate, after which a sender should send all the same.
func (a *Account) Reserve(ctx context.Context, w Want) (turns []time.Time, err error) {
	err = table.Again(func() error {
		s, revision, err := a.read(ctx)
		if err != nil {
			return err
		}
		var ahead time.Duration
		if turns, ahead = s.reserve(a.Now().UTC(), w); turns == nil {
			return &TooFarAheadError{Ahead: ahead}
		}
		return table.Save(ctx, a.Table, key, revision, s)
	})
	if err != nil {
		return nil, err
	}
	return turns, nil
}

// Told returns the account's rate as it was last learned, and 0 if it never was. It
// asks nobody.
func Told(ctx context.Context, t table.Table) (float64, error) {
	s, _, err := table.Recall[schedule](ctx, t, key)
	return s.Rate, err
}

// read returns the schedule with a rate that can be believed.
func (a *Account) read(ctx context.Context) (s schedule, revision int64, err error) {
	s, revision, err = table.Recall[schedule](ctx, a.Table, key)
	if err != nil {
		return s, 0, err
	}
	now := a.Now().UTC()
	if s.Rate > 0 && now.Sub(s.Learned) < rateLife {
		return s, revision, nil
	}
	rate, err := a.ask(ctx, now)
	switch {
	case err == nil:
		s.change(rate)
		s.Learned = now
	case s.Rate > 0: // the old rate serves on, and somebody asks again in a minute
		s.Learned = now.Add(time.Minute - rateLife)
	default:
		return s, 0, err
	}
	return s, revision, nil
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
