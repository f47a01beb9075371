// Package gather reads the numbers of package metrics from the store, with an effort
// that does not grow with recipients.
package gather

import (
	"cmp"
	"context"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/doctor"
	"github.com/todoku/todoku/shared/heal"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/metrics"
	"github.com/todoku/todoku/shared/proof"
)

// Source is what the numbers are read from.
type Source struct {
	Alerts *alert.Store
	Gate   *gate.Gate // nil: nothing is said of windows and pauses
	Lanes  *lane.Lanes
	Proofs *proof.Records
	Doctor *doctor.Records
	Docket *docket.Store // knows the brake
	Stuck  heal.Records
	Now    func() time.Time
	// Idle has the lanes told of while no alert is open as well.
	Idle bool
}

// maxAlerts is how many open alerts are counted; each costs some reads.
const maxAlerts = 20

// other is the lane, in the numbers, of all operators outside of the lanes file: who
// their guardians' operators are is no number of few values.
const other = "other"

// Samples returns the numbers of now.
func (s *Source) Samples(ctx context.Context) ([]metrics.Sample, error) {
	samples, err := s.alerts(ctx)
	if err != nil {
		return nil, err
	}
	more := []func(context.Context) ([]metrics.Sample, error){s.proofs, s.findings, s.brake, s.stuck}
	if s.Idle || len(samples) > 1 {
		more = append(more, s.lanes)
	}
	for _, more := range more {
		got, err := more(ctx)
		if err != nil {
			return nil, err
		}
		samples = append(samples, got...)
	}
	return samples, nil
}

func (s *Source) alerts(ctx context.Context) ([]metrics.Sample, error) {
	open, _, err := s.Alerts.Open(ctx, "", maxAlerts)
	if err != nil {
		return nil, err
	}
	t := totals{copies: map[[2]string]float64{}, children: map[string]float64{}}
	for _, a := range open {
		if a.School == proof.School || !a.Useful(s.Now()) {
			continue
		}
		st, err := s.Alerts.Status(ctx, a)
		if err != nil {
			return nil, err
		}
		s.add(&t, st)
	}
	return t.samples(), nil
}

// totals are the sums over the open alerts.
type totals struct {
	open     float64
	copies   map[[2]string]float64 // by lane and state
	children map[string]float64    // by state
	backlog  time.Duration
	half     time.Duration // of the newest alert
}

func (s *Source) add(t *totals, st alert.Status) {
	t.open++
	for _, l := range st.Lanes {
		for state, n := range l.By {
			if n > 0 {
				t.copies[[2]string{s.lane(l.Lane), state}] += float64(n)
			}
		}
	}
	for state, n := range st.Children.By {
		t.children[state] += float64(n)
	}
	if !st.FanOut.Done {
		t.backlog = max(t.backlog, s.Now().Sub(st.Alert.Starts))
	}
	for _, l := range st.Lanes {
		if l.By[string(alert.Queued)]+l.By[string(alert.Sending)] > 0 {
			t.backlog = max(t.backlog, s.Now().Sub(l.Since))
		}
	}
	t.half = half(st.Curve)
}

// lane returns what a lane is called in the numbers.
func (s *Source) lane(name string) string {
	if s.Lanes.Named(name).Listed() {
		return name
	}
	return other
}

// half returns when half of those who have answered had.
func half(curve []alert.CurvePoint) time.Duration {
	if len(curve) == 0 {
		return 0
	}
	for _, p := range curve {
		if 2*p.Answered >= curve[len(curve)-1].Answered {
			return p.After
		}
	}
	return 0
}

func (t totals) samples() []metrics.Sample {
	samples := []metrics.Sample{metrics.Of(metrics.AlertsOpen, t.open)}
	if t.open == 0 {
		return samples
	}
	for key, n := range t.copies {
		samples = append(samples, metrics.Of(metrics.Copies, n, "lane", key[0], "state", key[1]))
	}
	for state, n := range t.children {
		samples = append(samples, metrics.Of(metrics.Children, n, "state", state))
	}
	return append(samples, metrics.Of(metrics.Backlog, t.backlog.Seconds()), metrics.Of(metrics.Answered, t.half.Seconds()))
}

// lanes tells of the operators of the lanes file.
func (s *Source) lanes(ctx context.Context) (samples []metrics.Sample, err error) {
	known, err := s.Gate.Known(ctx)
	if err != nil {
		return nil, err
	}
	unheard, err := s.Gate.Unheard(ctx)
	if s.Gate != nil {
		samples = append(samples, metrics.Of(metrics.Unheard, float64(len(unheard.Lanes))))
	}
	for _, l := range known {
		if s.lane(l.Name) == other {
			continue
		}
		paused := 0.0
		if !l.State.Stopped.IsZero() || l.Hold != nil {
			paused = 1
		}
		samples = append(samples, metrics.Of(metrics.Window, l.State.Window, "lane", l.Name), metrics.Of(metrics.Paused, paused, "lane", l.Name))
		if took := cmp.Or(l.State.Took, l.Took); took > 0 {
			samples = append(samples, metrics.Of(metrics.Verdict, took.Seconds(), "lane", l.Name))
		}
	}
	return samples, err
}

func (s *Source) proofs(ctx context.Context) ([]metrics.Sample, error) {
	if s.Proofs == nil || s.Proofs.Every == 0 {
		return nil, nil
	}
	standings, err := s.Proofs.Standings(ctx)
	var samples []metrics.Sample
	for _, st := range standings {
		if st.Since.IsZero() {
			continue // what is not there is an alarm: see Standing.Late
		}
		labels := proof.Labels(st.Lane)
		samples = append(samples, metrics.Of(metrics.ProofAge, st.Age(s.Now()).Seconds(), labels...))
		if !st.Last.IsZero() {
			samples = append(samples, metrics.Of(metrics.ProofTook, st.Took.Seconds(), labels...))
		}
	}
	return samples, err
}

func (s *Source) findings(ctx context.Context) ([]metrics.Sample, error) {
	rep, ok, err := s.Doctor.Last(ctx)
	if err != nil || !ok {
		return nil, err
	}
	by := map[doctor.Level]float64{doctor.Fail: 0, doctor.Warn: 0, doctor.Unknown: 0}
	for _, f := range rep.Findings {
		by[f.Level]++
	}
	var samples []metrics.Sample
	for level, n := range by {
		samples = append(samples, metrics.Of(metrics.Findings, n, "severity", string(level)))
	}
	return samples, nil
}

// stuck tells of what stands still, and of what was put right.
func (s *Source) stuck(ctx context.Context) (samples []metrics.Sample, err error) {
	st, err := s.Stuck.State(ctx)
	for _, k := range heal.Kinds {
		if n := st.Stuck[k]; n > 0 || s.Idle {
			samples = append(samples, metrics.Of(metrics.Stuck, float64(n), "kind", string(k)))
		}
		if n := st.Healed[k]; s.Idle || n > 0 && st.Stuck[k] > 0 {
			samples = append(samples, metrics.Of(metrics.Healed, float64(n), "kind", string(k)))
		}
	}
	return samples, err
}

// brake tells of the brake while it is on.
func (s *Source) brake(ctx context.Context) ([]metrics.Sample, error) {
	b, err := s.Docket.Brake(ctx)
	switch {
	case err != nil:
		return nil, err
	case b.On():
		return []metrics.Sample{metrics.Of(metrics.Brake, 1)}, nil
	case s.Idle:
		return []metrics.Sample{metrics.Of(metrics.Brake, 0)}, nil
	}
	return nil, nil
}
