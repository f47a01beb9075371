package staff

import (
	"context"
	"errors"

	"github.com/todoku/todoku/shared/table"
)

// Subject is somebody as another provider names them: for good, while a mail address can
// be given to a successor.
type Subject struct {
	Issuer string `json:"issuer"`
	ID     string `json:"id"`
}

// subject is whom a provider named with a person's address when they first came so.
type subject struct {
	Subject
	Mail string `json:"mail"`
}

func subjectKey(staffID string) table.Key {
	return table.Key{Partition: staffKey(staffID).Partition, Sort: "subject"}
}

// Named returns whom of some people a provider has called so before.
func (s *Store) Named(ctx context.Context, people []Staff, by Subject) ([]Staff, error) {
	var named []Staff
	for _, m := range people {
		var have subject
		_, err := s.read(ctx, subjectKey(m.ID), &have)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		if have.Subject == by {
			named = append(named, m)
		}
	}
	return named, nil
}

// SignInAs starts a session for a person whom a provider has named by the person's mail
// address. The provider's own name for them is held on to: with the same address and
// another name nobody signs in, until a manager has changed the address on record. It
// fails with ErrSession then, or if there is no such person, and with ErrPasskey if the
// school wants more.
func (s *Store) SignInAs(ctx context.Context, staffID string, by Subject) (secret string, m Staff, err error) {
	m, err = s.Staff(ctx, staffID)
	if errors.Is(err, ErrNotFound) || err == nil && m.Disabled {
		err = ErrSession
	}
	if err != nil {
		return "", Staff{}, err
	}
	var have subject
	revision, err := s.read(ctx, subjectKey(staffID), &have)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", Staff{}, err
	}
	value := table.Encode(subject{by, m.Mail})
	op := table.Op(table.Create{Key: subjectKey(staffID), Value: value})
	switch {
	case revision == 0:
	case have.Subject == by && have.Mail == m.Mail:
		op = table.Check{Key: subjectKey(staffID), Revision: revision}
	case have.Mail == m.Mail && have.Issuer == by.Issuer:
		return "", Staff{}, ErrSession
	default: // another address, or another provider
		op = table.Replace{Key: subjectKey(staffID), Revision: revision, Value: value}
	}
	proven, used, err := s.weaker(ctx, m, NoMail)
	if err != nil {
		return "", Staff{}, err
	}
	secret = s.newSecret(sessionBytes)
	session := s.newSession(m, proven)
	m.Via = session.ID
	err = s.write(ctx, append(append(session.create(secret), used...), op)...)
	if _, other := table.Conflict(err); other {
		err = ErrSession
	}
	if err != nil {
		return "", Staff{}, err
	}
	return secret, m, s.noteSignIn(ctx, m.ID)
}
