// Package imports looks after the imports of rosters, each of which takes several
// requests: a file is sent, looked at, perhaps its columns are named, and it is
// confirmed. In between it is kept in the table and not in the process's memory, so that
// the next request may reach another process, and a restart loses nothing. Nothing of it
// is in the roster before it was confirmed.
//
// A Store keeps imports, a Worker does them. One machine does them beside the request that
// confirmed them; on AWS a Handler takes them from the queue of jobs.
package imports

import (
	"time"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
)

const (
	// Life is how long a file is kept: over night, for who was called away. That of a turn
	// of the year that was begun is kept until that is done or undone, at most until
	// Import.Until.
	Life = 24 * time.Hour
	// Stalls is after how long without progress an import counts as cut off: the process
	// that did it has died. It can be begun again at any time.
	Stalls = 15 * time.Second
)

// State is where an import stands.
type State string

// The states of an import.
const (
	Waits  State = "waiting" // to be confirmed
	Runs   State = "running"
	Done   State = "done"
	Failed State = "failed"
	Undone State = "undone" // a turn of the year that was taken back
)

// Import is one import of a roster.
type Import struct {
	ID      string         `json:"id"`
	File    string         `json:"file"` // its name, as the person knows it
	Pieces  int            `json:"pieces"`
	Sent    time.Time      `json:"sent"`
	State   State          `json:"state"`
	Run     int            `json:"run,omitempty"`     // how often it was begun: only the last one goes on
	Mapping roster.Mapping `json:"mapping,omitempty"` // columns named by hand for this file
	Done    int            `json:"done,omitempty"`    // families written, while it runs
	Total   int            `json:"total,omitempty"`
	Touched time.Time      `json:"touched,omitzero"` // when it last got further
	Counts  Counts         `json:"counts,omitzero"`  // from before the first write on: see Worker.counts
	Trouble lang.Text      `json:"trouble,omitzero"` // why it failed
	// Of a turn of the year; the last three are what somebody has confirmed.
	Turn    bool      `json:"turn,omitempty"`
	Undoing bool      `json:"undoing,omitempty"` // what runs is its undoing
	Rise    int       `json:"rise,omitempty"`
	Leave   []string  `json:"leave,omitempty"` // ids of children
	Until   time.Time `json:"until,omitzero"`  // when what was before is deleted

	revision int64
}

// Counts says what an import did, in children; Errors are rows, Back and Kept families.
type Counts struct {
	Added     int `json:"added"`
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	Errors    int `json:"errors"`
	Left      int `json:"left,omitempty"` // by a turn of the year
	Back      int `json:"back,omitempty"` // by its undoing
	Kept      int `json:"kept,omitempty"` // which it could not put back
}

// Stalled reports whether the import runs no longer though it is not done.
func (m Import) Stalled(now time.Time) bool {
	return m.State == Runs && now.Sub(m.Touched) >= Stalls
}

// Stopped reports whether the import was begun, and does not come to its end unless it is
// begun again.
func (m Import) Stopped(now time.Time) bool { return m.State == Failed || m.Stalled(now) }

// Open reports whether the import was begun and has not come to its end, though it still
// can.
func (m Import) Open(now time.Time) bool {
	if m.State != Runs && m.State != Failed {
		return false
	}
	if m.Turn {
		return now.Before(m.Until)
	}
	return !m.Ended(now)
}

// Ended reports whether the file is kept no longer.
func (m Import) Ended(now time.Time) bool { return !now.Before(m.Sent.Add(Life)) }

// Undoable reports whether an import is a turn that was done, or has stopped halfway, and
// can be undone.
func (m Import) Undoable(now time.Time) bool {
	return m.Turn && !m.Undoing && (m.State == Done || m.Stopped(now)) && now.Before(m.Until)
}

// begin notes that somebody is at it from now on.
func (m *Import) begin(now time.Time) {
	m.State, m.Touched, m.Done, m.Total = Runs, now.UTC(), 0, 0
	m.Run++
}

// turn returns what the roster is to know of the import as a turn.
func (m Import) turn() roster.Turn {
	return roster.Turn{ID: m.ID, Until: m.Until, Confirmed: m.State != Waits, Rise: m.Rise, Leave: m.Leave}
}

var (
	// ErrNone says that an import is not there.
	ErrNone = problem.New(problem.NotFound,
		"この取り込みは見つかりません。確認しないまま24時間たつと、ファイルは消えます。もう一度ファイルを選んでください。",
		"This import was not found. A file that is not confirmed is dropped after 24 hours. Please choose the file again.")
	// ErrOpen says why a turn does not begin while the roster is halfway through another.
	ErrOpen = problem.New(problem.Conflict,
		"前に始めた年度の更新が、まだ終わっていません。「年度を更新する」の画面からその更新を開き、続きを実行するか、取り消してから、もう一度実行してください。",
		"A turn of the year that was begun before has not come to its end. Open it from the page “Turn of the year” and go on with it or undo it, then try again.")
	errOver = problem.New(problem.Gone,
		"取り消せる期限を過ぎているため、元に戻せません。必要な人は、名簿の取り込みで追加してください。",
		"The time in which this could be undone is over. Add those who are missing by importing them.")
)
