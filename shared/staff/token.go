package staff

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// tokenPrefix begins every API token, so that one that slipped into a public
// place can be recognised for what it is by people and by secret scanners.
const tokenPrefix = "todoku_"

// ErrToken says that an API token does not work, or no longer.
var ErrToken = problem.New(problem.Unauthorized,
	"APIトークンが正しくないか、取り消されているか、期限が切れています。「Authorization: Bearer <トークン>」の形で送ってください。",
	"The API token is missing, wrong, revoked or has ended. Send it as Authorization: Bearer TOKEN.")

// Ends of API tokens. A program that nobody looks after any more loses its access by
// itself; that a token's end comes near is told TokenNotice before.
const (
	TokenLife   = 365 * 24 * time.Hour // at most, and if nothing else is asked for
	TokenNotice = 14 * 24 * time.Hour
	// tokenKept is how long a token that has ended is still listed: somebody will ask
	// why the program stopped.
	tokenKept = 30 * 24 * time.Hour
)

// Token is what can be told of an API token once it was shown.
type Token struct {
	ID    string    `json:"id"`
	Staff string    `json:"staff"` // with whose rights it acts
	Name  string    `json:"name"`  // what it is used for
	Made  time.Time `json:"made"`
	Ends  time.Time `json:"ends,omitzero"` // a program uses it until then; see end
	Used  time.Time `json:"used,omitzero"` // last, to within usedEvery
	Epoch int       `json:"epoch,omitempty"`
	// May are the actions of package access that it may do, as far as the person may;
	// none: all of them.
	May []string `json:"may,omitempty"`
}

// end returns when a token ends. One that was made before tokens had an end lasts for
// TokenLife.
func (t Token) end() time.Time {
	if t.Ends.IsZero() {
		return t.Made.Add(TokenLife)
	}
	return t.Ends
}

// Over reports whether a token has ended.
func (t Token) Over(now time.Time) bool { return !now.Before(t.end()) }

// Soon reports whether a token ends within TokenNotice, or has ended.
func (t Token) Soon(now time.Time) bool { return t.Over(now.Add(TokenNotice)) }

// tokenRef stands with the person for a token that is kept under its hash.
type tokenRef struct {
	Kept table.Key `json:"kept"`
}

func tokenRefKey(staffID, tokenID string) table.Key {
	return table.Key{Partition: staffKey(staffID).Partition, Sort: "token/" + tokenID}
}

// usedEvery bounds the writes that calls cost: a program may call every second.
const usedEvery = time.Hour

// MaxTokens is the most API tokens of one person that work.
const MaxTokens = 20

var errTokens = problem.New(problem.Conflict, "APIトークンは一人%d個までです。使っていないものを取り消してください。", "One person can have %d API tokens. Revoke one that is not used.", MaxTokens).In("name")

var errTokenLife = problem.New(problem.Invalid, "期限は、今日から1年以内で選んでください。", "Choose an end within a year from today.").In("ends")

// NewToken makes an API token that acts with the rights of a member of staff for life
// (0: TokenLife, which is also the most), for the given actions only if there are any.
// The secret can be shown this once only. It fails with the problem of the name or of
// the life, or with a Conflict if the person has MaxTokens.
func (s *Store) NewToken(ctx context.Context, staffID, name string, life time.Duration, may ...string) (t Token, secret string, err error) {
	if e := CheckName(name); e != nil {
		return t, "", e
	}
	if life == 0 {
		life = TokenLife
	}
	if life < 0 || life > TokenLife {
		return t, "", errTokenLife
	}
	m, err := s.Staff(ctx, staffID)
	if err != nil {
		return t, "", err
	}
	have, err := s.Tokens(ctx, staffID)
	if err != nil {
		return t, "", err
	}
	now := s.Now().UTC()
	if len(slices.DeleteFunc(have, func(t Token) bool { return t.Over(now) })) >= MaxTokens {
		return t, "", errTokens
	}
	secret = tokenPrefix + s.newSecret(tokenBytes)
	t = Token{ID: s.IDs.New(), Staff: staffID, Name: name, Made: now, Ends: now.Add(life).Truncate(time.Second), Epoch: m.Epoch, May: may}
	key := secretKey("token", secret)
	err = s.write(ctx,
		table.Check{Key: staffKey(staffID), Revision: m.Revision},
		table.Create{Key: key, Value: table.Encode(t), Expires: t.end().Add(tokenKept)},
		table.Create{Key: tokenRefKey(staffID, t.ID), Value: table.Encode(tokenRef{Kept: key}), Expires: t.end().Add(tokenKept)},
		table.Create{Key: endingKey(t, life), Expires: t.end()})
	return t, secret, stale(err)
}

