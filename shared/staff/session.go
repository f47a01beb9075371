package staff

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// Lives of a session. Who signs in at home in the morning is signed in when the
// last child has gone home; a telephone left on a train is signed out by night.
// After SessionLife nobody is, however busy (OWASP Session Management Cheat
// Sheet, "Session Expiration": an idle and an absolute end).
const (
	SessionIdle = 12 * time.Hour
	SessionLife = 7 * 24 * time.Hour
	// touchEvery bounds the writes that reading costs: a session or a token that
	// was seen less than this ago is not written again.
	touchEvery = time.Minute
)

// ErrSession says that nobody is signed in, or no longer.
var ErrSession = problem.New(problem.Unauthorized,
	"サインインしていないか、しばらく使わなかったためサインアウトしました。もう一度サインインしてください。",
	"You are not signed in, or were signed out after a long pause. Please sign in again.")

// session is somebody who is signed in.
type session struct {
	ID    string    `json:"id,omitempty"` // tells sessions apart, and is no secret
	Staff string    `json:"staff"`
	Since time.Time `json:"since"`
	Seen  time.Time `json:"seen"` // to within touchEvery
	Epoch int       `json:"epoch,omitempty"`
	// Proven: see Staff.
	Proven time.Time `json:"proven,omitzero"`
	At     string    `json:"at,omitempty"` // the school to which somebody of the district has turned
}

func (s *Store) newSession(m Staff, proven bool) session {
	now := s.Now().UTC()
	e := session{ID: s.IDs.New(), Staff: m.ID, Since: now, Seen: now, Epoch: m.Epoch}
	if proven {
		e.Proven = now
	}
	return e
}

// keyless reports whether a person has no passkey. Of one who has, whoever can read
// their mail, or has their account elsewhere, has proven less than the person can.
func (s *Store) keyless(ctx context.Context, staffID string) (bool, error) {
	page, err := s.Table.Query(ctx, table.Query{Partition: staffKey(staffID).Partition, Prefix: keyKey("", "").Sort, Limit: 1})
	return len(page.Items) == 0 && page.Next == "", err
}

// Prove notes in a session that the person has just proved who they are by the passkey
// k, whose Credential is written as it is now. It fails with ErrSession if the session has ended, or
// the passkey was removed or used at the same time.
func (s *Store) Prove(ctx context.Context, staffID, sessionID string, k Key) error {
	return table.Again(func() error {
		e, key, revision, err := s.sessionByRef(ctx, sessionRefKey(staffID, sessionID))
		if errors.Is(err, ErrNotFound) {
			return ErrSession
		}
		if err != nil {
			return err
		}
		now := s.Now().UTC()
		e.Proven, k.Used = now, now
		err = s.Table.Write(ctx, "", table.Replace{Key: key, Revision: revision, Value: table.Encode(e), Expires: e.ends()},
			table.Replace{Key: keyKey(staffID, k.ID), Revision: k.Revision, Value: table.Encode(k)})
		if conflict, _ := table.Conflict(err); slices.Contains(conflict, 1) {
			return ErrSession
		}
		return err
	})
}

// ends returns when the session ends unless it is used again.
func (e session) ends() time.Time {
	idle, last := e.Seen.Add(SessionIdle), e.Since.Add(SessionLife)
	if idle.Before(last) {
		return idle
	}
	return last
}

// create returns the ops that make a session, and its entry in the person's list.
func (e session) create(secret string) []table.Op {
	key := secretKey("session", secret)
	return []table.Op{
		table.Create{Key: key, Value: table.Encode(e), Expires: e.ends()},
		table.Create{Key: sessionRefKey(e.Staff, e.ID), Value: table.Encode(sessionRef{Kept: key}), Expires: e.Since.Add(SessionLife)},
	}
}

// sessionRef stands with the person for a session that is kept under its hash.
type sessionRef struct {
	Kept table.Key `json:"kept"`
}

func sessionRefKey(staffID, sessionID string) table.Key {
	return table.Key{Partition: staffKey(staffID).Partition, Sort: "session/" + sessionID}
}

// Session is what can be told of a session.
type Session struct {
	ID          string
	Since, Seen time.Time // Seen to within a minute
}

