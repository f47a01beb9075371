package proof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// perCall bounds a call.
const perCall = 10 * time.Second

// Phone returns an Answer that posts to the pages at an address, as a guardian's phone
// does after it has opened them.
func Phone(base string) func(ctx context.Context, token, alert, choice string) error {
	client := &http.Client{Timeout: perCall, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return func(ctx context.Context, token, alert, choice string) error {
		page := base + "/a/" + token
		if err := call(ctx, client, http.MethodGet, page, nil); err != nil {
			return err
		}
		return call(ctx, client, http.MethodPost, page, url.Values{"alert": {alert}, "all": {choice}})
	}
}

// Ping returns a Proven that calls an address, such as that of a dead man's switch.
func Ping(address string) func(context.Context, time.Duration) error {
	client := &http.Client{Timeout: perCall}
	return func(ctx context.Context, _ time.Duration) error {
		return call(ctx, client, http.MethodGet, address, nil)
	}
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
