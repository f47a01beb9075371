package alert

import (
	"context"
	"time"

	"github.com/todoku/todoku/shared/problem"
)

// Note is a line that staff add to an alert's page after it was sent. No mail tells of
// it: guardians see it when they open their link.
type Note struct {
	Text string    `json:"t"`
	At   time.Time `json:"at"`
	By   string    `json:"by,omitempty"` // name of whoever wrote it
}

// Limits of notes: the alert's record is read for each batch of its copies.
const (
	MaxNotes = 8
	MaxNote  = 600 // characters
)

// CheckNote returns the text of a note put right, or what is wrong with it.
func CheckNote(text string) (string, error) {
	text = tidyBody(text)
	if e := checkLine(withoutBreaks(text), MaxNote, "追記", "the update"); e != nil {
		return text, e.In("note")
	}
	return text, nil
}

// Annotate adds a note to an open alert. The same text as that of the newest note is
// not added again: it was sent twice.
func (s *Store) Annotate(ctx context.Context, alertID, text, by string) (Alert, error) {
	text, err := CheckNote(text)
	if err != nil {
		return Alert{}, err
	}
	return s.change(ctx, alertID, func(a *Alert) (bool, error) {
		if n := len(a.Notes); n > 0 && a.Notes[n-1].Text == text {
			return false, nil
		}
		if err := s.notable(*a); err != nil {
			return false, err
		}
		a.Notes = append(a.Notes, Note{Text: text, At: s.Now().UTC(), By: by})
		return true, nil
	})
}

func (s *Store) notable(a Alert) error {
	switch {
	case a.State(s.Now()) != StateOpen:
		return problem.New(problem.Conflict,
			"この連絡は回答受付中ではないため、ページを更新できません。新しい連絡を送ってください。",
			"This alert is not open, so its page cannot be updated. Send a new alert.").In("note")
	case len(a.Notes) >= MaxNotes:
		return problem.New(problem.Conflict,
			"追記は%d件までです。「新しい内容に差し替える」を使ってください。",
			"At most %d updates are possible. Replace the alert with a newer one instead.", MaxNotes).In("note")
	}
	return nil
}