// Sessions lists where somebody is signed in, newest first.
func (s *Store) Sessions(ctx context.Context, staffID string) ([]Session, error) {
	m, err := s.Staff(ctx, staffID)
	if err != nil {
		return nil, err
	}
	var all []Session
	q := table.Query{Partition: staffKey(staffID).Partition, Prefix: sessionRefKey("", "").Sort, Reverse: true}
	page, err := s.Table.Query(ctx, q) // more than a page of them in a week is nobody's
	if err != nil {
		return nil, err
	}
	for _, item := range page.Items {
		e, _, _, err := s.sessionByRef(ctx, item.Key)
		switch {
		case errors.Is(err, ErrNotFound) || err == nil && (!s.Now().Before(e.ends()) || m.out(e.Epoch)): // over
		case err != nil:
			return nil, err
		default:
			all = append(all, Session{ID: e.ID, Since: e.Since, Seen: e.Seen})
		}
	}
	return all, nil
}

func (s *Store) sessionByRef(ctx context.Context, ref table.Key) (e session, key table.Key, revision int64, err error) {
	var at sessionRef
	if _, err = s.read(ctx, ref, &at); err == nil {
		revision, err = s.read(ctx, at.Kept, &e)
	}
	return e, at.Kept, revision, err
}

// EndSession ends one of somebody's sessions, from the next request on. It fails
// with ErrNotFound if there is no such session, or no longer.
func (s *Store) EndSession(ctx context.Context, staffID, sessionID string) error {
	if _, ok := id.Bytes(sessionID); !ok {
		return ErrNotFound
	}
	return table.Again(func() error {
		_, key, revision, err := s.sessionByRef(ctx, sessionRefKey(staffID, sessionID))
		if err != nil {
			return err
		}
		return s.Table.Write(ctx, "", table.Delete{Key: key, Revision: revision}) // its place in the list goes by itself
	})
}

// EndOtherSessions ends all of somebody's sessions but one.
func (s *Store) EndOtherSessions(ctx context.Context, staffID, keep string) error {
	all, err := s.Sessions(ctx, staffID)
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.ID == keep {
			continue
		}
		if err := s.EndSession(ctx, staffID, e.ID); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// BySession returns who is signed in with a session's secret. It fails with
// ErrSession if nobody is, or no longer.
func (s *Store) BySession(ctx context.Context, secret string) (Staff, error) {
	e, revision, err := s.session(ctx, secret)
	if err != nil {
		return Staff{}, err
	}
	m, err := s.Staff(ctx, e.Staff)
	if errors.Is(err, ErrNotFound) || err == nil && m.out(e.Epoch) {
		return Staff{}, ErrSession
	}
	if err != nil {
		return m, err
	}
	m.Via, m.At, m.Proven = e.ID, e.At, e.Proven
	return m, s.touchSession(ctx, secret, e, revision)
}

func (s *Store) session(ctx context.Context, secret string) (session, int64, error) {
	if secret == "" || len(secret) > maxSecret {
		return session{}, 0, ErrSession
	}
	var e session
	revision, err := s.read(ctx, secretKey("session", secret), &e)
	if errors.Is(err, ErrNotFound) || err == nil && !s.Now().Before(e.ends()) {
		return e, 0, ErrSession
	}
	return e, revision, err
}

func (s *Store) touchSession(ctx context.Context, secret string, e session, revision int64) error {
	now := s.Now().UTC()
	if now.Sub(e.Seen) < touchEvery {
		return nil
	}
	e.Seen = now
	return s.touch(ctx, table.Replace{Key: secretKey("session", secret), Revision: revision, Value: table.Encode(e), Expires: e.ends()})
}

// Turn has a session be about another school from the next request on. Whether the
// person has any business there is for the caller to ask, then and with each request.
func (s *Store) Turn(ctx context.Context, staffID, sessionID, school string) error {
	return table.Again(func() error {
		e, key, revision, err := s.sessionByRef(ctx, sessionRefKey(staffID, sessionID))
		if err != nil {
			return err
		}
		e.At = school
		return s.Table.Write(ctx, "", table.Replace{Key: key, Revision: revision, Value: table.Encode(e), Expires: e.ends()})
	})
}

// touch writes when something was last seen. If another request did so at the
// same time, or the store is busy, it is as good as done: nobody is turned away
// for the sake of a time stamp.
func (s *Store) touch(ctx context.Context, op table.Op) error {
	err := s.Table.Write(ctx, "", op)
	if _, lost := table.Conflict(err); lost || errors.Is(err, table.ErrBusy) {
		return nil
	}
	return err
}

// SignOut ends a session. Ending one that has ended is not an error.
func (s *Store) SignOut(ctx context.Context, secret string) error {
	return table.Again(func() error {
		_, revision, err := s.session(ctx, secret)
		if errors.Is(err, ErrSession) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.Table.Write(ctx, "", table.Delete{Key: secretKey("session", secret), Revision: revision})
	})
}
