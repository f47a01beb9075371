package doctor

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// Records keep the newest report, and the wish for a new one.
type Records struct {
	Table table.Table
	Now   func() time.Time
}

var (
	stateKey  = table.Key{Partition: "doctor", Sort: "state"}
	reportKey = table.Key{Partition: "doctor", Sort: "report"}
)

// state is read by every tick, so it is small.
type state struct {
	Asked time.Time `json:"asked,omitzero"`
	Begun time.Time `json:"begun,omitzero"`
	Done  time.Time `json:"done,omitzero"`
	Of    string    `json:"of,omitempty"` // the version that examined
}

const (
	every = 24 * time.Hour
	// stuck is after how long an examination that did not end is begun again.
	stuck = 3 * Timeout
)

// due reports whether somebody should examine now: once a day, when asked, and when what
// is deployed is another version.
func (s state) due(now time.Time, version string) bool {
	if s.Begun.After(s.Done) && now.Sub(s.Begun) < stuck {
		return false // somebody does
	}
	return s.Asked.After(s.Begun) || now.Sub(s.Done) >= every || version != "" && s.Of != version
}

// waits reports whether a report has been asked for that is not there yet.
func (s state) waits() bool { return s.Asked.After(s.Done) }

// Last returns the newest report, false if there is none yet.
func (r *Records) Last(ctx context.Context) (rep Report, ok bool, err error) {
	rep, revision, err := table.Load[Report](ctx, r.Table, reportKey)
	return rep, revision > 0, err
}

// Ask asks for a report: the next tick makes it.
func (r *Records) Ask(ctx context.Context) error {
	return r.change(ctx, func(s *state) bool { s.Asked = r.Now(); return true })
}

// Waits reports whether a report has been asked for that is not there yet.
func (r *Records) Waits(ctx context.Context) (bool, error) {
	s, _, err := table.Load[state](ctx, r.Table, stateKey)
	return s.waits(), err
}

// change changes the state if change says so; who is overtaken looks again.
func (r *Records) change(ctx context.Context, change func(*state) bool) error {
	return table.Again(func() error {
		s, revision, err := table.Load[state](ctx, r.Table, stateKey)
		if err != nil || !change(&s) {
			return err
		}
		return table.Save(ctx, r.Table, stateKey, revision, s)
	})
}

func (r *Records) keep(ctx context.Context, rep Report) error {
	_, revision, err := table.Recall[Report](ctx, r.Table, reportKey)
	if err != nil {
		return err
	}
	if err := table.Save(ctx, r.Table, reportKey, revision, rep); err != nil {
		return err
	}
	return r.change(ctx, func(s *state) bool { s.Done = rep.At; return true })
}

// Daily examines once a day, and when somebody asks.
type Daily struct {
	Records
	Setup func(context.Context) (Setup, error)
	// Tell is called with failures that the report before did not have; nil: nobody is
	// told. It is tried once: the page and the log say the same.
	Tell func(context.Context, []Finding) error
	// Version names what is deployed, settings and the schools' domains included: another is
	// examined at once. nil: that is not known.
	Version func(context.Context) (string, error)
	Log     *slog.Logger
}

// Run examines if it is time to; it is called often. An examination takes up to
// Timeout: with less left, it waits for the next call.
func (d *Daily) Run(ctx context.Context) error {
	if left, ok := ctx.Deadline(); ok && time.Until(left) < Timeout+perStep {
		return nil
	}
	version, err := d.version(ctx)
	if err != nil {
		return err
	}
	mine := false
	err = d.change(ctx, func(s *state) bool {
		mine = s.due(d.Now(), version)
		s.Begun, s.Of = d.Now(), version
		return mine
	})
	if err != nil || !mine {
		return err
	}
	setup, err := d.Setup(ctx)
	if err != nil {
		return err
	}
	began := d.Now()
	rep := Examine(ctx, setup)
	rep.At = began
	for _, f := range rep.Findings {
		d.Log.Warn("the doctor found something", "check", f.Check, "finding", f.ID, "level", f.Level)
	}
	news, err := d.news(ctx, rep)
	if err != nil {
		return err
	}
	if err := d.keep(ctx, rep); err != nil || d.Tell == nil || len(news) == 0 {
		return err
	}
	return d.Tell(ctx, news)
}

func (d *Daily) version(ctx context.Context) (string, error) {
	if d.Version == nil {
		return "", nil
	}
	return d.Version(ctx)
}

// news returns the failures that the report before did not have, or of which nobody was told,
// since there was no school.
func (d *Daily) news(ctx context.Context, rep Report) (news []Finding, err error) {
	last, _, err := d.Last(ctx)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(last.Findings, func(f Finding) bool { return f.ID == noSchool }) {
		last = Report{}
	}
	for _, f := range rep.Findings {
		same := func(old Finding) bool { return old.ID == f.ID && old.About == f.About && old.Level == Fail }
		if f.Level == Fail && !slices.ContainsFunc(last.Findings, same) {
			news = append(news, f)
		}
	}
	return news, nil
}
