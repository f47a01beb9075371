package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// Job is a piece of work that walks over all families of an alert.
type Job string

// The jobs.
const (
	FanOut Job = "fanout" // make the families' records and queue their copies
	Remind Job = "remind" // queue another round of copies for those who have not answered
	Cancel Job = "cancel" // give up what has not left
)

const requeue = "again/"

// Requeue names the job that queues the copies which still wait once more. Each time that
// it is begun it is another.
func Requeue(at time.Time) Job { return Job(requeue + strconv.FormatInt(at.Unix(), 36)) }

// Requeues reports whether it is such a job.
func (j Job) Requeues() bool { return strings.HasPrefix(string(j), requeue) }

// Progress is how far a job is. It is saved in the same write as what the job
// made, so a job that was cut off goes on where it was and makes nothing twice.
type Progress struct {
	Job  Job  `json:"job"`
	Done bool `json:"done,omitempty"`
	// Made is up to where families are done; Queued is up to where the messages of
	// their copies are known to be in the queue. What lies between is queued
	// again after a crash; dispatch sends no copy that has left.
	Made   Cursor    `json:"made"`
	Queued Cursor    `json:"queued"`
	At     time.Time `json:"at"` // when it last got further

	Families int64            `json:"families,omitempty"`
	Children int64            `json:"children,omitempty"`
	Copies   map[string]int64 `json:"copies,omitempty"` // made, by lane

	Revision int64 `json:"-"` // 0: not begun
}

// Cursor is a place in a walk: a group by its number in the alert's plan, and the
// last key in it that is done.
type Cursor struct {
	Group int    `json:"g,omitempty"`
	After string `json:"a,omitempty"`
}

// Strand names the i-th of the walks that share the groups of an alert's fan-out.
// Each has a Progress of its own, so that they do not wait for each other.
func Strand(i int) Job { return Job(fmt.Sprintf("%s/%02d", FanOut, i)) }

// Progress reads how far a job is; one that has not begun is at the start, with At
// zero. That of FanOut holds the totals of its strands.
func (s *Store) Progress(ctx context.Context, alert string, job Job) (Progress, error) {
	if job == FanOut {
		return s.fanOut(ctx, alert)
	}
	p := Progress{Job: job}
	rev, err := s.read(ctx, progressKey(alert, job), &p)
	if errors.Is(err, ErrNotFound) {
		return p, nil
	}
	p.Revision = rev
	return p, err
}

// FannedOut reports whether all families of an alert have their records. It reads one item.
func (s *Store) FannedOut(ctx context.Context, alert string) (bool, error) {
	var p Progress
	_, err := s.read(ctx, progressKey(alert, FanOut), &p)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return p.Done, err
}

// fanOut reads the record of the whole fan-out and adds its strands' to it. Once it
// is done it holds all totals itself.
func (s *Store) fanOut(ctx context.Context, alert string) (Progress, error) {
	whole := Progress{Job: FanOut}
	page, err := s.Table.Query(ctx, table.Query{Partition: partition(alert), Prefix: string(FanOut)})
	for _, item := range page.Items {
		var p Progress
		if err := json.Unmarshal(item.Value, &p); err != nil {
			return whole, fmt.Errorf("alert: item %s: %w", item.Key, err)
		}
		if p.Job == FanOut {
			whole, whole.Revision = p, item.Revision
		} else if !whole.Done {
			whole.add(p)
		}
	}
	return whole, err
}

// Add counts a copy that was made in a lane.
func (p *Progress) Add(lane string) {
	if p.Copies == nil {
		p.Copies = map[string]int64{}
	}
	p.Copies[lane]++
}

// add adds the totals of a strand.
func (p *Progress) add(strand Progress) {
	p.Families += strand.Families
	p.Children += strand.Children
	if p.Copies == nil {
		p.Copies = map[string]int64{}
	}
	sum(p.Copies, strand.Copies)
	if strand.At.After(p.At) {
		p.At = strand.At
	}
}

func progressKey(alert string, job Job) table.Key {
	return table.Key{Partition: partition(alert), Sort: string(job)}
}

// SaveProgress writes p in one write with ops, and sets its new revision. It
// conflicts, and nothing is written, if another worker does the same job or the
// alert changed since a was read.
func (s *Store) SaveProgress(ctx context.Context, a Alert, p *Progress, ops ...table.Op) error {
	p.At = s.Now().UTC()
	all := append([]table.Op{put(progressKey(a.ID, p.Job), p.Revision, p), table.Check{Key: alertKey(a.ID), Revision: a.Revision}}, ops...)
	if err := s.Table.Write(ctx, "", all...); err != nil {
		return err
	}
	p.Revision++
	return nil
}

