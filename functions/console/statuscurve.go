package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
)

// curvePicture is the answer curve laid out for an SVG of curveWidth by
// curveHeight units.
type curvePicture struct {
	Line, Area     string // paths
	Across, Up     []curveTick
	Left, Right    float64
	Top, Bottom    float64
	Width, Height  float64
	Summary        string
	Rows           []curveRow // the same in words, at most curveRows
	Now            float64    // x of the newest point
	Empty          bool
	AnsweredAtLast int64
	End            time.Duration // of the time axis
	Past           string        // path of the median of earlier alerts; "": there are none
	PastWords      string        // how this one compares
}

func (p *curvePicture) x(d time.Duration) float64 {
	return p.Left + float64(d)/float64(p.End)*(p.Right-p.Left)
}

// curveTick is a mark on an axis.
type curveTick struct {
	At    float64
	Label string
}

// curveRow is a point of the curve in words.
type curveRow struct {
	After    string
	Answered int64
}

const (
	curveWidth, curveHeight = 400, 240
	curveLeft, curveRight   = 48, 20
	curveTop, curveBottom   = 16, 40
	curveRows               = 12
	shortestAxis            = 10 * time.Minute
)

// axisSteps are the distances between marks of the time axis.
var axisSteps = []time.Duration{
	2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// drawCurve lays out the curve of first answers, from the start of the alert
// until elapsed. The upper end of the picture is all the children.
func drawCurve(points []alert.CurvePoint, total int64, elapsed time.Duration, l lang.Lang) curvePicture {
	p := curvePicture{
		Left: curveLeft, Right: curveWidth - curveRight, Top: curveTop, Bottom: curveHeight - curveBottom,
		Width: curveWidth, Height: curveHeight, Empty: len(points) == 0 || total <= 0,
	}
	end := max(elapsed, shortestAxis)
	if n := len(points); n > 0 {
		end = max(end, points[n-1].After)
		p.AnsweredAtLast = points[n-1].Answered
	}
	p.End = end
	x := p.x
	y := func(n int64) float64 { return p.Bottom - float64(n)/float64(max(total, 1))*(p.Bottom-p.Top) }
	p.setAxes(end, total, x, y, l)
	p.setLine(points, min(max(elapsed, 0), end), x, y)
	p.setWords(points, total, l)
	return p
}

func (p *curvePicture) setAxes(end time.Duration, total int64, x func(time.Duration) float64, y func(int64) float64, l lang.Lang) {
	step := axisSteps[len(axisSteps)-1]
	for _, s := range axisSteps {
		if end/s <= 5 {
			step = s
			break
		}
	}
	for d := time.Duration(0); d <= end; d += step {
		p.Across = append(p.Across, curveTick{x(d), axisLabel(d, l)})
	}
	upTicks := int64(4)
	if total < upTicks {
		upTicks = max(total, 1)
	}
	for i := range upTicks + 1 {
		n := total * i / upTicks
		p.Up = append(p.Up, curveTick{y(n), fmt.Sprint(n)})
	}
}

func axisLabel(d time.Duration, l lang.Lang) string {
	switch {
	case d == 0:
		return lang.T("送信", "sent").In(l)
	case d%time.Hour == 0:
		return lang.T("%d時間", "%d h", int(d.Hours())).In(l)
	}
	return lang.T("%d分", "%d min", int(d.Minutes())).In(l)
}

// setLine draws steps, as answers come one by one, and goes on level until now.
func (p *curvePicture) setLine(points []alert.CurvePoint, now time.Duration, x func(time.Duration) float64, y func(int64) float64) {
	var b strings.Builder
	fmt.Fprintf(&b, "M%.1f %.1f", x(0), y(0))
	last := time.Duration(0)
	for _, pt := range points {
		fmt.Fprintf(&b, "H%.1fV%.1f", x(pt.After), y(pt.Answered))
		last = pt.After
	}
	p.Now = x(max(last, now))
	fmt.Fprintf(&b, "H%.1f", p.Now)
	p.Line = b.String()
	p.Area = p.Line + fmt.Sprintf("V%.1fH%.1fZ", p.Bottom, p.Left)
}

// setWords says the same for those who do not see the picture.
func (p *curvePicture) setWords(points []alert.CurvePoint, total int64, l lang.Lang) {
	p.Summary = lang.T("回答はまだありません。", "No answers yet.").In(l)
	if p.Empty {
		return
	}
	p.Summary = lang.T("送信から%[1]sまでに、%[3]d人のうち%[2]d人の回答がありました。", "%[2]d of %[3]d children were answered for within %[1]s of sending.",
		roughly(points[len(points)-1].After, l), p.AnsweredAtLast, total).In(l)
	every := (len(points) + curveRows - 1) / curveRows
	for i := len(points) - 1; i >= 0; i -= every {
		p.Rows = append([]curveRow{{roughly(points[i].After, l), points[i].Answered}}, p.Rows...)
	}
}

// roughly says a time span to the minute.
func roughly(d time.Duration, l lang.Lang) string {
	h, m := int(d/time.Hour), int(d%time.Hour/time.Minute)
	switch {
	case h == 0:
		return lang.T("%d分", "%d min", m).In(l)
	case m == 0:
		return lang.T("%d時間", "%d h", h).In(l)
	}
	return lang.T("%d時間%d分", "%d h %d min", h, m).In(l)
}
