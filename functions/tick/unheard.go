package tick

import (
	"context"
	"strings"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/memo"
	"github.com/todoku/todoku/shared/proof"
)

// verdicts looks, while an alert is open, whether the mail operator still says what
// becomes of mails. If not, lanes go on at a cautious rate: nothing stops, but nobody
// sees what arrives, so the managers of the schools that send are told, once an event.
// The operator has the log's record and the metric of package metrics.
func (h *Handler) verdicts(ctx context.Context, open int) error {
	if open == 0 || h.Gate == nil {
		return nil
	}
	u, begun, err := h.Gate.Listen(ctx)
	if err != nil || !begun {
		return err
	}
	h.Log.Warn("verdicts stay away, lanes go on at their cautious rates", "lanes", strings.Join(u.Lanes, " "))
	if h.Memos == nil {
		return nil
	}
	alerts, _, err := h.Alerts.Open(ctx, "", page)
	told := map[string]bool{proof.School: true}
	for _, a := range alerts {
		if told[a.School] || !a.Useful(h.Now()) {
			continue
		}
		told[a.School] = true
		if _, err := h.Memos.Tell(ctx, unheardMemo(a, u.Since.Format("20060102T150405")), memo.Managers); err != nil {
			h.Log.Warn("managers were not told that verdicts stay away", "school", a.School, "err", err)
		}
	}
	return err
}

func unheardMemo(a alert.Alert, event string) memo.Memo {
	return memo.Memo{
		School: a.School, About: "unheard-" + event, Path: "/alerts/" + a.ID, Until: a.UsefulUntil,
		Subject: lang.T("メールが届いたかどうかの知らせが来ていません", "No news of arrivals comes in"),
		Body: lang.T("「%s」のメールは送り続けていますが、届いたかどうかの知らせが来ていません。\n"+
			"そのため、控えめな速さで送っています。画面の「到着」の数は増えませんが、回答は記録されます。\n"+
			"システムの担当者が確認します。回答がない家庭には、電話で連絡してください。\n",
			"\"%s\": mail goes on being sent, but no news comes of what arrives.\n"+
				"So it is sent at a cautious rate. The numbers of arrived mails stand still; answers are recorded.\n"+
				"The operator of the system looks into it. Please phone families that have not answered.\n", a.Title()),
	}
}
