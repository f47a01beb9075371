package console

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const usagePath = "/usage"

func (s *Server) usageRoutes(rt *routes) {
	rt.page("GET "+usagePath, access.SeeAlert, s.usage)
}

// usageAlerts is how many alerts one page of the analysis reads: some years of a school.
const usageAlerts = 400

// usagePage is the data of usage.html: how a school's alerts were answered over the
// years. It reads the summaries of up to 400 alerts, by one query.
type usagePage struct {
	web.Base
	Alerts int
	From   time.Time // of the oldest
	Next   string    // where older alerts go on; "": nowhere
	Spans  []spanLine
	Hours  []hourBar
	Lanes  []usageLane
	Years  []yearLine
}

// spanLine says how many answers had come by a time, over all alerts.
type spanLine struct {
	Name    string
	Percent int64
}

// hourBar is an hour of the day in the picture, in which 240 units are a day.
type hourBar struct {
	Hour, X, Height int
	N               int64
}

// usageLane is a lane over all alerts.
type usageLane struct {
	Label           lang.Text
	Answered, Asked int64
}

// yearLine is a school year: from April on.
type yearLine struct {
	Year              int
	Alerts            int
	Children, Answers int64
	Half              string // median time until half had answered; "": seldom
	halves            []time.Duration
}

// usageSpans are the times at which the share of answers is told.
var usageSpans = []time.Duration{
	2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 24 * time.Hour,
}

func (s *Server) usage(r *http.Request, me staff.Staff) (web.Response, error) {
	all, next, err := s.Alerts.Summaries(r.Context(), me.School, r.URL.Query().Get("after"), usageAlerts)
	if err != nil {
		return nil, err
	}
	zone, err := s.zone(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	p := &usagePage{Alerts: len(all), Next: next}
	p.Scripts = []string{"print.js"}
	if len(all) > 0 {
		p.From = all[len(all)-1].Starts
		l := web.Language(r)
		p.setSpans(all, l)
		p.setHours(all, zone)
		p.setLanes(all, s)
		p.setYears(all, zone, l)
	}
	return web.Page{Template: "usage.html", Data: p}, nil
}

func (p *usagePage) setSpans(all []alert.Summary, l lang.Lang) {
	for _, span := range usageSpans {
		var children, answered int64
		for _, a := range all {
			if a.Open >= span {
				children += a.Children
				answered += alert.AnsweredBy(a.Curve(), span)
			}
		}
		if children > 0 {
			p.Spans = append(p.Spans, spanLine{roughly(span, l), answered * 100 / children})
		}
	}
}

// setHours adds up the answers by the hour of the day in which they came.
func (p *usagePage) setHours(all []alert.Summary, zone *time.Location) {
	var hours [24]int64
	for _, a := range all {
		var before int64
		for _, pt := range a.Curve() {
			hours[a.Starts.Add(pt.After).In(zone).Hour()] += pt.Answered - before
			before = pt.Answered
		}
	}
	top := max(slices.Max(hours[:]), 1)
	for h, n := range hours {
		p.Hours = append(p.Hours, hourBar{h, h * 10, int(n * 80 / top), n})
	}
}

func (p *usagePage) setLanes(all []alert.Summary, s *Server) {
	lanes := map[string]*usageLane{}
	for _, a := range all {
		for _, l := range a.Lanes {
			if l.Asked <= 0 {
				continue
			}
			if lanes[l.Lane] == nil {
				lanes[l.Lane] = &usageLane{Label: s.Lanes.Named(l.Lane).Label}
			}
			lanes[l.Lane].Asked += l.Asked
			lanes[l.Lane].Answered += l.Answered
		}
	}
	const most = 15
	for _, l := range lanes {
		p.Lanes = append(p.Lanes, *l)
	}
	slices.SortFunc(p.Lanes, func(a, b usageLane) int {
		return cmp.Or(cmp.Compare(b.Asked, a.Asked), cmp.Compare(a.Label.JA, b.Label.JA))
	})
	p.Lanes = p.Lanes[:min(len(p.Lanes), most)]
}

func (p *usagePage) setYears(all []alert.Summary, zone *time.Location, l lang.Lang) {
	for _, a := range all { // newest first
		at := a.Starts.In(zone)
		year := at.Year()
		if at.Month() < time.April {
			year--
		}
		if n := len(p.Years); n == 0 || p.Years[n-1].Year != year {
			p.Years = append(p.Years, yearLine{Year: year})
		}
		y := &p.Years[len(p.Years)-1]
		y.Alerts++
		y.Children += a.Children
		y.Answers += a.Answered
		if after, ok := alert.ReachedAt(a.Curve(), a.Children, 50); ok {
			y.halves = append(y.halves, after)
		}
	}
	for i := range p.Years {
		if y := &p.Years[i]; len(y.halves)*2 > y.Alerts {
			slices.Sort(y.halves)
			y.Half = within(y.halves[len(y.halves)/2], l)
		}
	}
}

// Percent returns how many of a hundred families that were asked answered.
func (l usageLane) Percent() int64 { return min(l.Answered*100/l.Asked, 100) }

// Percent returns how many of a hundred children were answered for.
func (y yearLine) Percent() int64 { return y.Answers * 100 / max(y.Children, 1) }

// Y is where the bar begins.
func (b hourBar) Y() int { return 90 - b.Height }

// Middle is where the bar's middle is.
func (b hourBar) Middle() int { return b.X + 5 }

// Marked reports whether the hour stands below the bar.
func (b hourBar) Marked() bool { return b.Hour%3 == 0 }
