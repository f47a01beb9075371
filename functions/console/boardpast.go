package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
)

// How many earlier alerts a curve is compared with, and how many are read to find them.
const (
	pastCurves = 5
	pastLook   = 20
)

// earlier returns the newest alerts of a school that are over and of the kind of a,
// by one query, whatever their size. Those to a handful tell nothing.
func (s *Server) earlier(ctx context.Context, a alert.Alert) ([]alert.Summary, error) {
	const handful = 10
	all, _, err := s.Alerts.Summaries(ctx, a.School, "", pastLook)
	all = slices.DeleteFunc(all, func(p alert.Summary) bool {
		return p.Kind != a.Kind || p.ID >= a.ID || p.Children < handful
	})
	return all[:min(len(all), pastCurves)], err
}

// usual returns the median of the shares of children, in thousandths, who were
// answered for at a time in earlier alerts: those that could still be answered then.
// It returns false where that is fewer than half of them.
func usual(past []alert.Summary, after time.Duration) (int64, bool) {
	var shares []int64
	for _, p := range past {
		if p.Open >= after {
			shares = append(shares, alert.AnsweredBy(p.Curve(), after)*1000/p.Children)
		}
	}
	if len(shares) == 0 || len(shares)*2 < len(past) {
		return 0, false
	}
	slices.Sort(shares)
	mid := len(shares) / 2
	return (shares[mid] + shares[(len(shares)-1)/2]) / 2, true
}

// drawPast adds the median of earlier alerts, and says in words how this one compares.
func (p *curvePicture) drawPast(past []alert.Summary, points []alert.CurvePoint, total int64, elapsed time.Duration, l lang.Lang) {
	if len(past) == 0 || total <= 0 || p.Empty {
		return
	}
	const marks = 40
	var b strings.Builder
	for i := range marks + 1 {
		after := p.End * time.Duration(i) / marks
		share, ok := usual(past, after)
		if !ok {
			break
		}
		fmt.Fprintf(&b, "%c%.1f %.1f", "ML"[min(i, 1)], p.x(after), p.Bottom-float64(share)/1000*(p.Bottom-p.Top))
	}
	p.Past = b.String()
	elapsed = elapsed.Truncate(time.Minute)
	if was, ok := usual(past, elapsed); ok && elapsed > 0 {
		is := alert.AnsweredBy(points, elapsed) * 1000 / total
		p.PastWords = lang.T("点線は、これまで%[1]d回の中央値。送信から%[2]sの時点で、これまで%[3]d%%、今回%[4]d%%です。",
			"The dotted line is the median of %[1]d earlier alerts. %[2]s after sending it was at %[3]d%%; this alert is at %[4]d%%.",
			len(past), roughly(elapsed, l), was/10, is/10).In(l)
	}
}
