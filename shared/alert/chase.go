package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// Chasing: those who have not answered are reminded, in rounds, until somebody of the
// family answers, the rounds are used up, or the alert is over.
//
// A round comes in two waves. The first goes to the family's contacts at other
// operators than the one whose turn it is to wait, and to addresses that were added
// since the alert; the second, RestAfter later, to whoever has still not answered. So
// a mail operator that hides the school's mails costs a family minutes, and a family
// that answers the first wave is spared the second.
const (
	// MaxReminders is the most rounds of one alert.
	MaxReminders = 5
	// RestAfter is how long after a round's first wave the second follows.
	RestAfter = 5 * time.Minute
	// MinRemindEvery keeps one round from running into the next.
	MinRemindEvery = 10 * time.Minute
)

// RemindJob returns the job of a round, counted from 1, and of its second wave if rest.
func RemindJob(round int, rest bool) Job {
	job := Remind
	if round > 1 {
		job += Job(fmt.Sprintf("-%d", round))
	}
	if rest {
		job += restSuffix
	}
	return job
}

const restSuffix = "-rest"

// Reminder returns the round of a job, and whether it is its second wave; round is 0
// if the job reminds nobody.
func (j Job) Reminder() (round int, rest bool) {
	name, rest := strings.CutSuffix(string(j), restSuffix)
	number, ok := strings.CutPrefix(name, string(Remind))
	switch {
	case !ok:
		return 0, false
	case number == "":
		return 1, rest
	}
	round, err := strconv.Atoi(strings.TrimPrefix(number, "-"))
	if err != nil || round < 2 || RemindJob(round, rest) != j {
		return 0, false
	}
	return round, rest
}

// Rounds returns how often the alert reminds at most. What was accepted before there
// were several rounds has one.
func (a Alert) Rounds() int {
	if a.RemindAfter <= 0 {
		return 0
	}
	return max(a.RemindTimes, 1)
}

// remindAt returns when a round, counted from 1, is due.
func (a Alert) remindAt(round int) time.Time {
	every := max(a.RemindEvery, MinRemindEvery)
	return a.Starts.Add(a.RemindAfter + time.Duration(round-1)*every)
}

// wave returns when a wave of a round is due.
func (a Alert) wave(round int, rest bool) time.Time {
	at := a.remindAt(round)
	if rest {
		at = at.Add(RestAfter)
	}
	return at
}

// Reminder returns the round that has come last by now, 0 if none has, whether its
// second wave has come, too, and when there will be something more to do (zero: never).
// Who was away meanwhile leaves out the rounds before.
func (a Alert) Reminder(now time.Time) (round int, rest bool, next time.Time) {
	for round < a.Rounds() && !now.Before(a.remindAt(round+1)) {
		round++
	}
	if round > 0 {
		if second := a.wave(round, true); now.Before(second) {
			return round, false, second
		}
	}
	if round < a.Rounds() {
		next = a.remindAt(round + 1)
	}
	return round, round > 0, next
}

// Round is one wave of a round of reminders.
type Round struct {
	Number int
	Rest   bool
	Silent func(lane string) bool // whether a lane is thought to hide mails; nil: none is
	// Added are contacts that the family has got since the alert was sent, as copies of
	// no state; Gone are contacts to whom nothing may be sent any more.
	Added []Copy
	Gone  map[string]bool
	Now   time.Time
}

// Awaits reports whether a guardian may still answer for a child that nobody has
// answered for.
func (f *Family) Awaits(guardian int) bool {
	for i := range f.Children {
		if f.Children[i].Answer == nil && slices.Contains(f.Children[i].Guardians, guardian) {
			return true
		}
	}
	return false
}

// Wants reports whether the n-th copy is still of use to its guardian: a reminder while somebody
// is to be answered for, the alert itself until its guardian has answered.
func (f *Family) Wants(n int) bool {
	c := &f.Copies[n]
	if c.Round > 0 {
		return f.Awaits(c.Guardian)
	}
	if c.Guardian >= len(f.Guardians) {
		return true
	}
	return !slices.ContainsFunc(f.Children, func(ch Child) bool { return ch.Answer != nil && ch.Answer.By == f.Guardians[c.Guardian].ID })
}

// AddRound adds the copies of a wave, queued, for the guardians of children whom
// nobody has answered for, and reports whether there were any. A contact gets one
// copy a round. Left out is whoever waits for an earlier copy, and whose last one was
// refused.
func (f *Family) AddRound(r Round) bool {
	told := f.toRemind(r)
	added := false
	waits := f.waitingLanes(r, told)
	for _, c := range told {
		switch known := f.Copy(c.Contact, c.Round) >= 0; {
		case known && c.Round == r.Number, known && !r.Rest && waits[c.Lane]:
			continue
		}
		f.Copies = append(f.Copies, Copy{
			Contact: c.Contact, Guardian: c.Guardian, Mailbox: c.Mailbox,
			Lane: c.Lane, Slot: c.Slot, Round: r.Number, State: Queued, At: r.Now,
		})
		added = true
	}
	return added
}

