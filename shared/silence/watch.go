package silence

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/lang"
)

// Look is a moment at which lanes are compared.
type Look struct {
	After time.Duration // since half of the lane's mails were accepted
	Share float64       // of Alpha
}

// Looks are all looks at a lane; their shares add up to 1.
var Looks = []Look{
	{3 * time.Minute, 0.03},
	{5 * time.Minute, 0.12},
	{7 * time.Minute, 0.15},
	{10 * time.Minute, 0.50},
	{15 * time.Minute, 0.10},
	{30 * time.Minute, 0.10},
}

// Over is when there is nothing more to be learned from a lane.
var Over = Looks[len(Looks)-1].After

// Count is how a lane stands at a moment.
type Count struct {
	Lane     string
	Made     int64 // copies, whatever became of them
	Sent     int64 // copies that the operator accepted
	Answered int64 // copies through whose link somebody answered
}

// Finding is a lane that is called out, with the figures that say so.
type Finding struct {
	Lane string    `json:"lane"`
	At   time.Time `json:"at"`
	Table
}

// Say says what was found, for people: label is what they call the lane.
func (f Finding) Say(label lang.Text) lang.Text {
	mine, theirs := percent(f.Answered, f.Sent), percent(f.OthersAnswer, f.OthersSent)
	return lang.Text{
		JA: fmt.Sprintf("%s：回答 %d%%（ほかのメール会社は %d%%）", label.JA, mine, theirs),
		EN: fmt.Sprintf("%s: %d %% have answered, elsewhere %d %%", label.EN, mine, theirs),
	}
}

func percent(n, of int64) int64 { return (100*n + of/2) / max(1, of) }

// Watch follows the lanes of one alert from look to look. It is a value to keep
// between them, of some 100 bytes a lane; the zero value begins.
type Watch struct {
	Tracks map[string]*Track `json:"tracks,omitempty"`
	Found  []Finding         `json:"found,omitempty"`
}

// Track is what was seen of one lane.
type Track struct {
	Since    time.Time `json:"since"`              // when half of its mails were accepted
	Sent     int64     `json:"sent"`               // at the last look
	Answered []int64   `json:"answered,omitempty"` // at each look
}

// rest is the lane of all that are too small to be one of their own.
const rest = ""

// Look compares the lanes whose time for it has come, and returns those that are
// called out now. It wants to be called once a minute; of the looks that were missed
// only the last is made up for. changed reports whether w has to be kept anew.
func (w *Watch) Look(now time.Time, counts []Count, past map[string]Past) (found []Finding, changed bool) {
	lanes := merge(counts)
	changed = w.begin(now, lanes)
	alpha := Alpha / float64(max(1, w.lanes()))
	for _, lane := range w.names() {
		share := w.Tracks[lane].look(now, lanes[lane])
		if share == 0 {
			continue
		}
		changed = true
		if lane == rest || w.found(lane) {
			continue
		}
		if table := w.table(lane, lanes); table.Silent(past[lane], alpha*share) {
			found = append(found, Finding{Lane: lane, At: now, Table: table})
		}
	}
	w.Found = append(w.Found, found...)
	return found, changed
}

// begin starts the time of lanes. It starts when half of a lane's mails have been
// accepted, so that one that was sent later is not compared by the clock.
func (w *Watch) begin(now time.Time, lanes map[string]Count) (changed bool) {
	for lane, c := range lanes {
		if w.Tracks[lane] != nil || c.Sent == 0 || c.Sent*2 < c.Made {
			continue
		}
		if w.Tracks == nil {
			w.Tracks = map[string]*Track{}
		}
		w.Tracks[lane], changed = &Track{Since: now}, true
	}
	return changed
}

// look notes how a lane stands at the looks whose time has come, and returns the
// share of alpha of the last of them; zero: there was none.
func (t *Track) look(now time.Time, c Count) float64 {
	share := 0.0
	for i := len(t.Answered); i < len(Looks) && now.Sub(t.Since) >= Looks[i].After; i++ {
		t.Sent, share = c.Sent, Looks[i].Share
		t.Answered = append(t.Answered, min(c.Answered, c.Sent))
	}
	return share
}

// table compares a lane at its last look with all others at the same look. Of those
// that have not come so far it takes what has been answered by now, which can only hide
// a silence, not make one up. Lanes that were called out are no measure.
func (w *Watch) table(lane string, lanes map[string]Count) Table {
	t := w.Tracks[lane]
	last := len(t.Answered) - 1
	table := Table{Sent: t.Sent, Answered: t.Answered[last]}
	for name, c := range lanes {
		other := w.Tracks[name]
		if name == lane || other == nil || w.found(name) {
			continue
		}
		answered := min(c.Answered, c.Sent)
		if len(other.Answered) > last {
			answered = min(other.Answered[last], c.Sent)
		}
		table.OthersSent += c.Sent
		table.OthersAnswer += answered
	}
	return table
}

// Done reports whether every lane has been looked at for the last time.
func (w *Watch) Done() bool {
	for _, t := range w.Tracks {
		if len(t.Answered) < len(Looks) {
			return false
		}
	}
	return len(w.Tracks) > 0
}

// Pasts returns past with what the alert teaches about its lanes added. It learns
// nothing from a lane that was called out, from one that was not looked at to
// the end, and where there is nobody to compare with.
func (w *Watch) Pasts(counts []Count, past map[string]Past) map[string]Past {
	taught := map[string]Past{}
	maps.Copy(taught, past)
	lanes := merge(counts)
	for _, lane := range w.names() {
		if lane == rest || w.found(lane) || len(w.Tracks[lane].Answered) < len(Looks) {
			continue
		}
		if table := w.table(lane, lanes); table.OthersSent > 0 {
			taught[lane] = past[lane].Add(table)
		}
	}
	return taught
}

// merge puts the lanes that are too small together.
func merge(counts []Count) map[string]Count {
	lanes := map[string]Count{}
	for _, c := range counts {
		if c.Made >= Least {
			lanes[c.Lane] = c
			continue
		}
		r := lanes[rest]
		lanes[rest] = Count{Made: r.Made + c.Made, Sent: r.Sent + c.Sent, Answered: r.Answered + c.Answered}
	}
	return lanes
}

func (w *Watch) found(lane string) bool {
	return slices.ContainsFunc(w.Found, func(f Finding) bool { return f.Lane == lane })
}

// lanes is how many lanes can be called out.
func (w *Watch) lanes() int {
	n := len(w.Tracks)
	if w.Tracks[rest] != nil {
		n--
	}
	return n
}

func (w *Watch) names() []string { return slices.Sorted(maps.Keys(w.Tracks)) }

// Silent reports whether a lane was called out.
func (w Watch) Silent(lane string) bool {
	return slices.ContainsFunc(w.Found, func(f Finding) bool { return f.Lane == lane })
}
