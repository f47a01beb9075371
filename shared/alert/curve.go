package alert

import (
	"fmt"
	"strconv"
	"time"
)

// The answer curve counts children by the time of their first answer since the
// alert started, in steps of a minute for two hours and of ten minutes after
// that. One counter item holds a span of 30 steps, so an alert of a week has at
// most 38 spans of shards items.
const (
	curvePrefix   = "curve/"
	viaPrefix     = "via/"    // field: families whose first answer came through the lane
	sparedPrefix  = "spared/" // field: copies of families whose first answer came another way
	stepsPerSpan  = 30
	minuteSteps   = 120
	laterStep     = 10 * time.Minute
	maxCurveSteps = minuteSteps + int(MaxUseful/laterStep)
)

// curveStep returns the step in which time d after the start falls.
func curveStep(d time.Duration) int {
	minutes := int(max(d, 0) / time.Minute)
	if minutes < minuteSteps {
		return minutes
	}
	return min(minuteSteps+(minutes-minuteSteps)/int(laterStep/time.Minute), maxCurveSteps)
}

// stepEnd returns how long after the start a step ends.
func stepEnd(step int) time.Duration {
	if step < minuteSteps {
		return time.Duration(step+1) * time.Minute
	}
	return minuteSteps*time.Minute + time.Duration(step-minuteSteps+1)*laterStep
}

func curveCounter(step int, family string) (sortKey, field string) {
	return fmt.Sprintf("%s%02d/%d", curvePrefix, step/stepsPerSpan, shard(family)), strconv.Itoa(step)
}

// CurvePoint says how many children were answered for by a time.
type CurvePoint struct {
	After    time.Duration // since the alert started
	Answered int64
}

// curve adds up the counts of a step into a curve that only rises.
func curve(steps map[int]int64) []CurvePoint {
	last := -1
	for s := range steps {
		last = max(last, s)
	}
	var points []CurvePoint
	var sum int64
	for s := 0; s <= last; s++ {
		if n := steps[s]; n > 0 {
			sum += n
			points = append(points, CurvePoint{After: stepEnd(s), Answered: sum})
		}
	}
	return points
}

// addCurve adds the fields of one curve counter to steps.
func addCurve(steps map[int]int64, counts map[string]int64) {
	for field, n := range counts {
		if s, err := strconv.Atoi(field); err == nil {
			steps[s] += n
		}
	}
}
