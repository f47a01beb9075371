package tick

import (
	"context"
	"strconv"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/memo"
)

// chase has those reminded who have not answered, when it is time, and tells the sender
// who is missing. Between two waves it reads nothing.
func (h *Handler) chase(ctx context.Context, a alert.Alert, now time.Time) error {
	round, rest, next := a.Reminder(now)
	if round == 0 || h.chased.resting(a.ID, now) {
		return nil
	}
	if next.IsZero() {
		next = a.UsefulUntil
	}
	missing, err := h.Alerts.Missing(ctx, a.ID)
	if err != nil {
		return err
	}
	if missing.Children.Unaccounted() == 0 {
		h.chased.rest(a.ID, next)
		return nil
	}
	if err := h.tellMissing(ctx, a, round, missing, now); err != nil {
		return err
	}
	done, err := h.job(ctx, a, alert.RemindJob(round, rest), time.Time{})
	if err == nil && done {
		h.chased.rest(a.ID, next)
	}
	return err
}

// tellMissing tells the sender, once a round, who is missing.
func (h *Handler) tellMissing(ctx context.Context, a alert.Alert, round int, m alert.Missing, now time.Time) error {
	if h.Memos == nil || !a.TellMissing {
		return nil
	}
	told, err := h.Alerts.MissingTold(ctx, a.ID, round)
	if err != nil || told {
		return err
	}
	names, zone, err := h.names(ctx, a.School)
	if err != nil {
		return err
	}
	if _, err := h.Memos.Tell(ctx, missingMemo(a, round, m, names, now.In(zone)), memo.Person(a.Sender.ID)); err != nil {
		return err
	}
	return h.Alerts.SetMissingTold(ctx, a.ID, round)
}

// names returns what the school's groups are called, and its zone.
func (h *Handler) names(ctx context.Context, id string) (map[string]string, *time.Location, error) {
	school, err := h.Roster.School(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	names := map[string]string{}
	groups, err := h.Roster.Groups(ctx, id)
	for _, g := range groups {
		names[g.ID] = g.Name
	}
	return names, school.Location(), err
}

// missingClasses is how many classes a mail lists; the page lists them all.
const missingClasses = 60

// missingMemo says who is missing. It names classes and no children.
func missingMemo(a alert.Alert, round int, m alert.Missing, names map[string]string, now time.Time) memo.Memo {
	left := m.Children.Unaccounted()
	body := lang.T("「%[1]s」の%[2]s現在の回答状況です。\n回答 %[3]d / %[4]d人（助けが必要 %[5]d人）、未回答 %[6]d人\n",
		"\"%[1]s\" at %[2]s: %[3]d of %[4]d children answered for (%[5]d need help), %[6]d not. By class: see the list above.\n",
		a.Title(), now.Format("15:04"), m.Children.Total-left, m.Children.Total, m.Help, left)
	for i, c := range m.Classes {
		if i == missingClasses {
			break
		}
		name := names[c.Class]
		if name == "" {
			name = c.Class
		}
		body.JA += "・" + name + "：" + "未回答 " + strconv.FormatInt(c.Unaccounted(), 10) + " / " + strconv.FormatInt(c.Total, 10) + "人\n"
	}
	if m.More || len(m.Classes) > missingClasses {
		body.JA += "・ほかのクラスは、画面で確認してください。\n"
	}
	body = join(body, "", lang.T("回答がない家庭に再送しています（%[1]d回目、%[2]d回まで）。再送の結果を待たず、電話も始めてください。",
		"Those families are being reminded (%[1]d of at most %[2]d times). Do not wait for that: start to phone.", round, a.Rounds()))
	return memo.Memo{
		School: a.School, About: "missing-" + a.ID + "-" + strconv.Itoa(round), Path: "/alerts/" + a.ID, Until: a.UsefulUntil,
		Subject: lang.T("未回答 %[1]d人：%[2]s", "%[1]d not answered: %[2]s", left, a.Title()), Body: body,
	}
}
