package docket

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// The limits of bounces and complaints. SES looks into an account from 5 % of bounces and
// 0.1 % of complaints on, and stops it at 10 % and 0.5 %, counted over a representative
// volume (https://docs.aws.amazon.com/ses/latest/dg/reputationdashboard-messages.html).
// A relay's owner does the like. So Todoku brakes before.
const (
	brakeBounces    = 0.08
	brakeComplaints = 0.003
	freeBounces     = 0.05 // below both the brake is let go
	freeComplaints  = 0.001

	volume          = 1000                // mails over which is counted, of the newest alerts,
	volumeFor       = 30 * 24 * time.Hour // no older than this
	leastVolume     = 200                 // of fewer nothing is concluded,
	leastBounces    = 20                  // nor of fewer of these,
	leastComplaints = 3                   // or of these
	settling        = 24 * time.Hour      // for so long events of an alert still come
	weighEvery      = 55 * time.Second
	fullEvery       = 10 * time.Minute // how often mails are counted of an alert without news
)

// Braked is what the brake knows: what the newest alerts did to the account's standing,
// and whether it is on.
type Braked struct {
	Since      time.Time `json:"since,omitzero"` // zero: it is off
	Bounces    float64   `json:"bounces"`        // rates, from 0 to 1, when it was looked last
	Complaints float64   `json:"complaints"`
	Mails      int64     `json:"mails"` // over which
	Resumed    time.Time `json:"resumed,omitzero"`
	By         string    `json:"by,omitempty"` // who let it go; "": the rates had fallen

	Loads []load `json:"loads,omitempty"` // the newest first

	revision int64
}

// load is what one alert did.
type load struct {
	Alert      string    `json:"a"`
	School     string    `json:"s"`
	Starts     time.Time `json:"t"`
	Counted    time.Time `json:"c"`
	Mails      int64     `json:"n"`
	Bounced    int64     `json:"b,omitempty"`
	Complained int64     `json:"x,omitempty"`
	// Before is what was forgiven, when people let the brake go.
	Before *load `json:"before,omitempty"`
}

// On reports whether the brake is on.
func (b Braked) On() bool { return !b.Since.IsZero() }

// Said says the rates in words.
func (b Braked) Said() lang.Text {
	return lang.T("直近のメール%[1]d通のうち、届かずに戻ったものが%[2]s、迷惑メールとして報告されたものが%[3]sです。",
		"Of the last %[1]d mails %[2]s came back, and %[3]s were reported as spam.", b.Mails, percent(b.Bounces), percent(b.Complaints))
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

var brakeKey = table.Key{Partition: "account", Sort: "brake"}

const (
	rateSort      = "rate" // of casesPart: what an alert did to the account's standing
	fieldBounced  = "bounced"
	fieldComplain = "complained"
)

func rateKey(alertID string) table.Key {
	return table.Key{Partition: casesPart(alertID), Sort: rateSort}
}

// Brake reads the brake.
func (s *Store) Brake(ctx context.Context) (b Braked, err error) {
	b, revision, err := table.Recall[Braked](ctx, s.Table, brakeKey)
	b.revision = revision
	return b, err
}

// putBrake writes the brake over what was read of it.
func (s *Store) putBrake(ctx context.Context, b Braked) error {
	err := table.Save(ctx, s.Table, brakeKey, b.revision, b)
	s.mu.Lock()
	s.braked = brakeSeen{}
	s.mu.Unlock()
	return err
}

// brakeSeen is whether the brake is on, as was read a moment ago.
type brakeSeen struct {
	at time.Time
	on bool
}

// Braking reports whether the brake is on. It is asked for each batch, so it remembers.
func (s *Store) Braking(ctx context.Context) (bool, error) {
	now := s.Now()
	s.mu.Lock()
	seen := s.braked
	s.mu.Unlock()
	if age := now.Sub(seen.at); age >= 0 && age < Fresh {
		return seen.on, nil
	}
	b, err := s.Brake(ctx)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.braked = brakeSeen{now, b.On()}
	return b.On(), nil
}

// Stops returns which of an alert's copies do not leave because the brake is on: all
// of a notice and of a drill; of a safety check those to contacts that nobody ever
// confirmed or that were refused lately.
func (s *Store) Stops(ctx context.Context, a alert.Alert, copies []alert.CopyRef) (map[alert.CopyRef]bool, error) {
	on, err := s.Braking(ctx)
	if err != nil || !on {
		return nil, err
	}
	stops := map[alert.CopyRef]bool{}
	if a.Kind != alert.Safety {
		for _, c := range copies {
			stops[c] = true
		}
		return stops, nil
	}
	var ids []string
	for _, c := range copies {
		if !slices.Contains(ids, c.Family) {
			ids = append(ids, c.Family)
		}
	}
	families, err := s.Roster.FamiliesOf(ctx, a.School, ids)
	doubtful := map[string]bool{}
	for _, f := range families {
		for _, g := range f.Guardians {
			for _, k := range g.Contacts {
				doubtful[k.ID] = doubt(k)
			}
		}
	}
	for _, c := range copies {
		if doubtful[c.Contact] {
			stops[c] = true
		}
	}
	return stops, err
}

// doubt reports whether a mail to a contact may well bounce.
func doubt(k roster.Contact) bool {
	return !proof(k).Proven() || k.RefusedAt.After(k.Answered)
}

// Free lets the brake go. What was until now is forgiven: it is on again only by what
// comes. by is who says so.
func (s *Store) Free(ctx context.Context, by string) error {
	return table.Again(func() error {
		b, err := s.Brake(ctx)
		if err != nil {
			return err
		}
		if !b.On() {
			return errNotBraked
		}
		b.release(s.Now().UTC(), by)
		for i := range b.Loads {
			l := b.Loads[i]
			l.Before = nil
			b.Loads[i].Before = &l
		}
		return s.putBrake(ctx, b)
	})
}

func (b *Braked) release(now time.Time, by string) { b.Since, b.Resumed, b.By = time.Time{}, now, by }

// weigh adds up the newest alerts until they are a representative volume, and forgets
// older ones.
func (b *Braked) weigh(now time.Time) {
	slices.SortFunc(b.Loads, func(x, y load) int { return y.Starts.Compare(x.Starts) })
	var mails, bounced, complained int64
	n := 0
	for _, l := range b.Loads {
		if now.Sub(l.Starts) > volumeFor || mails >= volume && now.Sub(l.Starts) > settling {
			break
		}
		n++
		if f := l.Before; f != nil {
			l.Mails, l.Bounced, l.Complained = l.Mails-f.Mails, l.Bounced-f.Bounced, l.Complained-f.Complained
		}
		mails, bounced, complained = mails+max(l.Mails, 0), bounced+l.Bounced, complained+l.Complained
	}
	b.Loads = b.Loads[:n]
	b.Mails, b.Bounces, b.Complaints = mails, 0, 0
	if mails >= leastVolume {
		b.Bounces, b.Complaints = float64(bounced)/float64(mails), float64(complained)/float64(mails)
	}
	if b.On() {
		if mails < leastVolume || b.Bounces < freeBounces && b.Complaints < freeComplaints {
			b.release(now, "")
		}
		return
	}
	if b.Bounces >= brakeBounces && bounced >= leastBounces || b.Complaints >= brakeComplaints && complained >= leastComplaints {
		b.Since, b.Resumed, b.By = now, time.Time{}, ""
	}
}
