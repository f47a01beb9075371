package wire

import (
	"context"

	"github.com/todoku/todoku/shared/metrics"
	"github.com/todoku/todoku/shared/metrics/gather"
)

// measure logs the numbers of now, from which CloudWatch makes metrics. Those of lanes
// and children are there only while an alert is open, so that they cost nothing else:
// CloudWatch counts a metric by the hours in which it has data.
func (p *Parts) measure(ctx context.Context) error {
	s := gather.Source{
		Alerts: p.Alerts(), Lanes: p.Config.Lanes, Proofs: p.proofs(), Doctor: p.doctorRecords(), Docket: p.Docket(), Now: p.Now,
		Gate: p.gate(), Stuck: p.stuck(),
	}
	samples, err := s.Samples(ctx)
	if err != nil {
		return err
	}
	dead, err := p.dead().Counts(ctx)
	if err != nil {
		return err
	}
	for name, n := range dead {
		samples = append(samples, metrics.Of(metrics.DeadLetters, float64(n), "queue", name))
	}
	metrics.Log(p.Log, p.Now(), samples)
	return nil
}
