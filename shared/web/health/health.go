// Package health answers /healthz: whether the parts of the system work, proven by
// using them.
package health

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/proof"
	"github.com/todoku/todoku/shared/table"
)

const (
	failing = "failing"
	// broken is all that a stranger is told of a part that fails. Its error, which can
	// name accounts, addresses and paths, is in the log.
	broken = "does not work: see the log"
)

const (
	// Timeout bounds one look at the health.
	Timeout = 5 * time.Second
	// memory is for how long an answer serves those who ask again: each look writes
	// to the store and calls the mail operator.
	memory = 2 * time.Second
)

// Report is the JSON of /healthz.
type Report struct {
	Status string            `json:"status"` // ok or failing
	Checks map[string]string `json:"checks"` // by part: ok, or that it does not work
	// ProofMinutes is how long ago it was last proven that an alert is answered.
	ProofMinutes *int `json:"last_proof_minutes,omitempty"`
	// Lanes are those that are proven by a mailbox of their own, by name. One that fails
	// has the whole fail, so that who looks at the status alone hears of it.
	Lanes map[string]Lane `json:"lanes,omitempty"`
}

// Lane is what was proven of a lane.
type Lane struct {
	Status       string `json:"status"`        // ok or failing
	Why          string `json:"why,omitempty"` // it is failing
	ProofMinutes *int   `json:"last_proof_minutes,omitempty"`
}

// Handler answers with a Report: 200 if every part works, else 503. Use New.
type Handler struct {
	checks map[string]func(context.Context) error
	now    func() time.Time
	log    *slog.Logger
	proofs *proof.Records // nil: nothing is proven
	table  table.Table    // nil: this process looks for itself

	mu     sync.Mutex
	at     time.Time
	report Report
}

// New returns a Handler of the checks, by the names of the parts. A check uses its
// part, and its error, which goes to the log, names no person. now is the clock of the
// answers' memory.
func New(now func() time.Time, log *slog.Logger, checks map[string]func(context.Context) error) *Handler {
	return &Handler{now: now, log: log, checks: checks}
}

// Proven has the answer tell how old the newest proofs are, and fail if one is too old.
func (h *Handler) Proven(r *proof.Records) *Handler {
	if r.Every > 0 {
		h.proofs = r
	}
	return h
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rep := h.look(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if rep.Status != "ok" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(rep) // the client has gone
}

func (h *Handler) look(ctx context.Context) Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.now(); h.at.IsZero() || now.Sub(h.at) >= memory {
		h.report, h.at = h.newest(ctx), now
	}
	return h.report
}

// newest returns what all processes saw last, or what this one sees.
func (h *Handler) newest(ctx context.Context) Report {
	if h.table != nil {
		rep, err := h.together(ctx)
		if err == nil {
			return rep
		}
		h.log.Warn("the look at the health is not shared", "err", err)
	}
	return h.check(ctx)
}

// check looks at all parts side by side: together they take no longer than Timeout.
func (h *Handler) check(ctx context.Context) Report {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Timeout)
	defer cancel()
	rep := Report{Status: "ok", Checks: map[string]string{}}
	var mu sync.Mutex
	var all sync.WaitGroup
	for name, check := range h.checks {
		all.Go(func() {
			err := check(ctx)
			mu.Lock()
			defer mu.Unlock()
			rep.Checks[name] = "ok"
			if err != nil {
				h.log.Warn("a part does not work", "part", name, "err", err)
				rep.Status, rep.Checks[name] = failing, broken
			}
		})
	}
	all.Wait()
	if h.proofs != nil {
		h.prove(ctx, &rep)
	}
	return rep
}

// prove adds what was proven, and what was not.
func (h *Handler) prove(ctx context.Context, rep *Report) {
	standings, err := h.proofs.Standings(ctx)
	if err != nil {
		h.log.Warn("a part does not work", "part", "proof", "err", err)
		rep.Status, rep.Checks["proof"] = failing, broken
		return
	}
	for _, s := range standings {
		l := Lane{Status: "ok"}
		if s.Late != nil {
			rep.Status, l.Status, l.Why = failing, failing, s.Late.Error()
		}
		if !s.Last.IsZero() {
			minutes := int(h.now().Sub(s.Last).Minutes())
			l.ProofMinutes = &minutes
		}
		if s.Lane == "" {
			rep.Checks["proof"], rep.ProofMinutes = cmp.Or(l.Why, l.Status), l.ProofMinutes
			continue
		}
		if rep.Lanes == nil {
			rep.Lanes = map[string]Lane{}
		}
		rep.Lanes[s.Lane] = l
	}
}
