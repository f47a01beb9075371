// Package heal looks for what has got stuck on its way to guardians, puts right what can
// be, and keeps count of both. The tick runs it: once a minute it reads the counters of
// alerts that began long enough ago, never their families.
package heal

import (
	"context"
	"maps"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/table"
)

// Kind is a way of being stuck.
type Kind string

// The kinds. The first two are put right; of the others the counts tell somebody.
const (
	FanOut  Kind = "fanout"  // alerts that were accepted, and of which no mails are made
	Lost    Kind = "lost"    // mails that wait, though the queue is empty
	Hand    Kind = "hand"    // mails that were taken to be sent, by somebody who did not say how that ended
	Verdict Kind = "verdict" // mails that left an hour ago, and of which nothing was heard (AWS)
	Lane    Kind = "lane"    // operators that have taken nothing for half an hour
)

// Kinds are all of them.
var Kinds = []Kind{FanOut, Lost, Hand, Verdict, Lane}

// Says returns what a kind is, in words that a school uses.
func (k Kind) Says() lang.Text {
	return map[Kind]lang.Text{
		FanOut:  lang.T("受け付けたのに、送信の準備が進まない連絡", "Alerts that were accepted and are not made into mails"),
		Lost:    lang.T("送信の列から抜け落ちたメール", "Mails that fell out of the queue"),
		Hand:    lang.T("送信の途中で止まったメール", "Mails that stopped while being sent"),
		Verdict: lang.T("送ってから1時間、届いたかどうかの知らせがないメール", "Mails of which nothing was heard for an hour"),
		Lane:    lang.T("30分以上、受け付けを止めているメール会社", "Operators that have taken no mail for half an hour"),
	}[k]
}

// How long each may take before it is stuck.
const (
	tooLong  = 4 * time.Minute // no step of a fan-out; a queue that is empty while mails wait
	silence  = time.Hour       // without a verdict
	laneLong = 30 * time.Minute
	every    = 55 * time.Second // ticks of a minute are not exact
	// looked is how many open alerts one run looks at.
	looked = 20
)

// State is what is stuck, and what was put right.
type State struct {
	Stuck  map[Kind]int64     `json:"stuck,omitempty"`  // now
	Healed map[Kind]int64     `json:"healed,omitempty"` // ever
	Last   map[Kind]time.Time `json:"last,omitempty"`   // when it last was
	// Empty is since when mails of these alerts wait while the queue is empty.
	Empty map[string]time.Time `json:"empty,omitempty"`
	// Begun are the alerts whose fan-out was begun anew and is not done yet: that is one
	// thing put right, however often it is looked at.
	Begun map[string]bool `json:"begun,omitempty"`
}

// Records keep the State.
type Records struct{ Table table.Table }

var stateKey = table.Key{Partition: "heal", Sort: "state"}

// State returns what the newest run has found.
func (r Records) State(ctx context.Context) (State, error) {
	s, _, err := r.state(ctx)
	return s, err
}

func (r Records) state(ctx context.Context) (s State, revision int64, err error) {
	return table.Load[State](ctx, r.Table, stateKey)
}

func (r Records) put(ctx context.Context, s State, revision int64) error {
	return table.IgnoreConflict(table.Save(ctx, r.Table, stateKey, revision, s)) // another run says the same
}

// Sweeper looks and heals.
type Sweeper struct {
	Records
	Alerts *alert.Store
	Gate   *gate.Gate   // nil: nothing is known of lanes
	Events bool         // verdicts come as events
	Jobs   queue.Sender // of the fan-out function
	// Waiting returns how many messages the copies' queue holds, hidden ones included.
	Waiting func(context.Context) (int, error)
	Now     func() time.Time

	last time.Time
}

// Run does what is due. It is called often, by one at a time.
func (s *Sweeper) Run(ctx context.Context) error {
	now := s.Now().UTC()
	if now.Sub(s.last) < every {
		return nil
	}
	old, revision, err := s.state(ctx)
	if err != nil {
		return err
	}
	next, err := s.look(ctx, old, now)
	if err != nil {
		return err
	}
	s.last = now
	if revision == 0 && len(next.Stuck) == 0 && len(next.Empty) == 0 || next.equal(old) {
		return nil // nothing is written while all is well
	}
	return s.put(ctx, next, revision)
}

