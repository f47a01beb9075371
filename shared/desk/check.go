package desk

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/problem"
)

// MaxCallBack is how far ahead a call can be agreed.
const MaxCallBack = 7 * 24 * time.Hour

func isConflict(err error) bool { return problem.Is(err, problem.Conflict) }

// check returns what is wrong with an entry, and leaves out what its outcome does
// not need.
func (d Desk) check(a alert.Alert, e *Entry) error {
	var wrong problem.List
	if !slices.Contains(Outcomes, e.Outcome) {
		wrong = append(wrong, problem.New(problem.Invalid, "電話の結果を選んでください。", "Choose how the call ended.").In("outcome"))
	}
	if e.Outcome != Answered {
		e.Choices = nil
	} else if len(e.Choices) == 0 {
		wrong = append(wrong, problem.New(problem.Invalid, "お子さんの状況（聞いた回答）を選んでください。", "Choose what you were told of the child.").In("choice"))
	}
	for _, choice := range e.Choices {
		if _, ok := a.Choice(choice); !ok {
			wrong = append(wrong, problem.New(problem.Invalid, "表示されている回答から選んでください。", "Choose one of the answers shown.").In("choice"))
			break
		}
	}
	now := d.Alerts.Now()
	switch {
	case e.Outcome != CallBack:
		e.CallAt = time.Time{}
	case e.CallAt.Before(a.Accepted), e.CallAt.After(now.Add(MaxCallBack)): // one that was kept on a device can be past
		wrong = append(wrong, problem.New(problem.Invalid, "かけ直す日時を、今から7日以内で入力してください。", "Enter when to call back, within 7 days from now.").In("call_at"))
	}
	if n := utf8.RuneCountInString(e.Note); n > MaxNote {
		wrong = append(wrong, problem.New(problem.Invalid, "メモは%d文字までです（いま%d文字）。短くしてください。", "Shorten the note: at most %d characters are possible, it has %d.", MaxNote, n).In("note"))
	}
	e.Note = strings.TrimSpace(strings.Map(printable, e.Note))
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

// printable leaves line ends in a note, and no other control characters.
func printable(r rune) rune {
	if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
		return -1
	}
	return r
}
