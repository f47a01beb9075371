package mailhost

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Asker asks DNS, and remembers the answers for a while. It is safe for concurrent
// use.
type Asker struct {
	// Resolver is asked; nil: nobody, and every answer is Later. That is how a
	// machine runs from which nothing is to leave.
	Resolver Resolver
	Now      func() time.Time // for how long answers are remembered
	// Certain is a domain that receives mail for certain; "": gmail.com. A resolver
	// that does not find it, on a network without a way out for example, is not
	// believed when it finds another domain nowhere.
	Certain string

	mu    sync.Mutex
	known map[string]remembered
}

type remembered struct {
	Answer
	until time.Time
}

// How long answers are remembered. The resolvers at hand do not tell for how long
// a record may be kept (its TTL); mail hosts change seldom, and who has mended a
// domain tries again soon.
const (
	keepReceives = time.Hour
	keepRefused  = 5 * time.Minute
	keepLater    = 15 * time.Second
	maxKnown     = 10_000 // domains; beyond, all are forgotten
	atOnce       = 16     // questions under way of one AskAll
)

const certain = "gmail.com"

// Ask returns what DNS says of a domain (A-labels), within two seconds or so.
func (a *Asker) Ask(ctx context.Context, domain string) Answer {
	if a == nil || a.Resolver == nil {
		return Answer{}
	}
	answer := a.ask(ctx, domain)
	if answer.State == Nowhere && a.ask(ctx, a.certain()).State != Receives {
		return Answer{}
	}
	return answer
}

func (a *Asker) certain() string {
	if a.Certain == "" {
		return certain
	}
	return a.Certain
}

// ask asks unless the answer is remembered.
func (a *Asker) ask(ctx context.Context, domain string) Answer {
	a.mu.Lock()
	r, ok := a.known[domain]
	a.mu.Unlock()
	if ok && a.Now().Before(r.until) {
		return r.Answer
	}
	answer := ask(ctx, a.Resolver, domain)
	if ctx.Err() == nil { // who gave up learned nothing
		a.remember(domain, answer)
	}
	return answer
}

func (a *Asker) remember(domain string, answer Answer) {
	keep := map[State]time.Duration{Later: keepLater, Receives: keepReceives, Nowhere: keepRefused, Null: keepRefused}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil || len(a.known) >= maxKnown {
		a.known = map[string]remembered{}
	}
	a.known[domain] = remembered{answer, a.Now().Add(keep[answer.State])}
}

// AskAll asks of many domains side by side, for at most limit altogether. A domain
// without an answer by then is Later. None is asked of twice.
func (a *Asker) AskAll(ctx context.Context, domains []string, limit time.Duration) map[string]Answer {
	answers := map[string]Answer{}
	if a == nil || a.Resolver == nil {
		return answers
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, d := range domains {
		mu.Lock()
		_, asked := answers[d]
		if !asked {
			answers[d] = Answer{}
		}
		mu.Unlock()
		if asked || ctx.Err() != nil {
			continue
		}
		g.Go(func() error {
			answer := a.Ask(ctx, d)
			mu.Lock()
			defer mu.Unlock()
			answers[d] = answer
			return nil
		})
	}
	_ = g.Wait() // none of them fails
	return answers
}
