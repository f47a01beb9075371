package alert

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/silence"
	"github.com/todoku/todoku/shared/table"
)

// Silence of lanes: whether an operator that takes an alert's mails shows them to
// anybody (package silence).
//
//	alert/<id>               silence   what was seen of the alert's lanes so far
//	school/<school>/silence  past      what the school's lanes are like
const silenceSort = "silence"

func silenceKey(alert string) table.Key {
	return table.Key{Partition: partition(alert), Sort: silenceSort}
}

func pastKey(school string) table.Key {
	return table.Key{Partition: "school/" + school + "/silence", Sort: "past"}
}

// Listened returns what was seen of an alert's lanes so far.
func (s *Store) Listened(ctx context.Context, alert string) (silence.Watch, error) {
	w, _, err := s.watch(ctx, alert)
	return w, err
}

func (s *Store) watch(ctx context.Context, alert string) (w silence.Watch, revision int64, err error) {
	revision, err = s.read(ctx, silenceKey(alert), &w)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return w, revision, err
}

// Listen looks once at an alert's lanes, and returns those that are called out now; over
// says that there is nothing more to come. It wants to be called once a minute, and reads
// counters alone. When two call it at once, one of them finds nothing.
func (s *Store) Listen(ctx context.Context, a Alert) (found []silence.Finding, over bool, err error) {
	w, revision, err := s.watch(ctx, a.ID)
	if err != nil || w.Done() {
		return nil, w.Done(), err
	}
	counts, err := s.byLane(ctx, a.ID)
	if err != nil {
		return nil, false, err
	}
	past := map[string]silence.Past{}
	pastRevision, err := s.read(ctx, pastKey(a.School), &past)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, false, err
	}
	found, changed := w.Look(s.Now().UTC(), counts, past)
	if !changed {
		return nil, false, nil
	}
	ops := []table.Op{put(silenceKey(a.ID), revision, w)}
	if w.Done() {
		ops = append(ops, put(pastKey(a.School), pastRevision, w.Pasts(counts, past)))
	}
	err = s.Table.Write(ctx, "", ops...)
	if _, conflict := table.Conflict(err); conflict {
		return nil, false, nil // the other's look counts; the next one is in a minute
	}
	return found, w.Done(), err
}

// put writes v over what was read at a revision; 0: there was nothing.
func put(key table.Key, revision int64, v any) table.Op {
	return table.Put(table.Item{Key: key, Revision: revision, Value: table.Encode(v)})
}

// byLane counts the first round's copies by lane, and those that were answered first
// of their family. Copies of families who have answered another way count nowhere: of
// two parents one is enough, and the other's operator is not silent.
func (s *Store) byLane(ctx context.Context, alert string) ([]silence.Count, error) {
	fanOut, err := s.Progress(ctx, alert, FanOut)
	if err != nil {
		return nil, err
	}
	lanes := map[string]silence.Count{}
	for lane, n := range fanOut.Copies {
		lanes[lane] = silence.Count{Lane: lane, Made: n}
	}
	err = s.counters(ctx, alert, lanePrefix, func(key string, counts map[string]int64) {
		lane, _, _ := strings.Cut(key, "/")
		c := lanes[lane]
		for _, accepted := range []CopyState{Sent, Delivered} {
			c.Sent += counts[string(accepted)] - counts[leaving+string(accepted)]
		}
		lanes[lane] = c
	})
	if err != nil {
		return nil, err
	}
	err = s.counters(ctx, alert, curvePrefix, func(_ string, counts map[string]int64) {
		for field, n := range counts {
			if lane, ok := strings.CutPrefix(field, viaPrefix); ok {
				c := lanes[lane]
				c.Answered += n
				lanes[lane] = c
			} else if lane, ok := strings.CutPrefix(field, sparedPrefix); ok {
				c := lanes[lane]
				c.Made, c.Sent = c.Made-n, c.Sent-n
				lanes[lane] = c
			}
		}
	})
	return slices.Collect(maps.Values(lanes)), err
}
