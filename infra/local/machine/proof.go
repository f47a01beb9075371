package machine

import (
	"cmp"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/proof"
)

// Proof says how it is proven that the whole way works. Its zero value: not at all.
type Proof struct {
	Every   time.Duration // 0: never
	Address string        // mailbox for the mail of the system's own family; "": none, see proof.Simulated
	// Mailboxes are a list of mailboxes at mail operators, one at each, whose owners have
	// them answer; "": none. See proof.ParseMailboxes.
	Mailboxes string
	DeadMan   string // address to call after each, see proof.Prover; "": none
}

// prover gives the proofs. Answers go to the pages over the listener, as a proxy's
// would.
func (m *Machine) prover() *proof.Prover {
	return &proof.Prover{
		Records: *m.proofs, Alerts: m.Alerts, Roster: m.Roster, Jobs: m.Jobs, Links: m.Links, Log: m.cfg.Log,
		Address: cmp.Or(m.cfg.Proof.Address, proof.Simulated), Answer: proof.Phone("http://" + m.listener.Addr().String()),
		Enough:  func(s alert.CopyState) bool { return s == alert.Sent || s == alert.Delivered },
		DeadMan: m.cfg.Proof.DeadMan,
		Proven:  func(lane string, took time.Duration) { m.cfg.Log.Info("proven", "lane", lane, "took", took) },
	}
}

// mailboxes reads the list of mailboxes.
func (m *Machine) mailboxes() ([]proof.Mailbox, error) {
	boxes, err := proof.ParseMailboxes(m.cfg.Proof.Mailboxes, m.Lanes)
	switch {
	case err != nil:
		why := problem.Of(err)[0].Text
		return nil, problem.New(problem.Invalid, "--proof-mailboxes: %[1]s", "--proof-mailboxes: %[2]s", why.JA, why.EN)
	case len(boxes) > 0 && m.cfg.Proof.Every == 0:
		return nil, problem.New(problem.Invalid, "--proof-mailboxes を使うときは、--proof を0にしないでください。", "--proof-mailboxes needs --proof: with 0 nothing is proven.")
	}
	return boxes, nil
}
