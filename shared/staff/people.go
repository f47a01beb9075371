package staff

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// Managers is how many managers a school should have: one may be ill on the day.
const Managers = 2

// Person is a member of staff as the list of people tells of them.
type Person struct {
	Staff
	SignedIn time.Time // last; zero: never
	Keys     int       // passkeys
	// Barred people have no passkey where the school signs in by nothing else: somebody
	// has to let them in.
	Barred bool
}

// Ready reports whether the person is a manager who can act: one who was invited
// and has never signed in may have a wrong address.
func (p Person) Ready() bool {
	return p.Role == Manager && !p.Disabled && !p.SignedIn.IsZero() && !p.Barred
}

// signedIn is when somebody last signed in.
type signedIn struct {
	At time.Time `json:"at"`
}

func signedInKey(staffID string) table.Key {
	return table.Key{Partition: staffKey(staffID).Partition, Sort: "signed-in"}
}

// noteSignIn notes that somebody signed in. Of two at the same time one is noted.
func (s *Store) noteSignIn(ctx context.Context, staffID string) error {
	before, _ := s.Table.Get(ctx, signedInKey(staffID)) // if it cannot be read, the next sign-in is noted
	return s.touch(ctx, table.Put(table.Item{Key: signedInKey(staffID), Revision: before.Revision, Value: table.Encode(signedIn{s.Now().UTC()})}))
}

