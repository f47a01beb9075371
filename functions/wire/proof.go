package wire

import (
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
	return &proof.Records{Table: p.store, Now: p.Now, Every: p.Config.Proof, Mailboxes: p.Config.Mailboxes}
}

// prover gives the proofs. They wait for the event "delivered", so that what becomes of
// mails is proven to be told as well.
func (p *Parts) prover() *proof.Prover {
	say := func(samples ...metrics.Sample) { metrics.Log(p.Log, p.Now(), samples) }
	return &proof.Prover{
		Records: *p.proofs(), Alerts: p.Alerts(), Roster: p.Roster(), Jobs: p.Jobs(), Links: p.Links(), Log: p.Log,
		Address: simulator, Enough: func(s alert.CopyState) bool { return s == alert.Delivered },
		Answer:  proof.Phone(p.Config.BaseURL),
		DeadMan: p.Config.DeadMan,
		Test:    func() { say(metrics.Of(metrics.AlarmTest, 1)) },
		Proven: func(lane string, took time.Duration) {
			labels := proof.Labels(lane)
			say(metrics.Of(metrics.Proofs, 1, labels...), metrics.Of(metrics.ProofTook, took.Seconds(), labels...))
		},
	}
}
