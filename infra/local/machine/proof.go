package machine

import (
	"cmp"
	"context"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/proof"
)

// Proof says how it is proven that the whole way works. Its zero value: not at all.
type Proof struct {
	Every   time.Duration // 0: never
	Address string        // mailbox for the proofs' mail; "": none, see proof.Simulated
	DeadMan string        // address to call after each; "": none
}

// prover gives the proofs. Answers go to the pages over the listener, as a proxy's
// would.
func (m *Machine) prover() *proof.Prover {
	p := &proof.Prover{
		Records: *m.proofs, Alerts: m.Alerts, Roster: m.Roster, Jobs: m.Jobs, Links: m.Links, Log: m.cfg.Log,
		Address: cmp.Or(m.cfg.Proof.Address, proof.Simulated), Answer: proof.Phone("http://" + m.listener.Addr().String()),
		Enough: func(s alert.CopyState) bool { return s == alert.Sent || s == alert.Delivered },
	}
	ping := func(context.Context, time.Duration) error { return nil }
	if m.cfg.Proof.DeadMan != "" {
		ping = proof.Ping(m.cfg.Proof.DeadMan)
	}
	p.Proven = func(ctx context.Context, took time.Duration) error {
		m.cfg.Log.Info("proven", "took", took)
		return ping(ctx, took)
	}
	return p
}