// People reads who works at a school, in the order of their names: one query a
// person.
func (s *Store) People(ctx context.Context, school string) ([]Person, error) {
	all, err := s.OfSchool(ctx, school)
	if err != nil {
		return nil, err
	}
	r, err := s.Rule(ctx, school)
	if err != nil {
		return nil, err
	}
	people := make([]Person, len(all))
	for i, m := range all {
		if people[i], err = s.person(ctx, m, r); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(people, func(a, b Person) int {
		switch {
		case a.Disabled == b.Disabled:
			return cmp.Compare(a.Name, b.Name)
		case a.Disabled:
			return 1
		}
		return -1
	})
	return people, nil
}

// ReadyManagers returns how many managers of a school can act.
func (s *Store) ReadyManagers(ctx context.Context, school string) (int, error) {
	all, err := s.OfSchool(ctx, school)
	if err != nil {
		return 0, err
	}
	r, err := s.Rule(ctx, school)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, m := range all {
		if m.Role != Manager || m.Disabled {
			continue
		}
		p, err := s.person(ctx, m, r)
		if err != nil {
			return 0, err
		}
		if p.Ready() {
			n++
		}
	}
	return n, nil
}

func (s *Store) person(ctx context.Context, m Staff, r Rule) (Person, error) {
	p := Person{Staff: m}
	page, err := s.Table.Query(ctx, table.Query{Partition: staffKey(m.ID).Partition, Prefix: keyKey("", "").Sort})
	if err != nil {
		return p, err
	}
	p.Keys = len(page.Items)
	p.Barred = r == PasskeyOnly && p.Keys == 0
	var at signedIn
	if _, err := s.read(ctx, signedInKey(m.ID), &at); err != nil && !errors.Is(err, ErrNotFound) {
		return p, err
	}
	p.SignedIn = at.At
	return p, nil
}

// changeBatch is how many people one write changes: each takes up to four
// operations of it, and two check managers.
const changeBatch = 20

// Change writes people of one school as they are to be, each in the place of the one
// of its Revision. It fails with a Conflict, before anything is written, if that
// would leave the school without two managers where it had two, or without one.
// Disabling somebody ends their sessions, links and API tokens for good.
//
// Up to 20 people are written all at once or not at all. More are written 20 at a
// time: after a failure those before stay changed, and a second try does the rest.
func (s *Store) Change(ctx context.Context, school string, changed ...Staff) error {
	people, err := s.People(ctx, school)
	if err != nil {
		return err
	}
	c := change{of: map[string]Person{}, to: map[string]Staff{}}
	for _, p := range people {
		c.of[p.ID] = p
	}
	for _, m := range changed {
		old, ok := c.of[m.ID]
		switch {
		case !ok || m.School != school:
			return ErrNotFound
		case old.Revision != m.Revision:
			return errStale
		}
		if wrong := m.check(); len(wrong) > 0 {
			return wrong
		}
		if m.Disabled && !old.Disabled {
			m.Epoch = old.Epoch + 1
		}
		c.to[m.ID] = m
	}
	if err := c.managersLeft(); err != nil {
		return err
	}
	return s.apply(ctx, c)
}

// change is who is changed from what to what.
type change struct {
	of   map[string]Person
	to   map[string]Staff
	keep []string // two managers who are left, if somebody stops being one
}

var (
	errLast = problem.New(problem.Conflict,
		"管理者がいなくなるため、変更できません。先に、ほかの人を管理者にしてください（サインインしたことがあり、いまもできる人だけを数えます）。",
		"The school would have no manager left. Make somebody else one first; only people who have signed in, and still can, count.")
	errTwo = problem.New(problem.Conflict,
		"管理者が一人だけになるため、変更できません。先に、もう一人を管理者にしてください（サインインしたことがあり、いまもできる人だけを数えます）。",
		"The school would have only one manager left. Make one more first; only people who have signed in, and still can, count.")
)

// managersLeft says whether enough managers are left, and chooses whom to hold on to.
func (c *change) managersLeft() error {
	before, after, lost := 0, 0, false
	for id, p := range c.of {
		was := p.Ready()
		if m, ok := c.to[id]; ok {
			p.Staff = m
		}
		if was {
			before++
		}
		if p.Ready() {
			after++
			c.keep = append(c.keep, id)
		}
		lost = lost || was && !p.Ready()
	}
	switch {
	case !lost:
		c.keep = nil
	case after == 0:
		return errLast
	case after < Managers && before >= Managers:
		return errTwo
	}
	slices.Sort(c.keep)
	c.keep = c.keep[:min(len(c.keep), Managers)]
	return nil
}

// apply writes the change, first those who become managers.
func (s *Store) apply(ctx context.Context, c change) error {
	order := slices.SortedFunc(maps.Values(c.to), func(a, b Staff) int {
		switch ma, mb := a.Role == Manager, b.Role == Manager; {
		case ma == mb:
			return strings.Compare(a.ID, b.ID)
		case ma:
			return -1
		}
		return 1
	})
	revision := map[string]int64{}
	for _, id := range c.keep {
		revision[id] = c.of[id].Revision
	}
	for batch := range slices.Chunk(order, changeBatch) {
		var ops []table.Op
		inBatch := map[string]bool{}
		for _, m := range batch {
			inBatch[m.ID] = true
			ops = append(ops, table.Replace{Key: staffKey(m.ID), Revision: m.Revision, Value: table.Encode(m)})
			mail, err := s.mailOps(ctx, c.of[m.ID].Staff, m)
			if err != nil {
				return err
			}
			ops = append(ops, mail...)
		}
		for id, rev := range revision {
			if !inBatch[id] {
				ops = append(ops, table.Check{Key: staffKey(id), Revision: rev})
			}
		}
		if err := s.write(ctx, ops...); err != nil {
			return stale(err)
		}
		for id := range inBatch {
			if _, kept := revision[id]; kept {
				revision[id]++
			}
		}
	}
	return nil
}

// CodeLife is how long a printed code signs in: it is handed over within the week.
const CodeLife = 7 * 24 * time.Hour

// codeAlphabet is Crockford's base 32: no two characters can be taken for each other.
const codeAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// codeLen is how many characters a printed code has: 120 bits, for which a plain hash is
// enough (OWASP ASVS 5.0, 6.5.2).
const codeLen = 24

type codeRef struct {
	Kept table.Key `json:"kept"`
}

// NewCode returns a code for a person who has no mail, to be printed. It signs in
// once, within CodeLife, as the token of SignIn. An earlier code of theirs ends.
func (s *Store) NewCode(ctx context.Context, staffID string) (code string, ends time.Time, err error) {
	m, err := s.Staff(ctx, staffID)
	if err != nil {
		return "", ends, err
	}
	code = s.drawCode()
	ends = s.Now().UTC().Add(CodeLife).Truncate(time.Second)
	key := secretKey("signin", code)
	ref := table.Key{Partition: staffKey(staffID).Partition, Sort: "code"}
	value := table.Encode(codeRef{key})
	ops := []table.Op{table.Create{Key: key, Value: table.Encode(signIn{Staff: staffID, Expires: ends, Epoch: m.Epoch}), Expires: ends}}
	item, err := s.Table.Get(ctx, ref)
	switch {
	case errors.Is(err, table.ErrNotFound):
		ops = append(ops, table.Create{Key: ref, Value: value, Expires: ends})
	case err != nil:
		return "", ends, err
	default:
		var old codeRef
		if err := json.Unmarshal(item.Value, &old); err != nil {
			return "", ends, err
		}
		ops = append(ops, table.Replace{Key: ref, Revision: item.Revision, Value: value, Expires: ends})
		if was, err := s.Table.Get(ctx, old.Kept); err == nil {
			ops = append(ops, table.Delete{Key: old.Kept, Revision: was.Revision})
		}
	}
	return code, ends, stale(s.write(ctx, ops...))
}

func (s *Store) drawCode() string {
	b := make([]byte, codeLen)
	s.fill(b)
	for i, x := range b {
		b[i] = codeAlphabet[x%byte(len(codeAlphabet))] // 256 is a multiple of 32
	}
	return string(b)
}

// PrettyCode writes a code in fours, as it is printed.
func PrettyCode(code string) string {
	var parts []string
	for part := range slices.Chunk([]byte(code), 4) {
		parts = append(parts, string(part))
	}
	return strings.Join(parts, "-")
}

// ParseCode returns the code that somebody typed; "" if it is none.
func ParseCode(typed string) string {
	if len(typed) > maxSecret {
		return ""
	}
	code := strings.NewReplacer("-", "", "ー", "", "−", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(fold(typed)))
	if len(code) != codeLen || strings.ContainsFunc(code, func(r rune) bool { return !strings.ContainsRune(codeAlphabet, r) }) {
		return ""
	}
	return code
}
