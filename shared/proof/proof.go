// Package proof proves, at a set rhythm and without a human, that the whole way works:
// an alert is accepted, becomes a copy, the copy leaves, a link is opened, an answer
// is posted to the page, and a child is green.
//
// It has families of its own, in a school that is in no list: one that answers by itself
// where the program hands mail over, and one for each mailbox at an operator, which is
// answered from there or not at all. What proves nothing for twice the rhythm is an
// alarm, and so is silence: a proof that was never given counts as one that failed.
package proof

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
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

// Prover gives the proofs. Run is called by the tick.
type Prover struct {
	Records
	Alerts *alert.Store
	Roster *roster.Store
	Jobs   queue.Sender
	Links  *link.Signer
	Log    *slog.Logger

	// Address is where the mail of the system's own family goes; Simulated if there is no
	// mailbox.
	Address string
	// Enough reports whether a copy of that family has come as far as can be known here.
	Enough func(alert.CopyState) bool
	// Answer opens the link with a token and posts an answer to it, as a phone does.
	Answer func(ctx context.Context, token, alert, choice string) error
	// Proven is called when a proof of a lane, or of the system (""), is whole.
	Proven func(lane string, took time.Duration)
	// DeadMan is the address of a dead man's switch outside; "": there is none. See ping.
	DeadMan string
	// Test is called once a week, with a proof: it has an alarm go off that means
	// nothing but that alarms arrive. nil: there are no alarms.
	Test func()
}

// families returns those that a proof goes to.
func (p *Prover) families() []family {
	all := []family{system(p.Address)}
	for _, m := range p.Mailboxes {
		all = append(all, m.family())
	}
	return all
}

// Run does what is due of a proof.
func (p *Prover) Run(ctx context.Context) error {
	if p.Every == 0 {
		return nil
	}
	s, revision, err := table.Load[State](ctx, p.Table, stateKey)
	if err != nil {
		return err
	}
	next, err := p.step(ctx, s)
	if reflect.DeepEqual(next, s) {
		return err
	}
	written := table.Save(ctx, p.Table, stateKey, revision, next)
	if _, other := table.Conflict(written); other {
		return err // another tick does the same
	}
	if written != nil {
		return errors.Join(err, written)
	}
	p.tell(ctx, s, next)
	return err
}

// tell tells whoever watches what has become of a state. That a dead man's switch could not
// be called, whoever keeps it says; it is no fault of the clock's.
func (p *Prover) tell(ctx context.Context, was, is State) {
	var switches []string
	for _, f := range p.families() {
		before, now := was.of(f.lane), is.of(f.lane)
		if before.Open && !now.Open && now.Failed == "" {
			p.Proven(f.lane, now.Took)
			switches = append(switches, p.switchOf(f.lane)...)
		}
	}
	if p.Test != nil && !is.Tested.Equal(was.Tested) {
		p.Test()
	}
	if was.Alert != "" && is.Alert == "" {
		switches = append(switches, p.switchOfAll(is)...)
	}
	if err := ping(ctx, switches); err != nil {
		p.Log.Warn("the dead man's switch was not called", "err", err)
	}
}

// step returns the state after what is due was done, as far as that could be.
func (p *Prover) step(ctx context.Context, s State) (State, error) {
	now := p.Now().UTC()
	s.Lanes = maps.Clone(s.Lanes)
	if s.Alert == "" {
		if !p.due(s, now) {
			return s, nil
		}
		return p.begin(ctx, s, now)
	}
	a, err := p.Alerts.Alert(ctx, s.Alert)
	if err != nil {
		return s, err
	}
	for _, f := range p.families() {
		if rec := s.of(f.lane); rec.Open {
			s.set(f.lane, p.follow(ctx, a, f, rec, s.Begun))
		}
	}
	if s.Last.Equal(now) && now.Sub(s.Tested) >= week {
		s.Tested = now
	}
	if p.waits(s) {
		return s, nil
	}
	if _, err := p.Alerts.Close(ctx, s.Alert); err != nil {
		return s, err
	}
	s.Alert = ""
	return s, nil
}

// waits reports whether the proof under way waits for anybody. Of a mailbox that is not
// there any more nothing is waited for.
func (p *Prover) waits(s State) bool {
	return slices.ContainsFunc(p.families(), func(f family) bool { return s.of(f.lane).Open })
}

// due reports whether a proof is to begin. One of the system that failed is tried again
// without waiting for the rhythm, and a lane that is new does not wait for it, either.
func (p *Prover) due(s State, now time.Time) bool {
	since := now.Sub(s.Begun)
	if now.Sub(p.Started) < settle || since < Patience {
		return false
	}
	return since >= p.Every || s.Failed != "" ||
		slices.ContainsFunc(p.Mailboxes, func(m Mailbox) bool { return s.Lanes[m.Lane].Since.IsZero() })
}

// follow returns the record of a family after a look at how far the proof has come. What
// holds it up is told by the proof that fails, and is no fault of the clock's.
func (p *Prover) follow(ctx context.Context, a alert.Alert, f family, rec Record, begun time.Time) Record {
	now := p.Now().UTC()
	stage, err := p.look(ctx, a, f)
	switch {
	case stage == "":
		rec.Last, rec.Took, rec.Failed, rec.Open = now, now.Sub(begun), "", false
	case now.Sub(begun) >= Patience:
		p.Log.Error("a proof failed", "alert", a.ID, "lane", f.lane, "stage", stage, "err", err)
		rec.Failed, rec.Open = stage, false
	case err != nil:
		p.Log.Warn("a proof is held up", "alert", a.ID, "lane", f.lane, "stage", stage, "err", err)
	}
	return rec
}

