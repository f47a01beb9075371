package docket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/judge"
	"github.com/todoku/todoku/shared/letter"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// TestWait is how long the verdict on a test mail is waited for that comes as an event.
const TestWait = 3 * time.Minute

// Waits reports whether the verdict on the test mail is still to come.
func (e Event) Waits(now time.Time) bool {
	return e.Held() && e.Test.ID != "" && e.Test.Refused == "" && now.Sub(e.Test.At) < TestWait
}

// mostLooked is how many cases are looked at for somebody to whom a test can go.
const mostLooked = 50

// errNobody says that a lane cannot be tried.
var errNobody = problem.New(problem.Conflict,
	"テストを送れる宛先が見つかりません。原因を直したことを確かめてから、「テストせずに再開する」を押してください。",
	"There is nobody to whom a test could go. Make sure that the cause is mended, then resume without a test.")

// Try sends a test mail to one of those whose mail a held lane refused. If the operator
// takes it the lane is let go: at once where the reply says so, else when the event comes.
func (s *Store) Try(ctx context.Context, school roster.School, lane string, sender mail.Sender) error {
	e, err := s.Event(ctx, school.ID, lane)
	if err != nil {
		return err
	}
	if !e.Held() {
		return errNotHeld
	}
	to, err := s.somebody(ctx, school.ID, e)
	if err != nil {
		return err
	}
	id := s.Alerts.IDs.New()
	if err := s.Tried(ctx, school.ID, lane, id); err != nil {
		return err
	}
	err = sender.Send(ctx, letter.Test(letter.To{School: school, ID: id, Mailbox: to.Mailbox(), Tags: TestTags(school.ID, id), Now: s.Now()}))
	var failed *mail.SendError
	switch {
	case err == nil && s.Events:
		return nil
	case err == nil:
		return s.Tested(ctx, school.ID, id, "", "")
	case errors.As(err, &failed):
		class := judge.Of(judge.Evidence{Lane: lane, Code: failed.Code, Status: failed.Enhanced, Text: failed.Text, AfterData: failed.AfterData})
		return s.Tested(ctx, school.ID, id, class, words(failed.Code, failed.Enhanced, failed.Text))
	}
	return err
}

// somebody returns whose mail was refused: best somebody who has proven to be there.
func (s *Store) somebody(ctx context.Context, school string, e Event) (best address.Address, err error) {
	page, err := s.Table.Query(ctx, table.Query{Partition: casesPart(e.Alert), Prefix: casePrefix + e.Lane + "/", Limit: mostLooked})
	if err != nil {
		return best, err
	}
	found := false
	for _, item := range page.Items {
		var v Case
		if err := json.Unmarshal(item.Value, &v); err != nil {
			return best, fmt.Errorf("docket: item %s: %w", item.Key, err)
		}
		f, err := s.Roster.Family(ctx, school, v.Family)
		if errors.Is(err, roster.ErrNotFound) {
			continue
		}
		if err != nil {
			return best, err
		}
		_, k := f.Contact(v.Contact)
		if k == nil || !k.Listens(true, s.Now()) {
			continue
		}
		a, err := address.Parse(k.Address)
		if err != nil {
			continue
		}
		if proof(*k).Proven() {
			return a, nil
		}
		if !found {
			best, found = a, true
		}
	}
	if !found {
		return best, errNobody
	}
	return best, nil
}