// Made is a family's record to be made, in the class where it is kept.
type Made struct {
	Class  string
	Family Family
}

// Ref returns the reference to the record in an alert.
func (m Made) Ref(alert string) Ref { return Ref{Alert: alert, Class: m.Class, Family: m.Family.ID} }

// CreateOps returns the ops that make the families' records with their counters,
// and pointers from every further class that a family has a child in.
func CreateOps(alert string, made []Made) []table.Op {
	var ops []table.Op
	t := tallies{}
	for i := range made {
		m := &made[i]
		ops = append(ops, table.Create{Key: m.Ref(alert).Key(), Value: encodeFamily(&m.Family)})
		ops = append(ops, m.pointers(alert)...)
		t.count(&m.Family)
	}
	if len(made) == 0 {
		return ops
	}
	return append(ops, t.ops(alert, shardPart(made[0].Family.ID))...)
}

// pointer stands in a class for a family that is kept in another.
type pointer struct {
	In string `json:"in"`
}

func (m Made) pointers(alert string) []table.Op {
	var ops []table.Op
	seen := map[string]bool{m.Class: true}
	for _, c := range m.Family.Children {
		if seen[c.Class] {
			continue
		}
		seen[c.Class] = true
		key := Ref{Alert: alert, Class: c.Class, Family: m.Family.ID}.Key()
		ops = append(ops, table.Create{Key: key, Value: table.Encode(pointer{In: m.Class})})
	}
	return ops
}

// Families reads one page of the families with a child in a class, in the order
// of their ids, and where to go on ("": the end). Those that are kept in another
// class are included if pointers is true.
func (s *Store) Families(ctx context.Context, alert, class, after string, limit int, pointers bool) ([]Made, string, error) {
	q := table.Query{Partition: classPartition(alert, class), Prefix: familyPrefix, After: after, Limit: limit}
	page, err := s.Table.Query(ctx, q)
	if err != nil {
		return nil, "", err
	}
	made := make([]Made, 0, len(page.Items))
	for _, item := range page.Items {
		f, in, err := decodeFamily(item)
		if err != nil {
			return nil, "", err
		}
		if in == "" {
			made = append(made, Made{Class: class, Family: f})
			continue
		}
		if !pointers {
			continue
		}
		f, err = s.Family(ctx, Ref{Alert: alert, Class: in, Family: item.Sort[len(familyPrefix):]})
		if err != nil {
			return nil, "", err
		}
		made = append(made, Made{Class: in, Family: f})
	}
	return made, page.Next, nil
}

// Open lists alerts that the tick looks after, oldest first.
func (s *Store) Open(ctx context.Context, after string, limit int) ([]Alert, string, error) {
	page, err := s.Table.Query(ctx, table.Query{Partition: openPart, After: after, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	alerts, err := s.listed(ctx, page)
	return alerts, page.Next, err
}

// Forget takes an alert from the tick's list: nothing of it is left to be done.
func (s *Store) Forget(ctx context.Context, alert string) error {
	return table.IgnoreConflict(s.Table.Write(ctx, "", table.Delete{Key: table.Key{Partition: openPart, Sort: alert}, Revision: 1}))
}

// Plan is the groups that a fan-out walks over, in order, and by how many strands,
// kept as it was when it began: a cursor means the same after a restart, whatever
// becomes of the roster or the program. Strand i has every group whose number
// leaves the rest i when divided by Strands.
type Plan struct {
	Groups  []string `json:"groups"`
	Strands int      `json:"strands"`
}

// Plan returns the plan of an alert's fan-out; the first call makes it with choose
// and keeps it.
func (s *Store) Plan(ctx context.Context, alert string, choose func() (Plan, error)) (Plan, error) {
	key := table.Key{Partition: partition(alert), Sort: "plan"}
	var p Plan
	_, err := s.read(ctx, key, &p)
	if !errors.Is(err, ErrNotFound) {
		return p, err
	}
	p, err = choose()
	if err != nil {
		return Plan{}, err
	}
	err = s.Table.Write(ctx, "", table.Create{Key: key, Value: table.Encode(p)})
	if _, lost := table.Conflict(err); lost {
		p = Plan{}
		_, err = s.read(ctx, key, &p)
	}
	return p, err
}
