package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/todoku/todoku/infra/bench/lanesim"
)

// report prints studies, and keeps what the picture shows.
type report struct {
	lanesim.Bench
	out  io.Writer
	rows []row
}

// row is a line of the picture: what was sent to, and how long each scheduler took
// to reach 99 %.
type row struct {
	label string
	t99   map[lanesim.Scheduler]time.Duration
}

func (r *report) table(title string, rows ...[]any) {
	_, _ = fmt.Fprintf(r.out, "\n%s\n", title)
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, cells := range rows {
		for _, c := range cells {
			_, _ = fmt.Fprintf(w, "%v\t", c)
		}
		_, _ = fmt.Fprintln(w)
	}
	_ = w.Flush()
}

// schools sends to each operator as if all of a school's guardians had it.
func (r *report) schools() error {
	summary := [][]any{{"operator", "1st alert", "worst", "2nd", "worst", "3rd", "worst", "blocks in an hour after the 1st"}}
	for _, name := range r.Profiles.Names() {
		rs := r.Each(func(v int) lanesim.World { return r.School(name, v) }, lanesim.Schedulers)
		r.times(fmt.Sprintf("%d recipients at %s, %d alerts %v apart: time of the first", lanesim.SchoolSize, name, lanesim.SchoolAlerts, lanesim.SchoolPause), name, rs)
		line := []any{name}
		for a := range lanesim.SchoolAlerts {
			over := lanesim.Ratio(rs[lanesim.Todoku], rs[lanesim.Informed], a)
			line = append(line, ratio(over.Median), ratio(over.Worst))
		}
		summary = append(summary, append(line, lanesim.MostHourly(rs[lanesim.Todoku])))
	}
	r.table("Todoku's time to 99 %, as a multiple of that of informed (goals: median 1.50, worst 3.00; at most 1 block an hour)", summary...)
	return nil
}

// behindSES is schools where SES owns the way to the operator and reports events.
func (r *report) behindSES() error {
	head := []any{"operator", "", "1st alert", "worst", "2nd", "worst", "3rd", "worst", "blocks", "in an hour after the 1st", "more than 1"}
	rows, ofSeeing := [][]any{head}, [][]any{head}
	for _, name := range r.Profiles.Names() {
		rs := r.Each(func(v int) lanesim.World { return r.School(name, v) }, lanesim.SESSchedulers)
		for _, how := range lanesim.SESSchedulers[1:] {
			rows = append(rows, overAlerts(name, how, rs, lanesim.InformedSES))
		}
		ofSeeing = append(ofSeeing, overAlerts(name, lanesim.TodokuSES, rs, lanesim.ClairvoyantSES))
	}
	r.table("The same behind the stand-in for SES, as a multiple of informed, which knows every limit and sees what Todoku sees: the best even rate (goal: median 2.00)", rows...)
	r.table("And as a multiple of the clairvoyant, which sees SES's connections, too", ofSeeing...)
	return nil
}

// overAlerts is a line of what a scheduler takes for each alert, as a multiple of another.
func overAlerts(name string, how lanesim.Scheduler, rs map[lanesim.Scheduler][]lanesim.Result, base lanesim.Scheduler) []any {
	line := []any{name, how}
	for a := range lanesim.SchoolAlerts {
		over := lanesim.Ratio(rs[how], rs[base], a)
		line = append(line, ratio(over.Median), ratio(over.Worst))
	}
	blocks := lanesim.Mean(rs[how], func(x lanesim.Result) float64 { return float64(x.Blocks) })
	return append(line, fmt.Sprintf("%.1f", blocks), lanesim.MostHourly(rs[how]), fmt.Sprintf("%d/%d", lanesim.OftenBlocked(rs[how]), len(rs[how])))
}

// times prints a line for each scheduler.
func (r *report) times(title, label string, rs map[lanesim.Scheduler][]lanesim.Result) {
	rows := [][]any{{"", "50 %", "90 %", "99 %", "100 %", "of informed", "worst", "Todoku wins", "attempts a message", "blocks"}}
	for _, how := range lanesim.Schedulers {
		res, ok := rs[how]
		if !ok {
			continue
		}
		over := lanesim.Ratio(res, rs[lanesim.Informed], 0)
		rows = append(rows, []any{
			how,
			clock(lanesim.Median(res, func(x lanesim.Result) time.Duration { return x.Alert[0].T50 })),
			clock(lanesim.Median(res, func(x lanesim.Result) time.Duration { return x.Alert[0].T90 })),
			clock(lanesim.Median(res, t99)),
			clock(lanesim.Median(res, func(x lanesim.Result) time.Duration { return x.Alert[0].T100 })),
			ratio(over.Median), ratio(over.Worst),
			fmt.Sprintf("%d/%d", lanesim.Wins(rs[lanesim.Todoku], res, 0), r.Variations),
			fmt.Sprintf("%.2f", lanesim.Mean(res, func(x lanesim.Result) float64 { return x.Attempts })),
			fmt.Sprintf("%.1f", lanesim.Mean(res, func(x lanesim.Result) float64 { return float64(x.Blocks) })),
		})
	}
	r.table(title, rows...)
	r.keep(label, rs)
}

func t99(x lanesim.Result) time.Duration { return x.Alert[0].T99 }

func (r *report) keep(label string, rs map[lanesim.Scheduler][]lanesim.Result) {
	line := row{label: label, t99: map[lanesim.Scheduler]time.Duration{}}
	for how, res := range rs {
		line.t99[how] = lanesim.Median(res, t99)
	}
	r.rows = append(r.rows, line)
}