// toRemind returns the last copy to each contact that a round goes to, or has gone to,
// and those to new contacts.
func (f *Family) toRemind(r Round) []Copy {
	var told []Copy
	seen := map[string]bool{}
	for i := len(f.Copies) - 1; i >= 0; i-- { // rounds only get later
		c := f.Copies[i]
		if seen[c.Contact] {
			continue
		}
		seen[c.Contact] = true
		left := c.State == Sent || c.State == Delivered || c.Round == r.Number
		if left && !r.Gone[c.Contact] && f.Awaits(c.Guardian) {
			told = append([]Copy{c}, told...)
		}
	}
	for _, c := range r.Added {
		if !seen[c.Contact] && f.Awaits(c.Guardian) {
			told = append(told, c)
		}
	}
	return told
}

// waitingLanes returns the lanes that wait for the second wave: those that are thought
// silent, else the next of the family's lanes in turn; none if there is no other to go
// first.
func (f *Family) waitingLanes(r Round, told []Copy) map[string]bool {
	open := map[string]bool{}
	for _, c := range told {
		open[c.Lane] = true
	}
	var lanes []string // in an order that no wave changes
	silent := map[string]bool{}
	for _, c := range append(slices.Clone(f.Copies), r.Added...) {
		if open[c.Lane] {
			open[c.Lane] = false
			lanes = append(lanes, c.Lane)
			if r.Silent != nil && r.Silent(c.Lane) {
				silent[c.Lane] = true
			}
		}
	}
	switch {
	case len(lanes) < 2:
		return nil
	case len(silent) > 0 && len(silent) < len(lanes):
		return silent
	}
	return map[string]bool{lanes[(r.Number-1)%len(lanes)]: true}
}

// Chase is how a school chases answers to a kind of alert.
type Chase struct {
	After int `json:"after"` // minutes from sending to the first reminder; 0: none
	Every int `json:"every"` // minutes from one reminder to the next
	Times int `json:"times"` // reminders at most
	// TellMissing has the sender mailed at each reminder how many have not answered, by class.
	TellMissing bool `json:"tell_missing"`
}

// Chases are a school's, by kind.
type Chases struct {
	Kinds    map[Kind]Chase `json:"kinds"`
	Revision int64          `json:"-"` // 0: the school has never changed them
}

// usualChases are those of a school that has set none: what is only to be read is not
// chased.
var usualChases = map[Kind]Chase{
	Notice: {Every: 60, Times: 1},
	Safety: {After: 30, Every: 60, Times: 3, TellMissing: true},
	Drill:  {After: 30, Every: 60, Times: 1, TellMissing: true},
}

// Of returns how answers to a kind are chased.
func (c Chases) Of(k Kind) Chase {
	if own, ok := c.Kinds[k]; ok {
		return own
	}
	return usualChases[k]
}

// Apply has a draft chased as the school does: all but when the first reminder comes,
// which whoever sends it says each time.
func (c Chases) Apply(d *Draft) {
	one := c.Of(d.Kind)
	d.RemindTimes, d.RemindEvery, d.TellMissing = 0, 0, one.TellMissing
	if d.RemindAfter > 0 {
		d.RemindTimes, d.RemindEvery = max(one.Times, 1), time.Duration(one.Every)*time.Minute
	}
}

func chasesKey(school string) table.Key {
	return table.Key{Partition: "school/" + school + "/chase", Sort: "chase"}
}

// Chases reads how a school chases answers.
func (s *Store) Chases(ctx context.Context, school string) (Chases, error) {
	var c Chases
	revision, err := s.read(ctx, chasesKey(school), &c)
	if errors.Is(err, ErrNotFound) {
		return Chases{}, nil
	}
	c.Revision = revision
	return c, err
}

// PutChases writes how a school chases answers, in place of what has the Revision. It
// fails with what is wrong with it, or a Conflict if another change came first.
func (s *Store) PutChases(ctx context.Context, school string, c Chases) error {
	var wrong problem.List
	for _, kind := range []Kind{Notice, Safety, Drill} {
		if one, ok := c.Kinds[kind]; ok {
			wrong = append(wrong, one.check(kind)...)
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	err := s.Table.Write(ctx, "", put(chasesKey(school), c.Revision, c))
	if _, conflict := table.Conflict(err); conflict {
		return errSettings.Because(err)
	}
	return err
}

// errSettings says that somebody else has written the settings of a school meanwhile.
var errSettings = problem.New(problem.Conflict,
	"ほかの人が先に設定を変更しました。画面を開き直してから、もう一度変更してください。",
	"Somebody else changed the settings first. Open the page again, then make your change.")

// check says what is wrong with the settings of a kind. Fields are named by kind.
func (c Chase) check(k Kind) problem.List {
	var l problem.List
	if most := int(MaxUseful / time.Minute); c.After < 0 || c.After > most {
		l = append(l, problem.New(problem.Invalid, "最初の再送までの分は、0から%dまでの数で入力してください。", "Enter the minutes until the first reminder, from 0 to %d.", most).In("after_"+string(k)))
	}
	if least, most := int(MinRemindEvery/time.Minute), int(MaxUseful/time.Minute); c.Every < least || c.Every > most {
		l = append(l, problem.New(problem.Invalid, "再送の間隔は、%dから%dまでの分の数で入力してください。", "Enter the minutes between reminders, from %d to %d.", least, most).In("every_"+string(k)))
	}
	if c.Times < 1 || c.Times > MaxReminders {
		l = append(l, problem.New(problem.Invalid, "再送の回数は、1から%dまでの数で入力してください。再送しない場合は、最初の再送を空欄にしてください。", "Enter how many reminders, from 1 to %d. For none, leave the first one empty.", MaxReminders).In("times_"+string(k)))
	}
	return l
}
