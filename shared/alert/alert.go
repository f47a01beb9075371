// Package alert is what Todoku exists for: an alert, the copies of it that are
// mailed, the answers that come back, and the truth about who was reached.
//
// An alert keeps one record a family (Family): the children whom it is about,
// those who may answer for them, the copies and the newest answers. Whatever
// happens to a copy or a child is a change of that one record, and the same
// write moves the counters that the status page reads (see tally). So a number
// on a page can never disagree with the records that it counts.
package alert

import (
	"strings"
	"time"

	"github.com/todoku/todoku/shared/lang"
)

// Limits of an alert.
const (
	MaxSubject    = 100  // characters
	MaxBody       = 4000 // characters
	MaxChoices    = 6
	MaxChoiceText = 40 // characters
	MaxGroups     = 5000
	MaxUseful     = 7 * 24 * time.Hour // from sending to UsefulUntil
	UndoWindow    = 10 * time.Second   // in which a person can take back what he or she sent
)

// Kind says what an alert is for.
type Kind string

// The kinds of alert.
const (
	Notice Kind = "notice"
	Safety Kind = "safety"
	Drill  Kind = "drill"
)

// DrillMark begins the subject and the text of everything that a drill sends.
const DrillMark = "【訓練】"

// Choice is one answer that an alert offers.
type Choice struct {
	ID   string `json:"id"`
	JA   string `json:"ja"`
	EN   string `json:"en,omitempty"`
	Help bool   `json:"help,omitempty"` // whoever gives it needs help: staff see it first
}

// Text returns the choice's words; what staff wrote in one language serves both.
func (c Choice) Text() lang.Text {
	if c.EN == "" {
		return lang.Text{JA: c.JA, EN: c.JA}
	}
	return lang.Text{JA: c.JA, EN: c.EN}
}

// DefaultChoices returns the answers that an alert of a kind offers unless staff
// choose others.
func DefaultChoices(k Kind) []Choice {
	if k == Notice {
		return []Choice{{ID: "read", JA: "確認しました", EN: "I have read this"}}
	}
	return []Choice{
		{ID: "safe", JA: "無事です", EN: "Safe"},
		{ID: "help", JA: "助けが必要です", EN: "Needs help", Help: true},
	}
}

// Sender is the staff member who sends an alert; replies go to Mail.
type Sender struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Mail string `json:"mail,omitempty"`
}

// Ending says why an alert ended before its time.
type Ending string

// The endings.
const (
	Undone     Ending = "undone"     // within the undo window: nothing was sent
	Closed     Ending = "closed"     // by staff
	Superseded Ending = "superseded" // by a newer alert
)

// Alert is what is told, to which groups, with which answers, useful until when.
type Alert struct {
	ID          string        `json:"id"`
	School      string        `json:"school"`
	Kind        Kind          `json:"kind"`
	Subject     string        `json:"subject"`
	Body        string        `json:"body"`
	Choices     []Choice      `json:"choices"`
	Groups      []string      `json:"groups,omitempty"` // group ids, grades expanded to their classes
	All         bool          `json:"all,omitempty"`
	Audience    string        `json:"audience"` // the groups' names, as staff read them
	Sender      Sender        `json:"sender"`
	Accepted    time.Time     `json:"accepted"`
	Starts      time.Time     `json:"starts"` // nothing leaves before: the end of the undo window
	UsefulUntil time.Time     `json:"useful_until"`
	RemindAfter time.Duration `json:"remind_after,omitempty"` // nanoseconds; 0: no reminder
	RemindEvery time.Duration `json:"remind_every,omitempty"` // from one reminder to the next
	RemindTimes int           `json:"remind_times,omitempty"` // reminders at most; see Rounds
	TellMissing bool          `json:"tell_missing,omitempty"` // the sender is mailed who is missing, at each reminder

	Glass *Glass `json:"glass,omitempty"` // it is held, or was

	Notes []Note `json:"notes,omitempty"` // oldest first

	Follows      string    `json:"follows,omitempty"` // it is for those who have not answered this alert
	Supersedes   string    `json:"supersedes,omitempty"`
	Successor    string    `json:"successor,omitempty"` // accepted to replace it, and not sent yet or SupersededBy
	SupersededBy string    `json:"superseded_by,omitempty"`
	Ending       Ending    `json:"ending,omitempty"`
	Ended        time.Time `json:"ended,omitzero"`

	Revision int64 `json:"-"`
}

// State is where an alert stands.
type State string

// The states of an alert.
const (
	StateWaiting    State = "waiting" // can still be undone
	StateOpen       State = "open"
	StateExpired    State = "expired"
	StateUndone     State = "undone"
	StateClosed     State = "closed"
	StateSuperseded State = "superseded"
)

// State returns where the alert stands at now.
func (a Alert) State(now time.Time) State {
	switch {
	case a.Ending != "":
		return State(a.Ending)
	case a.Glass != nil && a.Glass.Second && a.Glass.At.IsZero():
		return StateWaiting // until it is let go or undone
	case !now.Before(a.UsefulUntil):
		return StateExpired
	case now.Before(a.Starts):
		return StateWaiting
	}
	return StateOpen
}

// Useful reports whether copies may still leave and answers still be given.
func (a Alert) Useful(now time.Time) bool {
	return a.Ending == "" && now.Before(a.UsefulUntil)
}

// told reports whether anybody can have been told.
func (a Alert) told(now time.Time) bool { return a.State(now) != StateWaiting && !a.withdrawn() }

// withdrawn reports whether the alert was ended before anything of it was sent, by nothing
// that took its place.
func (a Alert) withdrawn() bool {
	return a.Ending == Undone || a.Ending == Closed && !a.Ended.After(a.Starts)
}

// Choice returns the offered answer with the id.
func (a Alert) Choice(id string) (Choice, bool) {
	for _, c := range a.Choices {
		if c.ID == id {
			return c, true
		}
	}
	return Choice{}, false
}

// Title returns the subject as guardians see it: a drill is always marked.
func (a Alert) Title() string {
	if a.Kind == Drill && !strings.HasPrefix(a.Subject, DrillMark) {
		return DrillMark + a.Subject
	}
	return a.Subject
}
