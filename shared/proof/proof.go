// Package proof proves, at a set rhythm and without a human, that the whole way works:
// an alert is accepted, becomes a copy, the copy leaves, a link is opened, an answer
// is posted to the page, and a child is green.
//
// It has a family of its own, in a school that is in no list. What proves nothing for
// twice the rhythm is an alarm, and so is silence: a proof that was never given counts
// as one that failed.
package proof

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// School is the id of the school that proofs are made with.
const School = "proof"

// Simulated is the address of a family without a mailbox: what is sent there ends
// where the program hands mail over (RFC 2606).
const Simulated = "proof@proof.invalid"

// Patience is how long one proof may take before it has failed. Half of it is what a
// paused lane or a busy account may need.
const Patience = 10 * time.Minute

// week is how often the way of alarms is tested.
const week = 7 * 24 * time.Hour

// settle is how long after its start a process waits before it begins one: what it
// finds waiting comes first.
const settle = time.Minute

// Records keep how the proofs went.
type Records struct {
	Table table.Table
	Now   func() time.Time
	Every time.Duration // 0: there are none
	// Started is when this process began, where it does the proving itself: until it has
	// had time for one, that there is none is no alarm. Zero: no data is bad data.
	Started time.Time
}

// State is how the proofs went.
type State struct {
	Since  time.Time     `json:"since"`            // when the first one began
	Begun  time.Time     `json:"begun"`            // when the newest began
	Alert  string        `json:"alert,omitempty"`  // of the one under way
	Last   time.Time     `json:"last,omitzero"`    // when the newest that was whole ended
	Took   time.Duration `json:"took,omitempty"`   // of that
	Failed string        `json:"failed,omitempty"` // how far the newest came, if it failed
	Tested time.Time     `json:"tested,omitzero"`  // when the way of alarms was last tested
}

var stateKey = table.Key{Partition: "proof", Sort: "state"}

// State returns how the proofs went, the zero State if there was none yet.
func (r *Records) State(ctx context.Context) (State, error) {
	s, _, err := r.state(ctx)
	return s, err
}

func (r *Records) state(ctx context.Context) (s State, revision int64, err error) {
	item, err := r.Table.Get(ctx, stateKey)
	if errors.Is(err, table.ErrNotFound) {
		return s, 0, nil
	}
	if err != nil {
		return s, 0, err
	}
	return s, item.Revision, json.Unmarshal(item.Value, &s)
}

// put writes the state; somebody else may have been faster, which is a conflict.
func (r *Records) put(ctx context.Context, s State, revision int64) error {
	value, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if revision == 0 {
		return r.Table.Write(ctx, "", table.Create{Key: stateKey, Value: value})
	}
	return r.Table.Write(ctx, "", table.Replace{Key: stateKey, Revision: revision, Value: value})
}

// Last returns when the newest proof was given, zero for never.
func (r *Records) Last(ctx context.Context) (time.Time, error) {
	s, err := r.State(ctx)
	return s.Last, err
}

// Limit is how old the newest proof may be.
func (r *Records) Limit() time.Duration { return 2*r.Every + Patience }

// Check fails if there was no proof for too long: it is the check "proof" of /healthz.
func (r *Records) Check(ctx context.Context) error {
	s, err := r.State(ctx)
	if err != nil {
		return err
	}
	now := r.Now()
	if s.Last.IsZero() && s.Since.IsZero() && now.Sub(r.Started) < r.Limit() {
		return nil // it has not come to it yet
	}
	since := s.Last
	if since.IsZero() {
		since = s.Since
	}
	if !since.IsZero() && now.Sub(since) < r.Limit() {
		return nil
	}
	return late(s, now)
}

func late(s State, now time.Time) error {
	stuck := ""
	if s.Failed != "" {
		stuck = ": " + s.Failed
	}
	if s.Last.IsZero() {
		return errors.New("there was no proof yet" + stuck)
	}
	return fmt.Errorf("last proof %d min ago%s", int(now.Sub(s.Last).Minutes()), stuck)
}

// Prover gives the proofs. Run is called by the tick.
type Prover struct {
	Records
	Alerts *alert.Store
	Roster *roster.Store
	Jobs   queue.Queue
	Links  *link.Signer
	Log    *slog.Logger

	// Address is where the family's mail goes; Simulated if there is no mailbox.
	Address string
	// Enough reports whether a copy has come as far as can be known here.
	Enough func(alert.CopyState) bool
	// Answer opens the link with a token and posts an answer to it, as a phone does.
	Answer func(ctx context.Context, token, alert, choice string) error
	// Proven is called when a proof is whole; it tells whoever watches from outside.
	Proven func(ctx context.Context, took time.Duration) error
	// Test is called once a week, with a proof: it has an alarm go off that means
	// nothing but that alarms arrive. nil: there are no alarms.
	Test func()
}

// The records of the proof's family. They are ids of package id, as links need them.
const (
	class    = "00000000000000000000pr00f1"
	child    = "00000000000000000000pr00f2"
	family   = "00000000000000000000pr00f3"
	guardian = "00000000000000000000pr00f4"
	contact  = "00000000000000000000pr00f5"
)

// Run does what is due of a proof.
func (p *Prover) Run(ctx context.Context) error {
	if p.Every == 0 {
		return nil
	}
	s, revision, err := p.state(ctx)
	if err != nil {
		return err
	}
	next, err := p.step(ctx, s)
	if err != nil || next == s {
		return err
	}
	err = p.put(ctx, next, revision)
	if _, other := table.Conflict(err); other {
		return nil // another tick does the same
	}
	if err != nil || next.Last.Equal(s.Last) {
		return err
	}
	if p.Test != nil && !next.Tested.Equal(s.Tested) {
		p.Test()
	}
	return p.Proven(ctx, next.Took)
}

