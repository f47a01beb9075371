package console

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audience"
	"github.com/todoku/todoku/shared/each"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
)

// forecast says, before an alert is sent, how long its copies will probably take to
// leave, lane by lane, by what the lanes remember and what waits in them now.
type forecast struct {
	Lanes []laneForecast // the slowest first
	About bool           // the copies were reckoned, not counted
	Today int            // the alert would be the school's n-th of the day
	Late  int64          // copies that will probably not leave in time
}

// laneForecast is a lane in a forecast. The times are those of the alert's own copies.
type laneForecast struct {
	Label            lang.Text
	Copies           int64
	Slow             bool
	Half, Most, Last time.Duration // until 50, 90 and 99 % have left
	gate.Outlook                   // of them and of what leaves before the last of them
}

// slow is when a lane is named: sooner, nobody would decide otherwise for it.
const slow = 2 * time.Minute

// mostAhead bounds the open alerts of which it is read what they have waiting.
const mostAhead = 10

// forecast returns it for a previewed alert; nil: there is nothing to say.
// What cannot be read is left out, for nobody must wait for it.
func (s *Server) forecast(ctx context.Context, p Preview) *forecast {
	byLane, about, err := p.byLane, true, error(nil)
	if byLane == nil {
		byLane, about, err = s.spread(ctx, p)
	}
	var f *forecast
	if err == nil {
		f, err = s.foresee(ctx, p.Draft, byLane)
	}
	if err != nil {
		s.Log.Warn("no forecast", "school", p.Draft.School, "err", err)
		return nil
	}
	if f != nil {
		f.About = about
	}
	return f
}

func (s *Server) foresee(ctx context.Context, d alert.Draft, byLane map[string]int64) (*forecast, error) {
	if s.Gate == nil || len(byLane) == 0 {
		return nil, nil
	}
	known, err := s.Gate.Known(ctx)
	if err != nil {
		return nil, err
	}
	lanes := map[string]gate.Lane{}
	for _, l := range known {
		lanes[l.Name] = l
	}
	ahead, err := s.ahead(ctx)
	if err != nil {
		return nil, err
	}
	held, err := s.refusing(ctx, d.School)
	if err != nil {
		return nil, err
	}
	f := &forecast{}
	if f.Today, err = s.today(ctx, d.School); err != nil {
		return nil, err
	}
	left := d.UsefulUntil.Sub(s.Now())
	for name, n := range byLane {
		k := lanes[name]
		k.Name = name
		turn := func(share float64) float64 { return until(share*float64(n), ahead[name], d.Kind) }
		l := laneForecast{Label: s.Lanes.Named(name).Label, Copies: n, Outlook: s.Gate.Outlook(k, int64(turn(1)), held[name])}
		l.Half, l.Most, l.Last = l.after(turn(0.5)), l.after(turn(0.9)), l.after(turn(0.99))
		f.Late += min(l.Late(left), n)
		f.Lanes = append(f.Lanes, l)
	}
	return f, s.share(ctx, f)
}

// until returns how many copies leave in all until n of an alert of this kind have, in a lane
// in which others wait already.
func until(n float64, ahead []gate.Queue, kind alert.Kind) float64 {
	all := n
	for _, q := range ahead {
		all += q.Before(n, kind == alert.Safety)
	}
	return all
}

func (l *laneForecast) after(copies float64) time.Duration {
	return l.After(copies / float64(l.Waiting))
}

// share stretches the times to what the account may send in all, marks the slow lanes and
// puts them first.
func (s *Server) share(ctx context.Context, f *forecast) error {
	if s.Pace != nil {
		rate, err := s.Pace(ctx)
		if err != nil {
			return err
		}
		var all int64
		for _, l := range f.Lanes {
			all += l.Waiting
		}
		for i := range f.Lanes {
			f.Lanes[i].atLeast(float64(all), rate)
		}
	}
	for i := range f.Lanes {
		l := &f.Lanes[i]
		l.Slow = !l.Unknown && (l.Held || l.Paused || l.Silent || l.Last > slow)
	}
	slices.SortFunc(f.Lanes, func(a, b laneForecast) int {
		return cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(b.Last, a.Last), cmp.Compare(b.Copies, a.Copies), strings.Compare(a.Lane, b.Lane))
	})
	return nil
}

func rank(l laneForecast) int {
	switch {
	case l.Held:
		return 3
	case l.Slow:
		return 2
	case l.Unknown:
		return 1
	}
	return 0
}

// atLeast stretches the times to what an account needs for so many mails.
func (l *laneForecast) atLeast(all, rate float64) {
	if rate <= 0 {
		return
	}
	whole := all / rate * float64(time.Second)
	l.Half, l.Most, l.Last = max(l.Half, time.Duration(0.5*whole)), max(l.Most, time.Duration(0.9*whole)), max(l.Last, time.Duration(0.99*whole))
}

// ahead returns what of open alerts waits in each lane.
func (s *Server) ahead(ctx context.Context) (map[string][]gate.Queue, error) {
	open, _, err := s.Alerts.Open(ctx, "", mostAhead)
	if err != nil {
		return nil, err
	}
	all, err := each.Map(ctx, mostAhead, open, s.Alerts.Status)
	by := map[string][]gate.Queue{}
	for _, st := range all {
		for _, l := range st.Lanes {
			by[l.Lane] = append(by[l.Lane], gate.Queue{Copies: l.Waiting(), Urgent: st.Alert.Kind == alert.Safety})
		}
	}
	return by, err
}

