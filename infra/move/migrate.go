package move

import (
	"context"
	"time"

	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/keep"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
)

// ErrKeep says that alerts would be given an end, and nobody has said which.
var ErrKeep = problem.New(problem.Invalid,
	"前の版のデータでは、連絡を残す期間が決まっていません。run の --keep-alerts（AWSでは設定 keepAlertDays、どちらもなければ%[1]d）と同じ日数を、--keep-alerts で指定してください。短くすると、古い連絡は消えて元に戻せません。",
	"The old data does not say for how long alerts are kept. Give --keep-alerts the days that run has (on AWS the setting keepAlertDays; %[1]d if there is none). With fewer, old alerts are gone for good.", int(keep.Alerts/(24*time.Hour)))

// Migrate brings what is of an older form up to date, while all works. alerts is for how
// long alerts are kept; 0: nobody knows, which is ErrKeep if it matters.
func Migrate(ctx context.Context, s format.Store, alerts time.Duration) (format.Report, error) {
	m, _, err := format.Read(ctx, s)
	if err != nil {
		return format.Report{}, err
	}
	if alerts == 0 && m.Is == 1 && m.Check() == nil {
		return format.Report{}, ErrKeep
	}
	return format.Migrate(ctx, s, []format.Step{
		{From: 1, Rewrite: keep.Table{Alerts: alerts}.Rewrite},
		{From: 3, Rewrite: roster.Repack}, // since 2 families are packed, since 3 their places in groups
	})
}
