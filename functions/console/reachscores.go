package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/enrol"
)

// scorePicture is the reach score of the school over time, laid out for an SVG.
type scorePicture struct {
	Line                     string
	Across, Up               []curveTick
	Left, Right, Top, Bottom float64
	Width, Height            float64
	First, Last              enrol.Score
	Empty                    bool
}

// drawScores lays the scores out, each at its day.
func drawScores(scores []enrol.Score) scorePicture {
	p := scorePicture{
		Left: curveLeft, Right: curveWidth - curveRight, Top: curveTop, Bottom: curveHeight - curveBottom,
		Width: curveWidth, Height: curveHeight, Empty: len(scores) == 0,
	}
	if p.Empty {
		return p
	}
	p.First, p.Last = scores[0], scores[len(scores)-1]
	day := func(v enrol.Score) time.Time { t, _ := time.Parse(time.DateOnly, v.Day); return t }
	from, span := day(p.First), max(day(p.Last).Sub(day(p.First)), 24*time.Hour)
	x := func(v enrol.Score) float64 { return p.Left + float64(day(v).Sub(from))/float64(span)*(p.Right-p.Left) }
	y := func(percent int) float64 { return p.Bottom - float64(percent)/100*(p.Bottom-p.Top) }
	for _, percent := range []int{0, 25, 50, 75, 100} {
		p.Up = append(p.Up, curveTick{y(percent), fmt.Sprint(percent, "%")})
	}
	var b strings.Builder
	for i, v := range scores {
		fmt.Fprintf(&b, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], x(v), y(v.Percent()))
	}
	if len(scores) == 1 {
		fmt.Fprintf(&b, "h4")
	}
	p.Line = b.String()
	p.Across = []curveTick{{x(p.First), shortDay(p.First.Day)}}
	if len(scores) > 1 {
		p.Across = append(p.Across, curveTick{x(p.Last), shortDay(p.Last.Day)})
	}
	return p
}

// shortDay writes 2026-04-06 as 4/6.
func shortDay(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return t.Format("1/2")
}