func (r *report) city() error {
	rs := r.Each(r.City, lanesim.Schedulers)
	r.times("City: 72 alerts within 10 minutes to 43,000 recipients, all operators", "city", rs)
	return nil
}

func (r *report) prefecture() error {
	rs := r.Each(r.Prefecture, lanesim.Schedulers)
	r.times("Prefecture: one alert to 64,000 recipients, all operators", "prefecture", rs)
	return nil
}

// faults sends to each operator while it has a fault.
func (r *report) faults() error {
	head := []any{"operator"}
	for _, f := range lanesim.Faults {
		head = append(head, f.Name, "worst", "ahead")
	}
	rows := [][]any{head}
	for _, name := range r.Profiles.Names() {
		line := []any{name}
		for _, f := range lanesim.Faults {
			rs := r.Each(func(v int) lanesim.World { return r.Faulty(name, f.Fault, v) }, lanesim.Schedulers)
			over := lanesim.Ratio(rs[lanesim.Todoku], rs[lanesim.Informed], 0)
			line = append(line, ratio(over.Median), ratio(over.Worst), fmt.Sprintf("%d/%d", r.ahead(rs), r.Variations))
		}
		rows = append(rows, line)
	}
	r.table("The first alert to an operator with a fault: Todoku's time to 99 %, as a multiple of that of informed, and in how many variations it is ahead of all others", rows...)
	return nil
}

// ahead counts the variations in which Todoku is ahead of all that know as little.
func (r *report) ahead(rs map[lanesim.Scheduler][]lanesim.Result) int {
	n := 0
	for v, own := range rs[lanesim.Todoku] {
		first := true
		for how, res := range rs {
			first = first && (how == lanesim.Todoku || how == lanesim.Informed || own.Alert[0].T99 <= res[v].Alert[0].T99)
		}
		if first {
			n++
		}
	}
	return n
}

// mixedBySES is city and prefecture behind the stand-in for SES.
func (r *report) mixedBySES() error {
	hows := []lanesim.Scheduler{lanesim.ClairvoyantSES, lanesim.TodokuSES, lanesim.BlindSES}
	for title, world := range map[string]func(int) lanesim.World{"City": r.City, "Prefecture": r.Prefecture} {
		rs := r.Each(world, hows)
		rows := [][]any{{"", "50 %", "90 %", "99 %", "of the clairvoyant", "worst", "blocks"}}
		for _, how := range hows {
			over := lanesim.Ratio(rs[how], rs[lanesim.ClairvoyantSES], 0)
			rows = append(rows, []any{
				how,
				clock(lanesim.Median(rs[how], func(x lanesim.Result) time.Duration { return x.Alert[0].T50 })),
				clock(lanesim.Median(rs[how], func(x lanesim.Result) time.Duration { return x.Alert[0].T90 })),
				clock(lanesim.Median(rs[how], t99)), ratio(over.Median), ratio(over.Worst),
				fmt.Sprintf("%.1f", lanesim.Mean(rs[how], func(x lanesim.Result) float64 { return float64(x.Blocks) })),
			})
		}
		r.table(title+" behind the stand-in for SES, whose account takes 14 copies a second", rows...)
	}
	return nil
}

// isolation looks at the other lanes while one is dark.
func (r *report) isolation() error {
	rows := [][]any{{"", "median of the worst lane", "worst of all", "goal"}}
	for _, how := range lanesim.Schedulers {
		median, worst := 0.0, 0.0
		for dark := range r.Profiles.Names() {
			over := r.healthy(how, dark)
			median, worst = max(median, over.Median), max(worst, over.Worst)
		}
		rows = append(rows, []any{how, ratio(median), ratio(worst), "1.05"})
	}
	r.table("A school's alert to all operators, one of them dark for 20 minutes: how much longer the others take to 99 %", rows...)
	return nil
}

// healthy compares the healthy lanes' times with and without the fault of one lane.
func (r *report) healthy(how lanesim.Scheduler, dark int) lanesim.Over {
	with := r.Each(func(v int) lanesim.World { return r.Isolation(dark, true, v) }, []lanesim.Scheduler{how})[how]
	without := r.Each(func(v int) lanesim.World { return r.Isolation(dark, false, v) }, []lanesim.Scheduler{how})[how]
	for i := range with {
		with[i].Alert[0], without[i].Alert[0] = with[i].Healthy, without[i].Healthy
	}
	return lanesim.Ratio(with, without, 0)
}

// burst is that of the field notes.
func (r *report) burst() error {
	rows := [][]any{{"", "last mail, median", "worst", "goal"}}
	for _, how := range lanesim.Schedulers {
		rs := r.Each(r.FieldNotesBurst, []lanesim.Scheduler{how})[how]
		worst := time.Duration(0)
		for _, x := range rs {
			for _, a := range x.Alert {
				worst = max(worst, a.T100)
			}
		}
		last := lanesim.Median(rs, func(x lanesim.Result) time.Duration {
			return max(x.Alert[0].T100, x.Alert[1].T100, x.Alert[2].T100)
		})
		rows = append(rows, []any{how, clock(last), clock(worst), "10m"})
	}
	r.table("Three mails within 13 s to the same 126 mailboxes of webmail-y", rows...)
	return nil
}

func ratio(v float64) string { return fmt.Sprintf("%.2f", v) }

// clock writes a time as people read it.
func clock(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour: // as minutes they compare better
		return fmt.Sprintf("%.1f min", d.Minutes())
	default:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
}