func (s State) equal(o State) bool {
	return maps.Equal(s.Stuck, o.Stuck) && maps.Equal(s.Healed, o.Healed) && maps.Equal(s.Empty, o.Empty) && maps.Equal(s.Begun, o.Begun)
}

func (s *Sweeper) look(ctx context.Context, old State, now time.Time) (State, error) {
	next := State{Stuck: map[Kind]int64{}, Healed: maps.Clone(old.Healed), Last: maps.Clone(old.Last), Empty: map[string]time.Time{}, Begun: map[string]bool{}}
	if next.Healed == nil {
		next.Healed, next.Last = map[Kind]int64{}, map[Kind]time.Time{}
	}
	open, _, err := s.Alerts.Open(ctx, "", looked)
	if err != nil {
		return old, err
	}
	busy := false
	for _, a := range open {
		if now.Sub(a.Starts) < tooLong || !a.Useful(now) {
			continue
		}
		busy = true
		if err := s.alert(ctx, a, &next, old, now); err != nil {
			return old, err
		}
	}
	if busy {
		err = s.lanes(ctx, &next, now)
	}
	maps.DeleteFunc(next.Stuck, func(_ Kind, n int64) bool { return n == 0 })
	return next, err
}

// alert counts what is stuck of one alert, and puts right what can be.
func (s *Sweeper) alert(ctx context.Context, a alert.Alert, next *State, old State, now time.Time) error {
	st, err := s.Alerts.Status(ctx, a)
	if err != nil {
		return err
	}
	if !st.FanOut.Done {
		if begun := st.FanOut.At; now.Sub(begun) >= tooLong { // or it has not begun
			next.Stuck[FanOut]++
			next.Begun[a.ID] = true
			return s.Jobs.Send(ctx, alert.JobMessage(a.ID, alert.FanOut, now.Unix()/int64(tooLong/time.Second)))
		}
		if old.Begun[a.ID] {
			next.Begun[a.ID] = true
		}
		return nil
	}
	if old.Begun[a.ID] {
		next.healed(FanOut, 1, now)
	}
	hands, err := s.Alerts.Left(ctx, a.ID)
	if err != nil {
		return err
	}
	next.Stuck[Hand] += hands
	if s.Events && now.Sub(a.Starts) >= silence {
		next.Stuck[Verdict] += st.Copies.By[string(alert.Sent)]
	}
	waiting := st.Copies.By[string(alert.Queued)] + st.Copies.By[string(alert.Delayed)] - max(st.Away, 0)
	if waiting <= 0 { // the counters are not all of one moment
		return nil
	}
	lost, err := s.lost(ctx)
	if err != nil || !lost {
		return err
	}
	since, known := old.Empty[a.ID]
	if !known {
		since = now
	}
	if now.Sub(since) < tooLong {
		next.Empty[a.ID] = since
		return nil
	}
	next.Stuck[Lost] += waiting
	next.Empty[a.ID] = now // it is looked at anew after as long
	return s.heal(ctx, next, Lost, waiting, alert.JobMessage(a.ID, alert.Requeue(now), 0), now)
}

// lost reports whether nothing in the queue, or put aside for a time, could be what
// waits.
func (s *Sweeper) lost(ctx context.Context) (bool, error) {
	n, err := s.Waiting(ctx)
	if err != nil || n > 0 {
		return false, err
	}
	aside, err := s.Alerts.Aside(ctx)
	return !aside, err
}

// heal starts the job that puts n things right.
func (s *Sweeper) heal(ctx context.Context, next *State, k Kind, n int64, job queue.Message, now time.Time) error {
	if err := s.Jobs.Send(ctx, job); err != nil {
		return err
	}
	next.healed(k, n, now)
	return nil
}

func (s State) healed(k Kind, n int64, now time.Time) {
	s.Healed[k] += n
	s.Last[k] = now
}

// lanes counts the operators that have taken nothing for too long.
func (s *Sweeper) lanes(ctx context.Context, next *State, now time.Time) error {
	known, err := s.Gate.Known(ctx)
	for _, l := range known {
		blocked := !l.State.Stopped.IsZero() && !l.State.Since.IsZero() && now.Sub(l.State.Since) >= laneLong
		held := l.Hold != nil && now.Sub(l.Hold.Since) >= laneLong
		if blocked || held {
			next.Stuck[Lane]++
		}
	}
	return err
}
