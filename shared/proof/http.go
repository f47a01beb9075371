package proof

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/each"
	"github.com/todoku/todoku/shared/link"
)

// perCall bounds a call.
const perCall = 10 * time.Second

// Phone returns an Answer that posts to the pages at an address, as a guardian's phone
// does after it has opened them.
func Phone(base string) func(ctx context.Context, token, alert, choice string) error {
	client := &http.Client{Timeout: perCall, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return func(ctx context.Context, token, alert, choice string) error {
		page := base + link.Answer.Path() + token
		if err := call(ctx, client, http.MethodGet, page, nil); err != nil {
			return err
		}
		return call(ctx, client, http.MethodPost, page, url.Values{"alert": {alert}, "all": {choice}})
	}
}

// laneMark stands in the address of a dead man's switch for the lane that was proven.
const laneMark = "{lane}"

// whole is what stands there for the system.
const whole = "all"

// switchOf returns the address of the lane's own dead man's switch, which is called after
// each of its proofs, if there is one with a place for its name: letters, digits and hyphens.
func (p *Prover) switchOf(lane string) []string {
	if !strings.Contains(p.DeadMan, laneMark) {
		return nil
	}
	name := strings.ReplaceAll(cmp.Or(lane, whole), ".", "-")
	return []string{strings.ReplaceAll(p.DeadMan, laneMark, url.PathEscape(name))}
}

// switchOfAll returns the address of the one dead man's switch of all, which is called at
// the end of a proof, if the system was proven and no lane is red.
func (p *Prover) switchOfAll(s State) []string {
	if p.DeadMan == "" || strings.Contains(p.DeadMan, laneMark) || s.Failed != "" {
		return nil
	}
	for _, is := range p.standings(s) {
		if is.Late != nil {
			return nil
		}
	}
	return []string{p.DeadMan}
}

// ping calls addresses side by side: the clock does not wait for one after the other. No
// failure ends the others.
func ping(ctx context.Context, addresses []string) error {
	client := &http.Client{Timeout: perCall}
	failures, _ := each.Map(ctx, len(addresses), addresses, func(ctx context.Context, address string) (error, error) {
		return call(ctx, client, http.MethodGet, address, nil), nil
	})
	return errors.Join(failures...)
}

// call fails unless the answer is a good one. Its errors do not hold the path, which
// is a secret or a capability.
func call(ctx context.Context, client *http.Client, method, address string, form url.Values) error {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("proof: %s: not an address", method)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return fmt.Errorf("proof: %s %s: %w", method, req.URL.Host, err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)) // so that the connection can be used again
	_ = res.Body.Close()
	if res.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("proof: %s %s: status %d", method, req.URL.Host, res.StatusCode)
	}
	return nil
}