// step returns the state after what is due was done.
func (p *Prover) step(ctx context.Context, s State) (State, error) {
	now := p.Now().UTC()
	if s.Alert == "" {
		if now.Sub(p.Started) < settle || now.Sub(s.Begun) < p.Every && s.Failed == "" || now.Sub(s.Begun) < Patience {
			return s, nil
		}
		return p.begin(ctx, s, now)
	}
	a, err := p.Alerts.Alert(ctx, s.Alert)
	if err != nil {
		return s, err
	}
	stage, err := p.look(ctx, a)
	switch {
	case stage == "":
		s.Last, s.Took, s.Failed = now, now.Sub(s.Begun), ""
		if now.Sub(s.Tested) >= week {
			s.Tested = now
		}
	case now.Sub(s.Begun) < Patience:
		return s, err
	default:
		p.Log.Error("a proof failed", "alert", a.ID, "stage", stage, "err", err)
		s.Failed = stage
	}
	_, err = p.Alerts.Close(ctx, s.Alert)
	s.Alert = ""
	return s, err
}

// begin sends the alert. Its id is the hour's, so that two ticks begin one.
func (p *Prover) begin(ctx context.Context, s State, now time.Time) (State, error) {
	if err := p.found(ctx); err != nil {
		return s, err
	}
	text := lang.T("自動の動作確認です。", "An automatic proof that the system works.")
	a, _, err := p.Alerts.Accept(ctx, alert.Draft{
		School: School, Kind: alert.Drill, Subject: text.EN, Body: text.String(), All: true, Audience: School,
		UsefulUntil: now.Truncate(Patience).Add(3 * Patience), Sender: alert.Sender{ID: School, Name: School},
	}, fmt.Sprintf("proof-%d", now.Truncate(Patience).Unix()))
	if err != nil {
		return s, err
	}
	if s.Since.IsZero() {
		s.Since = now
	}
	s.Begun, s.Alert = now, a.ID
	return s, p.Jobs.Send(ctx, alert.JobMessage(a.ID, alert.FanOut, 0))
}

// found makes the school and its family, from the address of a real school: that is
// the one whose mail is to be proven.
func (p *Prover) found(ctx context.Context) error {
	schools, err := p.Roster.Schools(ctx)
	if err != nil {
		return err
	}
	if len(schools) == 0 {
		return errors.New("there is no school yet to prove anything for")
	}
	v := roster.School{ID: School, Name: "Todoku", Mail: schools[0].Mail, Phone: schools[0].Phone, Zone: schools[0].Zone, Proof: true}
	if err := p.Roster.PutSchool(ctx, v); err != nil {
		return err
	}
	f, err := p.Roster.Family(ctx, School, family)
	if err == nil && len(f.Guardians) == 1 && len(f.Guardians[0].Contacts) == 1 && f.Guardians[0].Contacts[0].Address == p.Address {
		return nil
	}
	if err != nil && !errors.Is(err, roster.ErrNotFound) {
		return err
	}
	return p.putFamily(ctx, f.Revision)
}

func (p *Prover) putFamily(ctx context.Context, revision int64) error {
	if revision == 0 {
		if err := p.Roster.PutGroup(ctx, School, roster.Group{ID: class, Kind: roster.Class, Name: School}); err != nil {
			return err
		}
	}
	_, err := p.Roster.PutFamily(ctx, School, roster.Family{
		ID: family, Revision: revision,
		Children: []roster.Child{{ID: child, Name: School, Class: class, Guardians: []string{guardian}}},
		Guardians: []roster.Guardian{{
			ID: guardian, Name: School,
			Contacts: []roster.Contact{{ID: contact, Address: p.Address, State: roster.Verified}},
		}},
	})
	return err
}

// look returns how far a proof has come, and takes its last step: "" is the end.
func (p *Prover) look(ctx context.Context, a alert.Alert) (stage string, err error) {
	ref := alert.Ref{Alert: a.ID, Class: class, Family: family}
	f, err := p.Alerts.Family(ctx, ref)
	if errors.Is(err, alert.ErrNotFound) {
		return "accepted, but not fanned out", nil
	}
	if err != nil {
		return "the store does not answer", err
	}
	if len(f.Copies) == 0 {
		return "fanned out without a copy", nil
	}
	if c := f.Copies[0]; !p.Enough(c.State) {
		return "the copy is " + string(c.State), nil
	}
	if f.Children[0].Answer == nil {
		if err := p.answer(ctx, a, ref); err != nil {
			return "the answer was not taken", err
		}
		if f, err = p.Alerts.Family(ctx, ref); err != nil {
			return "the store does not answer", err
		}
	}
	if f.Children[0].Answer == nil {
		return "answered, but not green", nil
	}
	return "", nil
}

func (p *Prover) answer(ctx context.Context, a alert.Alert, ref alert.Ref) error {
	token, err := p.Links.Sign(link.Link{Kind: link.Answer, Alert: a.ID, Class: ref.Class, Family: ref.Family, Contact: contact, Expires: a.UsefulUntil})
	if err != nil {
		return err
	}
	return p.Answer(ctx, token, a.ID, a.Choices[0].ID)
}
