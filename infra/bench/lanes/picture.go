package main

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"

	"github.com/todoku/todoku/infra/bench/lanesim"
)

// Measures of the picture, in pixels.
const (
	pictureWidth = 960
	left, right  = 120, 30
	barHeight    = 12
	groupGap     = 22
	top          = 84
)

// colours of the schedulers, told apart by lightness as well (Okabe and Ito's, who
// chose them for people who see colours differently).
var colours = map[lanesim.Scheduler]string{
	lanesim.Informed: "#999999", lanesim.Todoku: "#0072b2", lanesim.Postfix: "#e69f00", lanesim.Kumo: "#cc79a7",
	lanesim.Fixed1: "#56b4e9", lanesim.Fixed20: "#d55e00", lanesim.Global: "#009e73",
}

// picture draws the median times to 99 % as bars on a logarithmic scale.
func (r *report) picture() string {
	low, high := r.span()
	x := func(d time.Duration) float64 {
		return left + (pictureWidth-left-right)*math.Log(float64(d)/float64(low))/math.Log(float64(high)/float64(low))
	}
	var body strings.Builder
	y := top
	for _, line := range r.rows {
		y = bars(&body, line, x, y)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", pictureWidth, y+20)
	fmt.Fprintf(&b, `<title>Time to 99 %% of the deliverable recipients</title><rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	fmt.Fprintf(&b, `<text x="%d" y="20" font-size="15">Time to 99 %% of the deliverable recipients, median of %d variations (seed %d)</text>`+"\n", left, r.Variations, r.Seed)
	legend(&b)
	grid(&b, low, high, x, y)
	b.WriteString(body.String())
	b.WriteString("</svg>\n")
	return b.String()
}

// span is from the shortest time to the longest, in whole steps of the scale.
func (r *report) span() (low, high time.Duration) {
	low, high = 24*time.Hour, time.Minute
	for _, line := range r.rows {
		for _, d := range line.t99 {
			low, high = min(low, d), max(high, d)
		}
	}
	return max(low*3/4, time.Second), high * 11 / 10
}

func bars(b *strings.Builder, line row, x func(time.Duration) float64, y int) int {
	from := y
	for _, how := range lanesim.Schedulers {
		d, ok := line.t99[how]
		if !ok {
			continue
		}
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"><title>%s: %s</title></rect>`+"\n",
			left, y, max(x(d)-left, 1), barHeight-2, colours[how], html.EscapeString(string(how)), clock(d))
		y += barHeight
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", left-8, (from+y)/2+4, html.EscapeString(line.label))
	return y + groupGap
}

func legend(b *strings.Builder) {
	at := left
	for _, how := range lanesim.Schedulers {
		fmt.Fprintf(b, `<rect x="%d" y="34" width="12" height="12" fill="%s"/><text x="%d" y="45">%s</text>`+"\n", at, colours[how], at+16, html.EscapeString(string(how)))
		at += 34 + 7*len(how)
	}
}

func grid(b *strings.Builder, low, high time.Duration, x func(time.Duration) float64, bottom int) {
	for _, d := range []time.Duration{
		time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
		20 * time.Minute, time.Hour, 2 * time.Hour, 5 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	} {
		if d < low || d > high {
			continue
		}
		name := strings.Replace(clock(d), ".0", "", 1)
		fmt.Fprintf(b, `<path d="M%.1f %dV%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle" fill="#555">%s</text>`+"\n", x(d), top-12, bottom, x(d), top-18, name)
	}
}
