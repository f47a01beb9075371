package staff

import (
	"context"
	"errors"
	"time"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// Rule says by what the people of a school sign in.
type Rule string

// The rules. A manager's code and the operator's link sign in under each of them: they
// are the way back for somebody who has lost the device.
const (
	AnyWay      Rule = ""        // by whatever there is; a mailed link is enough
	NoMail      Rule = "openid"  // by a passkey, or the organisation's account
	PasskeyOnly Rule = "passkey" // by a passkey
)

// bars reports whether a rule refuses a way that is weaker than a passkey.
func (r Rule) bars(way Rule) bool { return r == PasskeyOnly || r == NoMail && way == AnyWay }

// ErrPasskey says that the school wants more than what somebody came with. It tells
// nothing to others: who reads it has proved whose account it is.
var ErrPasskey = problem.New(problem.Forbidden,
	"この学校では、パスキーなどでのサインインが必要です。使えないときは、ほかの管理者に電話して、教職員の画面で「メールで一度だけサインインできるようにする」を押してもらってください。コードでもサインインできます。",
	"At this school you sign in with a passkey. If you cannot, phone a manager, who can let you in by mail once, on your page under People, or read you a code.")

var errRule = problem.New(problem.Conflict,
	"まだ変更できません。締め出されないよう、パスキーを登録してサインインしたことのある管理者が二人以上必要です。",
	"Not yet: two managers must have signed in and have a passkey, so that nobody is locked out.").In("rule")

var errLastKey = problem.New(problem.Conflict,
	"最後のパスキーは削除できません。この学校では、サインインにパスキーが必要です。先に、別の端末のパスキーを登録してください。",
	"This is your last passkey, and at this school you sign in with one. Add one of another device first.")

type rule struct {
	Rule Rule `json:"rule"`
}

func ruleKey(school string) table.Key {
	return table.Key{Partition: "school/" + school + "/sign-in", Sort: "rule"}
}

// Rule returns by what the people of a school sign in.
func (s *Store) Rule(ctx context.Context, school string) (Rule, error) {
	var r rule
	_, err := s.read(ctx, ruleKey(school), &r)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return r.Rule, err
}

// SetRule says by what the people of a school sign in from now on; who is signed in
// stays so. It fails with a Conflict if a stricter rule finds fewer than two managers who
// have a passkey: they are who lets others in again.
func (s *Store) SetRule(ctx context.Context, school string, to Rule) error {
	people, err := s.People(ctx, school)
	if err != nil {
		return err
	}
	able := 0
	for _, p := range people {
		if p.Barred = p.Keys == 0; p.Ready() {
			able++
		}
	}
	if to != AnyWay && able < Managers {
		return errRule
	}
	return s.put(ctx, ruleKey(school), table.Encode(rule{to}), time.Time{})
}

// put writes an item, whether there is one or not.
func (s *Store) put(ctx context.Context, key table.Key, value []byte, expires time.Time) error {
	item, err := s.Table.Get(ctx, key)
	if err != nil && !errors.Is(err, table.ErrNotFound) {
		return err
	}
	return stale(s.write(ctx, table.Put(table.Item{Key: key, Revision: item.Revision, Value: value, Expires: expires})))
}

// allowance lets a person in, once, by a way that the school's rule bars.
type allowance struct {
	Epoch int `json:"epoch,omitempty"`
}

func allowanceKey(staffID string) table.Key {
	return table.Key{Partition: staffKey(staffID).Partition, Sort: "allowed"}
}

// Allow has a person sign in once, within CodeLife, by a way that the school's rule
// bars. It is for a manager who knows that it is the person who asks.
func (s *Store) Allow(ctx context.Context, staffID string) error {
	m, err := s.Staff(ctx, staffID)
	if err != nil {
		return err
	}
	ends := s.Now().UTC().Add(CodeLife).Truncate(time.Second)
	return s.put(ctx, allowanceKey(staffID), table.Encode(allowance{m.Epoch}), ends)
}

// useAllowance returns the op that uses up what Allow gave a person; none if there is
// nothing.
func (s *Store) useAllowance(ctx context.Context, m Staff) ([]table.Op, error) {
	var a allowance
	revision, err := s.read(ctx, allowanceKey(m.ID), &a)
	if errors.Is(err, ErrNotFound) || err == nil && m.out(a.Epoch) {
		return nil, nil
	}
	return []table.Op{table.Delete{Key: allowanceKey(m.ID), Revision: revision}}, err
}

// Barred reports whether a mailed link would not sign a person in.
func (s *Store) Barred(ctx context.Context, m Staff) (bool, error) {
	_, _, err := s.weaker(ctx, m, AnyWay)
	if errors.Is(err, ErrPasskey) {
		return true, nil
	}
	return false, err
}

// NeedsKey reports whether a person has no passkey at a school that signs in by nothing
// else.
func (s *Store) NeedsKey(ctx context.Context, m Staff) (bool, error) {
	r, err := s.Rule(ctx, m.School)
	if err != nil || r != PasskeyOnly {
		return false, err
	}
	return s.keyless(ctx, m.ID)
}

// weaker lets somebody in by a way that is weaker than a passkey, or fails with
// ErrPasskey. proven is whether it proves who they are; ops belong into the write that
// starts the session. An allowance proves it: a manager has vouched.
func (s *Store) weaker(ctx context.Context, m Staff, way Rule) (proven bool, ops []table.Op, err error) {
	r, err := s.Rule(ctx, m.School)
	if err != nil {
		return false, nil, err
	}
	if r.bars(way) {
		ops, err = s.useAllowance(ctx, m)
		if err == nil && len(ops) == 0 {
			err = ErrPasskey
		}
		return true, ops, err
	}
	proven, err = s.keyless(ctx, m.ID)
	return proven, nil, err
}