// ByToken returns with whose rights an API token acts. It fails with ErrToken if
// it does not work.
func (s *Store) ByToken(ctx context.Context, secret string) (Staff, error) {
	if !strings.HasPrefix(secret, tokenPrefix) || len(secret) > maxSecret {
		return Staff{}, ErrToken
	}
	key := secretKey("token", secret)
	var t Token
	revision, err := s.read(ctx, key, &t)
	if errors.Is(err, ErrNotFound) || err == nil && t.Over(s.Now()) {
		return Staff{}, ErrToken
	}
	if err != nil {
		return Staff{}, err
	}
	m, err := s.Staff(ctx, t.Staff)
	if errors.Is(err, ErrNotFound) || err == nil && m.out(t.Epoch) {
		return Staff{}, ErrToken
	}
	if err != nil {
		return m, err
	}
	m.Via, m.Only = t.ID, t.May
	return m, s.touchToken(ctx, key, t, revision)
}

func (s *Store) touchToken(ctx context.Context, key table.Key, t Token, revision int64) error {
	now := s.Now().UTC()
	if now.Sub(t.Used) < usedEvery {
		return nil
	}
	t.Used = now
	return s.touch(ctx, table.Replace{Key: key, Revision: revision, Value: table.Encode(t), Expires: t.end().Add(tokenKept)})
}

// Tokens lists the API tokens of a member of staff that work, and those that ended
// lately, oldest first; each with its end.
func (s *Store) Tokens(ctx context.Context, staffID string) ([]Token, error) {
	m, err := s.Staff(ctx, staffID)
	if err != nil {
		return nil, err
	}
	var all []Token
	q := table.Query{Partition: staffKey(staffID).Partition, Prefix: tokenRefKey("", "").Sort}
	for item, err := range table.Items(ctx, s.Table, q) {
		if err != nil {
			return nil, err
		}
		t, _, _, err := s.token(ctx, item.Key)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		if err == nil && !m.out(t.Epoch) { // else revoked meanwhile
			t.Ends = t.end()
			all = append(all, t)
		}
	}
	return all, nil
}

// endingKey is where it stands when to tell that a token's end comes near: TokenNotice
// before, or after half of a short life.
func endingKey(t Token, life time.Duration) table.Key {
	at := t.Ends.Add(-min(TokenNotice, life/2))
	return table.Key{Partition: endingPartition, Sort: at.Format(endingTime) + "/" + t.Staff + "/" + t.ID}
}

const (
	endingPartition = "tokens-ending"
	endingTime      = "2006-01-02T15:04:05"
	endingBatch     = 20 // that are told at once
)

// TellEnding calls tell for some tokens of which it is time to tell that they end, and
// forgets those for which it succeeds. It is to be called every hour or so, and reads
// one page.
func (s *Store) TellEnding(ctx context.Context, tell func(Token) error) error {
	page, err := s.Table.Query(ctx, table.Query{Partition: endingPartition, Limit: endingBatch})
	if err != nil {
		return err
	}
	now := s.Now().UTC().Format(endingTime)
	for _, item := range page.Items {
		at, ref, _ := strings.Cut(item.Sort, "/")
		if at > now {
			return nil
		}
		staffID, tokenID, _ := strings.Cut(ref, "/")
		t, _, _, err := s.token(ctx, tokenRefKey(staffID, tokenID))
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err == nil { // else revoked
			if err := tell(t); err != nil {
				return err
			}
		}
		if err := s.Table.Write(ctx, "", table.Delete{Key: item.Key, Revision: item.Revision}); err != nil {
			return err
		}
	}
	return nil
}

// token reads a token by its reference: the token, where it is kept, and at which
// revision.
func (s *Store) token(ctx context.Context, ref table.Key) (t Token, key table.Key, revision int64, err error) {
	var at tokenRef
	if _, err = s.read(ctx, ref, &at); err == nil {
		revision, err = s.read(ctx, at.Kept, &t)
	}
	return t, at.Kept, revision, err
}

// Revoke ends an API token of a member of staff: it fails from the next request.
// It fails with ErrNotFound if there is no such token.
func (s *Store) Revoke(ctx context.Context, staffID, tokenID string) error {
	if _, ok := id.Bytes(tokenID); !ok {
		return ErrNotFound
	}
	ref := tokenRefKey(staffID, tokenID)
	return table.Again(func() error {
		_, key, revision, err := s.token(ctx, ref)
		if err != nil {
			return err
		}
		return s.Table.Write(ctx, "", table.Delete{Key: key, Revision: revision}, table.Delete{Key: ref, Revision: 1})
	})
}