// mostToday bounds the alerts that are counted.
const mostToday = 10

// today returns as which of the school's alerts of this day another would leave.
func (s *Server) today(ctx context.Context, school string) (int, error) {
	loc, err := s.zone(ctx, school)
	if err != nil {
		return 0, err
	}
	list, _, err := s.Alerts.List(ctx, school, "", mostToday)
	n := 1
	day := s.Now().In(loc).Format(time.DateOnly)
	for _, a := range list {
		if a.Ending != alert.Undone && a.Accepted.In(loc).Format(time.DateOnly) == day {
			n++
		}
	}
	return n, err
}

// spread returns how many copies of a previewed alert go through each lane.
func (s *Server) spread(ctx context.Context, p Preview) (map[string]int64, bool, error) {
	lanes := s.Lanes
	if s.Hosts != nil {
		if known, err := s.Hosts.Known(ctx); err == nil {
			lanes = known
		}
	}
	ids := make([]string, len(p.groups))
	for i, g := range p.groups {
		ids[i] = g.ID
	}
	notice := p.Draft.Kind == alert.Notice
	return audience.Spread(ctx, s.Roster, p.Draft.School, p.families, audience.NewSet(ids), lanes, func(f roster.Family) roster.Family {
		return f.Listening(notice, s.Now())
	})
}

// Slow returns what is said of each lane that needs long or is held.
func (f *forecast) Slow() (lines []lang.Text) {
	for _, l := range f.Lanes {
		if l.Slow {
			lines = append(lines, l.words(f))
		}
	}
	return lines
}

// Rest says of the other lanes, in a line each for those that are known and those that are
// not, how long they will take.
func (f *forecast) Rest() (lines []lang.Text) {
	var fast, unknown []laneForecast
	for _, l := range f.Lanes {
		switch {
		case l.Slow:
		case l.Unknown:
			unknown = append(unknown, l)
		default:
			fast = append(fast, l)
		}
	}
	if n, who, last := f.sum(fast); n != "" {
		lines = append(lines, lang.Text{JA: fmt.Sprintf("%s：%s通、%s", who.JA, n, span(last).JA), EN: fmt.Sprintf("%s: mails %s, %s", who.EN, n, span(last).EN)})
	}
	if n, who, last := f.sum(unknown); n != "" {
		lines = append(lines, lang.Text{
			JA: fmt.Sprintf("%s：%s通。まだ送った記録がないため、時間は分かりません（制限がなければ%s）", who.JA, n, span(last).JA),
			EN: fmt.Sprintf("%s: mails %s. Nothing is known of them yet (without a limit %s)", who.EN, n, span(last).EN),
		})
	}
	return lines
}

// sum returns the copies of lanes, what they are called, and the longest time; "": none.
func (f *forecast) sum(lanes []laneForecast) (copies string, who lang.Text, last time.Duration) {
	if len(lanes) == 0 {
		return "", who, 0
	}
	var n int64
	var ja, en []string
	for _, l := range lanes {
		n += l.Copies
		last = max(last, l.Last)
		ja, en = append(ja, l.Label.JA), append(en, l.Label.EN)
	}
	const named = 4
	if more := len(ja) - named; more > 0 {
		ja = append(ja[:named], fmt.Sprintf("ほか%d", more))
		en = append(en[:named], fmt.Sprintf("%d more", more))
	}
	return fmt.Sprint(n), lang.Text{JA: strings.Join(ja, "・"), EN: strings.Join(en, ", ")}, last
}

// words says how many copies a lane gets, as which mail of the day, and how long they take.
func (l *laneForecast) words(f *forecast) lang.Text {
	nth := lang.Text{}
	if f.Today > 1 {
		nth = lang.T("今日%d回目の連絡、", "alert %d of today, ", f.Today)
	}
	t := lang.Text{JA: fmt.Sprintf("%s：%s%d通、", l.Label.JA, nth.JA, l.Copies), EN: fmt.Sprintf("%s: %smails %d, ", l.Label.EN, nth.EN, l.Copies)}
	state := lang.Text{JA: span(l.Last).JA + "（半分は" + span(l.Half).JA + "）", EN: span(l.Last).EN + " (half: " + span(l.Half).EN + ")"}
	switch {
	case l.Held:
		state = lang.T("送信を止めています。届きません", "sending is held: nothing arrives")
	case l.Paused:
		state.JA, state.EN = "相手先が受け取りを延期しています。再開すれば"+state.JA, "the operator puts mail off; once it takes mail again "+state.EN
	case l.Silent:
		state.JA, state.EN = "到着の知らせが来ていません。控えめな速さで"+state.JA, "no news of arrivals comes in; at a cautious rate "+state.EN
	}
	return lang.Text{JA: t.JA + state.JA, EN: t.EN + state.EN}
}

// Times returns a lane's three times, in words; none while it is held.
func (l laneForecast) Times() []lang.Text {
	if l.Held {
		no := lang.T("送信停止中", "held")
		return []lang.Text{no, no, no}
	}
	return []lang.Text{span(l.Half), span(l.Most), span(l.Last)}
}

// span is about how long something takes, in words.
func span(d time.Duration) lang.Text {
	switch m := soon(d); {
	case m <= 1:
		return lang.T("1分以内", "within 1 min")
	case m < 120:
		return lang.T("約%d分", "about %d min", m)
	default:
		return lang.T("約%d時間", "about %d h", (m+30)/60)
	}
}