// begin sends the alert. Its id is the hour's, so that two ticks begin one. As long as there
// is no school there is nothing to prove.
func (p *Prover) begin(ctx context.Context, s State, now time.Time) (State, error) {
	schools, err := p.Roster.Schools(ctx)
	if err != nil || len(schools) == 0 {
		return s, err
	}
	next := s
	next.Begun, next.Lanes = now, nil
	var groups []string
	for _, f := range p.families() {
		if err := p.found(ctx, f, schools[0]); err != nil {
			return s, err
		}
		rec := s.of(f.lane)
		if rec.Open = true; rec.Since.IsZero() {
			rec.Since = now
		}
		next.set(f.lane, rec)
		groups = append(groups, f.class)
	}
	text := lang.T("自動の動作確認です。", "An automatic proof that the system works.")
	a, _, err := p.Alerts.Accept(ctx, alert.Draft{
		School: School, Kind: alert.Drill, Subject: text.EN, Body: text.String(), Groups: groups, Audience: School,
		UsefulUntil: now.Truncate(Patience).Add(3 * Patience), Sender: alert.Sender{ID: School, Name: School},
	}, fmt.Sprintf("proof-%d", now.Truncate(Patience).Unix()))
	if err != nil {
		return s, err
	}
	next.Alert = a.ID
	if err := p.Jobs.Send(ctx, alert.JobMessage(a.ID, alert.FanOut, 0)); err != nil {
		return s, err
	}
	return next, nil
}

// found makes the school and a family, from the address of a real school: that is
// the one whose mail is to be proven.
func (p *Prover) found(ctx context.Context, f family, as roster.School) error {
	v := roster.School{ID: School, Name: "Todoku", Mail: as.Mail, Phone: as.Phone, Zone: as.Zone, Proof: true}
	if err := p.Roster.PutSchool(ctx, v); err != nil {
		return err
	}
	is, err := p.Roster.Family(ctx, School, f.family)
	if err == nil && f.as(is) {
		return nil
	}
	if err != nil && !errors.Is(err, roster.ErrNotFound) {
		return err
	}
	return p.putFamily(ctx, f, is.Revision)
}

// as reports whether the roster has the family as it should be: a mailbox that refused a
// mail is asked again.
func (f family) as(is roster.Family) bool {
	if len(is.Guardians) != 1 || len(is.Guardians[0].Contacts) != 1 {
		return false
	}
	c := is.Guardians[0].Contacts[0]
	return c.Address == f.address && c.State == roster.Verified
}

func (p *Prover) putFamily(ctx context.Context, f family, revision int64) error {
	name := School
	if f.lane != "" {
		name += " " + f.lane
	}
	if revision == 0 {
		if err := p.Roster.PutGroup(ctx, School, roster.Group{ID: f.class, Kind: roster.Class, Name: name}); err != nil {
			return err
		}
	}
	_, err := p.Roster.PutFamily(ctx, School, roster.Family{
		ID: f.family, Revision: revision,
		Children: []roster.Child{{ID: f.child, Name: name, Class: f.class, Guardians: []string{f.guardian}}},
		Guardians: []roster.Guardian{{
			ID: f.guardian, Name: name,
			Contacts: []roster.Contact{{ID: f.contact, Address: f.address, State: roster.Verified}},
		}},
	})
	return err
}

// look returns how far a proof has come, and takes the last step where that is ours: "" is
// the end.
func (p *Prover) look(ctx context.Context, a alert.Alert, f family) (stage string, err error) {
	ref := alert.Ref{Alert: a.ID, Class: f.class, Family: f.family}
	is, err := p.Alerts.Family(ctx, ref)
	if errors.Is(err, alert.ErrNotFound) {
		return "accepted, but not fanned out", nil
	}
	if err != nil {
		return "the store does not answer", err
	}
	if len(is.Copies) == 0 {
		return "fanned out without a copy", nil
	}
	state := is.Copies[0].State
	switch {
	case is.Children[0].Answer != nil:
		return "", nil
	case f.lane != "" && (state == alert.Sent || state == alert.Delivered):
		return "the copy is " + string(state) + ", and its mailbox did not answer", nil
	case f.lane != "" || !p.Enough(state):
		return "the copy is " + string(state), nil
	}
	if err := p.answer(ctx, a, f); err != nil {
		return "the answer was not taken", err
	}
	if is, err = p.Alerts.Family(ctx, ref); err != nil {
		return "the store does not answer", err
	}
	if is.Children[0].Answer == nil {
		return "answered, but not green", nil
	}
	return "", nil
}

func (p *Prover) answer(ctx context.Context, a alert.Alert, f family) error {
	token, err := p.Links.Sign(link.Link{Kind: link.Answer, Alert: a.ID, Class: f.class, Family: f.family, Contact: f.contact, Expires: a.UsefulUntil})
	if err != nil {
		return err
	}
	return p.Answer(ctx, token, a.ID, a.Choices[0].ID)
}
