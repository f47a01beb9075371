package tick

import (
	"context"
	"log/slog"
	"time"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/memo"
	"github.com/todoku/todoku/shared/staff"
)

// Tokens tells managers, and whose it is, that an API token ends soon: the program that
// uses it would stop on a morning when nobody thinks of it. It reads one page of a
// list, once an hour.
type Tokens struct {
	Staff *staff.Store
	Memos *memo.Office
	Now   func() time.Time
	Log   *slog.Logger

	looked seldom
}

const tokensEvery = time.Hour

// Run looks, if it is time.
func (k *Tokens) Run(ctx context.Context) error {
	return k.looked.do(k.Now(), tokensEvery, func() error {
		return k.Staff.TellEnding(ctx, func(t staff.Token) error { return k.tell(ctx, t) })
	})
}

func (k *Tokens) tell(ctx context.Context, t staff.Token) error {
	m, err := k.Staff.Staff(ctx, t.Staff)
	if err != nil || m.Disabled || m.Epoch != t.Epoch {
		return err
	}
	n, err := k.Memos.Tell(ctx, tokenMemo(m.School, t), func(p staff.Staff) bool { return memo.Managers(p) || p.ID == m.ID })
	if err == nil {
		k.Log.Info("told that a token ends", "school", m.School, "token", t.ID, "people", n)
	}
	return err
}

func tokenMemo(school string, t staff.Token) memo.Memo {
	day := t.Ends.Format("2006-01-02")
	return memo.Memo{
		School: school, About: "token-" + t.ID, Path: "/tokens", Until: t.Ends,
		Subject: lang.T("APIトークンの期限が近づいています：%s", "An API token ends soon: %s", day),
		Body: lang.T("ほかのプログラムが使うAPIトークンの一つが、%sに使えなくなります。\n使い続けるときは、新しいトークンを発行し、そのプログラムの設定に入れてから、古いトークンを取り消してください。使っていなければ、何もする必要はありません。\n",
			"One of the API tokens with which other programs use Todoku stops working on %s.\nTo go on using it, make a new token, put it into the settings of that program, then revoke the old one. If it is not used, there is nothing to do.\n", day),
	}
}
