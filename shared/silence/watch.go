package silence

import (
	"sort"
	"time"
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

// Watch follows the lanes of one alert from minute to minute. It is a value to keep
// between the looks; the zero value begins.
type Watch struct {
	Tracks map[string]*Track `json:"tracks,omitempty"`
	Found  []Finding         `json:"found,omitempty"`
	// Alarmed says that somebody was told of what was found so far.
	Alarmed int `json:"alarmed,omitempty"`
}

// Track is one lane's answers by minute.
type Track struct {
	Since    time.Time `json:"since"` // when half of its mails were accepted
	Sent     int64     `json:"sent"`
	Answered []int64   `json:"answered"` // after so many minutes
	Looked   int       `json:"looked,omitempty"`
}

// rest is the lane of all that are too small to be one of their own.
const rest = ""

// Look notes where the lanes stand and returns those that are called out now. It
// wants to be called once a minute; a look that was missed is not made up for.
func (w *Watch) Look(now time.Time, counts []Count, past map[string]Past) []Finding {
	w.note(now, merge(counts))
	alpha := Alpha / float64(max(1, w.lanes()))
	var found []Finding
	for _, lane := range w.names() {
		share := w.Tracks[lane].due(now)
		if share == 0 || lane == rest || w.found(lane) {
			continue
		}
		table := w.table(lane, now.Sub(w.Tracks[lane].Since))
		if table.Silent(past[lane], alpha*share) {
			f := Finding{Lane: lane, At: now, Table: table}
			w.Found = append(w.Found, f)
			found = append(found, f)
		}
	}
	return found
}

// due moves a track past the looks whose time has come, and returns the share of the
// last of them; zero: there was none.
func (t *Track) due(now time.Time) float64 {
	share := 0.0
	for t.Looked < len(Looks) && now.Sub(t.Since) >= Looks[t.Looked].After {
		share = Looks[t.Looked].Share
		t.Looked++
	}
	return share
}

// Done reports whether every lane has been looked at for the last time.
func (w *Watch) Done() bool {
	for _, t := range w.Tracks {
		if t.Looked < len(Looks) {
			return false
		}
	}
	return len(w.Tracks) > 0
}

// Pasts returns what the alert teaches about its lanes, when it is over: past with
// this alert added, without the lanes that were called out and without those that
// nobody else can be compared with.
func (w *Watch) Pasts(past map[string]Past) map[string]Past {
	taught := map[string]Past{}
	for _, lane := range w.names() {
		table := w.table(lane, Looks[len(Looks)-1].After)
		if lane == rest || w.found(lane) || table.OthersSent == 0 || table.Sent < Least {
			continue
		}
		taught[lane] = past[lane].Add(table)
	}
	return taught
}

// merge puts the lanes that are too small together.
func merge(counts []Count) map[string]Count {
	lanes := map[string]Count{}
	for _, c := range counts {
		if c.Made < Least {
			r := lanes[rest]
			lanes[rest] = Count{Made: r.Made + c.Made, Sent: r.Sent + c.Sent, Answered: r.Answered + c.Answered}
			continue
		}
		lanes[c.Lane] = c
	}
	return lanes
}

// note keeps where the lanes stand. A lane's time begins when half of its mails have
// been accepted, so that one that was sent later is not compared by the clock.
func (w *Watch) note(now time.Time, lanes map[string]Count) {
	for lane, c := range lanes {
		t := w.Tracks[lane]
		if t == nil {
			if c.Sent == 0 || c.Sent*2 < c.Made {
				continue
			}
			t = &Track{Since: now}
			if w.Tracks == nil {
				w.Tracks = map[string]*Track{}
			}
			w.Tracks[lane] = t
		}
		minute := int(min(now.Sub(t.Since), Over) / time.Minute)
		for len(t.Answered) <= minute {
			t.Answered = append(t.Answered, t.last())
		}
		t.Sent = c.Sent
		t.Answered[minute] = min(c.Answered, c.Sent)
	}
}

func (t *Track) last() int64 {
	if len(t.Answered) == 0 {
		return 0
	}
	return t.Answered[len(t.Answered)-1]
}

// table compares a lane with all others after the same time. Of a lane that has not come
// so far yet fewer have answered, which can only hide a silence, not make one up. Lanes
// that were called out are no measure.
func (w *Watch) table(lane string, after time.Duration) Table {
	var t Table
	minute := int(after / time.Minute)
	for name, track := range w.Tracks {
		switch {
		case name == lane:
			t.Sent, t.Answered = track.Sent, track.at(minute)
		case !w.found(name):
			t.OthersSent += track.Sent
			t.OthersAnswer += track.at(minute)
		}
	}
	return t
}

// at is how many had answered after so many minutes, or by now.
func (t *Track) at(minute int) int64 {
	if minute < len(t.Answered) {
		return t.Answered[minute]
	}
	return t.last()
}

func (w *Watch) found(lane string) bool {
	for _, f := range w.Found {
		if f.Lane == lane {
			return true
		}
	}
	return false
}

// lanes is how many lanes can be called out.
func (w *Watch) lanes() int {
	n := len(w.Tracks)
	if w.Tracks[rest] != nil {
		n--
	}
	return n
}

func (w *Watch) names() []string {
	names := make([]string, 0, len(w.Tracks))
	for name := range w.Tracks {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
