package staff

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/budget"
	"github.com/todoku/todoku/shared/table"
)

// KnownLife is for how long a browser is remembered in which somebody has signed in.
// It is known again for what others may not use up, and for nothing else: it does not
// sign anybody in.
const KnownLife = 180 * 24 * time.Hour

// Budgets of signing in. Passkeys have none, so that nothing that others do keeps
// anybody out who has one. What a browser that is known spends is its own.
//
// Those of a day leave alerts most of what the mail operator carries, which is often 2,000
// mails a day, whoever asks and however slowly. A day begins at 09:00 in Japan.
var (
	// mailsOfPerson is more than one, and for a minute only, so that nobody can keep
	// somebody from getting theirs for long by asking first.
	mailsOfPerson = budget.Budget{Kind: "signin-mail", Most: 5, Window: time.Minute}
	// mailsOfPair leaves a person some of theirs whatever one source asks for.
	mailsOfPair = budget.Budget{Kind: "signin-mail-pair", Most: 3, Window: time.Minute}
	// mailsOfPairDay is far less than mailsOfDay, so that no one source takes a person's.
	mailsOfPairDay = budget.Budget{Kind: "signin-mail-pair-day", Most: 10, Window: 24 * time.Hour}
	mailsOfDay     = budget.Budget{Kind: "signin-mail-day", Most: 30, Window: 24 * time.Hour}
	// mailsOfSchool lets a large school's staff come in for the first time within the hour.
	mailsOfSchool    = budget.Budget{Kind: "signin-mail-school", Most: 150, Window: time.Hour}
	mailsOfSchoolDay = budget.Budget{Kind: "signin-mail-school-day", Most: 500, Window: 24 * time.Hour}
	// mailsOfSource is more than a school's staff, who share one address, ask for when
	// all of them come in at once.
	mailsOfSource = budget.Budget{Kind: "signin-mail-source", Most: 100, Window: 10 * time.Minute}
	// wrongCodes is far less than it takes to guess one of 120 bits, and more than a
	// staff room mistypes.
	wrongCodes = budget.Budget{Kind: "signin-code", Most: 30, Window: 10 * time.Minute}
)

func (s *Store) budgets() budget.Store { return budget.Store{Table: s.Table, Now: s.Now} }

// known is in which browser who has signed in.
type known struct {
	Staff []string  `json:"staff"`
	Made  time.Time `json:"made"`
}

// maxKnown is how many people one browser is remembered for: a computer of the staff
// room.
const maxKnown = 50

// Asker is who asks to be let in.
type Asker struct {
	Source string   // where from: see web.Source
	Known  []string // who has signed in before in the browser, by id
	whose  string   // whose budget is spent
}

// Asker returns who asks from a source, with the secret of Know that the browser has,
// if any. If the store cannot say, the browser is not known.
func (s *Store) Asker(ctx context.Context, source, browser string) Asker {
	a := Asker{Source: source, whose: "source " + source}
	if browser == "" || len(browser) > maxSecret {
		return a
	}
	var k known
	if _, err := s.read(ctx, secretKey("known", browser), &k); err == nil {
		a.Known, a.whose = k.Staff, "browser "+browser
	}
	return a
}

// Know remembers that somebody has signed in in a browser, and returns the secret that
// the browser is to keep: the one it has (browser), or a new one.
func (s *Store) Know(ctx context.Context, staffID, browser string) (string, error) {
	var k known
	var revision int64
	if browser != "" && len(browser) <= maxSecret {
		var err error
		revision, err = s.read(ctx, secretKey("known", browser), &k)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return "", err
		}
	}
	now := s.Now().UTC()
	if revision > 0 && slices.Contains(k.Staff, staffID) && now.Sub(k.Made) < KnownLife/2 {
		return browser, nil
	}
	k.Made = now
	if !slices.Contains(k.Staff, staffID) {
		k.Staff = append(k.Staff, staffID)
		k.Staff = k.Staff[max(len(k.Staff)-maxKnown, 0):]
	}
	ends := now.Add(KnownLife).Truncate(time.Second)
	if revision > 0 {
		return browser, s.touch(ctx, table.Replace{Key: secretKey("known", browser), Revision: revision, Value: table.Encode(k), Expires: ends})
	}
	browser = s.newSecret(linkBytes)
	return browser, s.write(ctx, table.Create{Key: secretKey("known", browser), Value: table.Encode(k), Expires: ends})
}

// MayAskMail counts a request for mail, whether or not anybody has the address, and
// reports whether it is within the asker's budget.
func (s *Store) MayAskMail(ctx context.Context, a Asker) (bool, error) {
	return s.budgets().Spend(ctx, mailsOfSource, a.whose)
}

// MayTryCode reports whether the asker has tried few enough wrong codes.
func (s *Store) MayTryCode(ctx context.Context, a Asker) (bool, error) {
	return s.budgets().Left(ctx, wrongCodes, a.whose)
}

// TriedCode counts a wrong code.
func (s *Store) TriedCode(ctx context.Context, a Asker) error {
	_, err := s.budgets().Spend(ctx, wrongCodes, a.whose)
	return err
}

// spendMail takes one of a person's mails, and reports whether there was one. Who asks in
// a browser in which the person has signed in before takes from a budget that others
// cannot use up. The widest is last: what a narrower one refuses costs nobody else.
func (s *Store) spendMail(ctx context.Context, m Staff, a Asker) (bool, error) {
	pair := m.ID + " " + a.whose
	if slices.Contains(a.Known, m.ID) {
		return s.budgets().Spend(ctx, mailsOfPerson, pair)
	}
	for _, b := range []struct {
		budget.Budget
		whose string
	}{
		{mailsOfPair, pair}, {mailsOfPairDay, pair}, {mailsOfPerson, m.ID}, {mailsOfDay, m.ID},
		{mailsOfSchool, m.School}, {mailsOfSchoolDay, m.School},
	} {
		if ok, err := s.budgets().Spend(ctx, b.Budget, b.whose); !ok {
			return false, err
		}
	}
	return true, nil
}
