package alert

import (
	"context"
	"time"

	"github.com/todoku/todoku/shared/problem"
)

// Glass is how an alert is held whose sender may not send as far by themselves:
// break-glass. Nothing of it leaves before a second person lets it go or, unless
// Second is set, before its countdown has run down. Until then it can be undone.
type Glass struct {
	Second bool      `json:"second,omitempty"` // only a second person lets it go
	By     Sender    `json:"by,omitzero"`      // who did; nobody: the countdown
	At     time.Time `json:"at,omitzero"`
}

// Times of break-glass.
const (
	// GlassWait is the countdown of somebody who is alone: long enough for a manager
	// who was mailed to undo a mistake, short enough for an earthquake.
	GlassWait = 2 * time.Minute
	// GlassLife is how long an alert waits for a second person; then it is undone,
	// because what it says may no longer be so.
	GlassLife = 15 * time.Minute
)

// Held reports whether the alert waits behind glass.
func (a Alert) Held(now time.Time) bool { return a.Glass != nil && a.State(now) == StateWaiting }

// Lapsed reports whether an alert has waited for a second person for too long, or longer
// than it is useful.
func (a Alert) Lapsed(now time.Time) bool {
	return a.Held(now) && a.Glass.Second && (!now.Before(a.Accepted.Add(GlassLife)) || !now.Before(a.UsefulUntil))
}

var (
	errGlassOver = problem.New(problem.Conflict,
		"この連絡は、もう送信が始まったか、取り消されています。",
		"This alert is on its way already, or was undone.")
	errGlassSelf = problem.New(problem.Conflict,
		"自分の連絡は、自分では確認できません。ほかの教職員が、その人の端末で確認してください。",
		"You cannot be the second person of your own alert. Somebody else has to confirm it on their own device.")
)

// Approve lets a held alert go, now: by is the second person. Letting it go twice is
// not an error.
func (s *Store) Approve(ctx context.Context, alertID string, by Sender) (Alert, error) {
	return s.change(ctx, alertID, func(a *Alert) (bool, error) {
		now := s.Now().UTC()
		switch {
		case a.Glass == nil:
			return false, ErrNotFound
		case a.Sender.ID == by.ID:
			return false, errGlassSelf
		case !a.Glass.At.IsZero() && a.Ending == "":
			return false, nil
		case !a.Held(now) || a.Lapsed(now):
			return false, errGlassOver
		}
		a.Glass = &Glass{Second: a.Glass.Second, By: by, At: now}
		a.Starts = now
		return true, nil
	})
}
