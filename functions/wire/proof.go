package wire

import (
	"context"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/metrics"
	"github.com/todoku/todoku/shared/proof"
)

// simulator is the mailbox of SES that takes every mail, and costs like any other
// (https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html).
const simulator = "success@simulator.amazonses.com"

// proofs are how the proofs went.
func (p *Parts) proofs() *proof.Records {
	return &proof.Records{Table: p.store, Now: p.Now, Every: p.Config.Proof}
}

// prover gives the proofs. They wait for the event "delivered", so that what becomes of
// mails is proven to be told as well.
func (p *Parts) prover() *proof.Prover {
	say := func(samples ...metrics.Sample) { metrics.Log(p.Log, p.Now(), samples) }
	v := &proof.Prover{
		Records: *p.proofs(), Alerts: p.Alerts(), Roster: p.Roster(), Jobs: p.Jobs(), Links: p.Links(), Log: p.Log,
		Address: simulator, Enough: func(s alert.CopyState) bool { return s == alert.Delivered },
		Answer: proof.Phone(p.Config.BaseURL),
		Test:   func() { say(metrics.Of(metrics.AlarmTest, 1)) },
	}
	ping := func(context.Context, time.Duration) error { return nil }
	if p.Config.DeadMan != "" {
		ping = proof.Ping(p.Config.DeadMan)
	}
	v.Proven = func(ctx context.Context, took time.Duration) error {
		say(metrics.Of(metrics.Proofs, 1), metrics.Of(metrics.ProofTook, took.Seconds()))
		return ping(ctx, took)
	}
	return v
}
