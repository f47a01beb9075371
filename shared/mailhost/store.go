package mailhost

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/table"
)

// Store keeps the mail hosts of those domains whose lane the domain alone does not
// tell, so that a fan-out need not ask DNS. A nil Store checks and learns nothing.
type Store struct {
	Table table.Table
	Asker *Asker
	Lanes *lane.Lanes // without what is in the table
	Now   func() time.Time
}

// Layout: one record a domain.
const partition = "mailhosts"

const (
	// keepHosts is how long hosts are believed that nobody asked for again. Rosters
	// are imported every April.
	keepHosts = 400 * 24 * time.Hour
	// fresh is how long hosts are not asked for again.
	fresh = 7 * 24 * time.Hour
	// maxKept bounds what strangers can put there. The schools of a prefecture
	// together know fewer domains.
	maxKept = 5000
)

// kept is the value of a record.
type kept struct {
	Hosts []string  `json:"hosts"`
	At    time.Time `json:"at"`
}

// Check asks DNS of domains, for at most limit altogether, and returns the answers
// of those that have one. The domains of the lanes file are not asked of: they
// receive.
func (s *Store) Check(ctx context.Context, domains []string, limit time.Duration) map[string]Answer {
	if s == nil {
		return nil
	}
	var ask []string
	for _, d := range domains {
		if !s.Lanes.Lists(d) {
			ask = append(ask, d)
		}
	}
	return s.Asker.AskAll(ctx, ask, limit)
}

// Learn asks DNS of domains, for at most limit altogether, and keeps the hosts of
// those for which they decide the lane. An error means that some were not kept;
// their copies then go by the domain alone.
func (s *Store) Learn(ctx context.Context, domains []string, limit time.Duration) error {
	if s == nil || s.Asker == nil || s.Asker.Resolver == nil {
		return nil
	}
	known, err := s.read(ctx)
	if err != nil {
		return err
	}
	var ask []string
	for _, d := range domains {
		if r, ok := known[d]; !ok || s.Now().Sub(r.At) > fresh {
			ask = append(ask, d)
		}
	}
	var errs []error
	for d, answer := range s.Check(ctx, ask, limit) {
		_, is := known[d] // and may have moved to where its domain decides
		decides := s.Lanes.OfMX(d, answer.Hosts).Name != s.Lanes.Of(d).Name && len(known) < maxKept
		if answer.State == Receives && (is || decides) {
			known[d] = kept{}
			errs = append(errs, s.keep(ctx, d, answer.Hosts))
		}
	}
	return errors.Join(errs...)
}

// keep writes a domain's hosts. Of two who write at once, one wins; they asked the
// same DNS.
func (s *Store) keep(ctx context.Context, domain string, hosts []string) error {
	key := table.Key{Partition: partition, Sort: domain}
	value, err := json.Marshal(kept{hosts, s.Now().UTC()})
	if err != nil {
		return err
	}
	expires := s.Now().Add(keepHosts)
	return table.Set(ctx, s.Table, table.Item{Key: key, Value: value, Expires: expires})
}

// read returns all that is kept.
func (s *Store) read(ctx context.Context) (map[string]kept, error) {
	all := map[string]kept{}
	for item, err := range table.Items(ctx, s.Table, table.Query{Partition: partition}) {
		if err != nil {
			return nil, err
		}
		var r kept
		if err := json.Unmarshal(item.Value, &r); err != nil {
			return nil, err
		}
		all[item.Sort] = r
	}
	return all, nil
}

// Known returns the lanes with what is kept laid over them: Of then goes by a
// domain's mail hosts.
func (s *Store) Known(ctx context.Context) (*lane.Lanes, error) {
	all, err := s.read(ctx)
	if err != nil {
		return s.Lanes, err
	}
	mx := make(map[string][]string, len(all))
	for d, r := range all {
		mx[d] = r.Hosts
	}
	return s.Lanes.With(mx), nil
}
