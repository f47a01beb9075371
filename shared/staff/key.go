package staff

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// MaxKeys is the most passkeys of one person: a telephone, a computer at school, one
// at home, security keys in a drawer.
const MaxKeys = 10

// Key is a passkey of a member of staff. What is in Credential is the affair of
// whoever speaks WebAuthn; it holds a public key, so it is no secret.
type Key struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"` // of the device, as the person calls it
	Made       time.Time       `json:"made"`
	Used       time.Time       `json:"used,omitzero"`
	Credential json.RawMessage `json:"credential"`

	Revision int64 `json:"-"`
}

var errKeys = problem.New(problem.Conflict, "パスキーは%d個までです。使っていないものを削除してください。", "You can have %d passkeys. Remove one that you do not use.", MaxKeys).In("name")

func keyKey(staffID, keyID string) table.Key {
	return table.Key{Partition: staffKey(staffID).Partition, Sort: "key/" + keyID}
}

// Keys lists the passkeys of a member of staff, oldest first.
func (s *Store) Keys(ctx context.Context, staffID string) ([]Key, error) {
	page, err := s.Table.Query(ctx, table.Query{Partition: staffKey(staffID).Partition, Prefix: keyKey("", "").Sort})
	if err != nil {
		return nil, err
	}
	var all []Key
	for _, item := range page.Items {
		k := Key{Revision: item.Revision}
		if err := json.Unmarshal(item.Value, &k); err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, nil
}

// AddKey keeps a passkey. It fails with the problems of its name, or with a Conflict
// if the person has MaxKeys.
func (s *Store) AddKey(ctx context.Context, staffID, name string, credential []byte) (Key, error) {
	if e := CheckName(name); e != nil {
		return Key{}, e
	}
	m, err := s.Staff(ctx, staffID)
	if err != nil {
		return Key{}, err
	}
	have, err := s.Keys(ctx, staffID)
	if err != nil {
		return Key{}, err
	}
	if len(have) >= MaxKeys {
		return Key{}, errKeys
	}
	ops, err := s.useAllowance(ctx, m) // there is no need for it any more
	if err != nil {
		return Key{}, err
	}
	k := Key{ID: s.IDs.New(), Name: name, Made: s.Now().UTC(), Credential: credential, Revision: 1}
	ops = append(ops, table.Check{Key: staffKey(staffID), Revision: m.Revision}, table.Create{Key: keyKey(staffID, k.ID), Value: table.Encode(k)})
	err = s.write(ctx, ops...)
	return k, stale(err)
}

// RemoveKey removes a passkey: it no longer signs in. It fails with ErrNotFound if
// there is none of that id, and with a Conflict if it is the last and the school wants one.
func (s *Store) RemoveKey(ctx context.Context, staffID, keyID string) error {
	if _, ok := id.Bytes(keyID); !ok {
		return ErrNotFound
	}
	return table.Again(func() error {
		var k Key
		revision, err := s.read(ctx, keyKey(staffID, keyID), &k)
		if err != nil {
			return err
		}
		left, err := s.otherKey(ctx, staffID, keyID)
		if err != nil {
			return err
		}
		return s.Table.Write(ctx, "", append(left, table.Delete{Key: keyKey(staffID, keyID), Revision: revision})...)
	})
}

// otherKey returns the op which holds on to another passkey of a person while one is
// removed, if the school wants one: of the last two one is left, also when both are removed
// at the same moment. It fails if there is no other.
func (s *Store) otherKey(ctx context.Context, staffID, keyID string) ([]table.Op, error) {
	m, err := s.Staff(ctx, staffID)
	if err != nil {
		return nil, err
	}
	r, err := s.Rule(ctx, m.School)
	if err != nil || r == AnyWay {
		return nil, err
	}
	keys, err := s.Keys(ctx, staffID)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if k.ID != keyID {
			return []table.Op{table.Check{Key: keyKey(staffID, k.ID), Revision: k.Revision}}, nil
		}
	}
	return nil, errLastKey
}

// SignInByKey starts a session for a person whose passkey k was checked; its
// Credential is written as it is now. It fails with ErrSession if there is no such
// person any more, or if the passkey was removed or used at the same time.
func (s *Store) SignInByKey(ctx context.Context, staffID string, k Key) (secret string, m Staff, err error) {
	m, err = s.Staff(ctx, staffID)
	if errors.Is(err, ErrNotFound) || err == nil && m.Disabled {
		err = ErrSession
	}
	if err != nil {
		return "", Staff{}, err
	}
	secret = s.newSecret(sessionBytes)
	session := s.newSession(m, true)
	m.Via = session.ID
	k.Used = s.Now().UTC()
	ops := append(session.create(secret), table.Replace{Key: keyKey(staffID, k.ID), Revision: k.Revision, Value: table.Encode(k)})
	err = s.write(ctx, ops...)
	if _, other := table.Conflict(err); other {
		err = ErrSession
	}
	if err != nil {
		return "", Staff{}, err
	}
	return secret, m, s.noteSignIn(ctx, m.ID)
}

// CeremonyLife is how long a touch may take.
const CeremonyLife = 5 * time.Minute

// ceremony is what is kept between the two halves of a touch.
type ceremony struct {
	State   json.RawMessage `json:"state"`
	Expires time.Time       `json:"expires"`
}

// BeginCeremony keeps state for CeremonyLife and returns the secret under which
// EndCeremony gives it back, once.
func (s *Store) BeginCeremony(ctx context.Context, state []byte) (secret string, err error) {
	secret = s.newSecret(linkBytes)
	c := ceremony{State: state, Expires: s.Now().UTC().Add(CeremonyLife).Truncate(time.Second)}
	return secret, s.write(ctx, table.Create{Key: secretKey("ceremony", secret), Value: table.Encode(c), Expires: c.Expires})
}

// EndCeremony returns what BeginCeremony kept, and forgets it: an answer to a
// challenge counts once. It fails with ErrNotFound if there is nothing, or no longer.
func (s *Store) EndCeremony(ctx context.Context, secret string) ([]byte, error) {
	if secret == "" || len(secret) > maxSecret {
		return nil, ErrNotFound
	}
	var c ceremony
	revision, err := s.read(ctx, secretKey("ceremony", secret), &c)
	if err != nil {
		return nil, err
	}
	err = s.write(ctx, table.Delete{Key: secretKey("ceremony", secret), Revision: revision})
	if _, used := table.Conflict(err); used || err == nil && !s.Now().Before(c.Expires) {
		return nil, ErrNotFound
	}
	return c.State, err
}
