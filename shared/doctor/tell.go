package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/memo"
	"github.com/todoku/todoku/shared/roster"
)

// memoLife is how long a memo of a failure is tried: until the next look.
const memoLife = every

// TellManagers returns what tells the managers of all schools of failures. That mail
// may be what has failed is no reason not to try: most failures are of one domain, or
// are refused by some.
func TellManagers(office *memo.Office, schools *roster.Store, now func() time.Time) func(context.Context, []Finding) error {
	return func(ctx context.Context, news []Finding) error {
		all, err := schools.Schools(ctx)
		if err != nil {
			return err
		}
		for _, s := range all {
			if _, err := office.Tell(ctx, newsMemo(s.ID, news, now()), memo.Managers); err != nil {
				return err
			}
		}
		return nil
	}
}

func newsMemo(school string, news []Finding, now time.Time) memo.Memo {
	m := memo.Memo{
		School: school, About: fmt.Sprintf("doctor-%d", now.Unix()), Path: "/system", Until: now.Add(memoLife),
		Subject: lang.T("【要対応】保護者に連絡が届かないおそれがあります", "Mend this: alerts may not reach guardians"),
		Body:    lang.T("システムの点検で見つかりました。\n", "The system check found:\n"),
	}
	for _, f := range news {
		m.Body.JA += fmt.Sprintf("\n・%s\n　%s\n", f.What.JA, f.Why.JA)
		m.Body.EN += fmt.Sprintf("\n- %s\n  %s\n", f.What.EN, f.Why.EN)
	}
	m.Body.JA += "\n直し方は、次のページにあります。\n"
	m.Body.EN += "\nHow to mend it is on this page.\n"
	return m
}
