package docket

import (
	"context"
	"errors"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/memo"
	"github.com/todoku/todoku/shared/table"
)

// mostWeighed bounds the open alerts that are looked at in a run: of a district in which
// each of hundreds of schools has some. They are read in pages.
const (
	mostWeighed = 1000
	weighPage   = 100
)

// Weigh counts what the newest alerts did to the account's standing, and puts the brake
// on, or lets it go. The tick calls it; it reads the open alerts, one small item for each that
// began within a day, and the alert's counters if that has news.
func (c *Clerk) Weigh(ctx context.Context) error {
	now := c.Now().UTC()
	c.mu.Lock()
	due := now.Sub(c.weighed) >= weighEvery || now.Before(c.weighed)
	if due {
		c.weighed = now
	}
	c.mu.Unlock()
	if !due {
		return nil
	}
	open, err := c.open(ctx, now)
	if err != nil {
		return err
	}
	b, err := c.Brake(ctx)
	if err != nil || len(open) == 0 && !b.On() && !b.unsettled(now) {
		return err
	}
	changed, err := c.count(ctx, &b, open, now)
	if err != nil {
		return err
	}
	was := b.On()
	b.weigh(now)
	if !changed && was == b.On() {
		return nil
	}
	err = c.putBrake(ctx, b)
	if err != nil || was == b.On() {
		return table.IgnoreConflict(err) // another run was faster, or there is nothing to tell
	}
	return c.tellBrake(ctx, b)
}

// open returns the open alerts of which events may still come.
func (c *Clerk) open(ctx context.Context, now time.Time) (open []alert.Alert, err error) {
	after := ""
	for read := 0; read < mostWeighed; read += weighPage {
		page, next, err := c.Alerts.Open(ctx, after, weighPage)
		if err != nil {
			return nil, err
		}
		for _, a := range page {
			if !now.Before(a.Starts) && now.Sub(a.Starts) <= settling {
				open = append(open, a)
			}
		}
		if after = next; next == "" {
			return open, nil
		}
	}
	c.Log.Warn("the brake does not look at all open alerts", "looked", mostWeighed)
	return open, nil
}

// unsettled reports whether events may still come of an alert that is over.
func (b *Braked) unsettled(now time.Time) bool {
	return len(b.Loads) > 0 && now.Sub(b.Loads[0].Starts) < settling
}

// count brings the loads up to date, and reports whether they changed.
func (c *Clerk) count(ctx context.Context, b *Braked, open []alert.Alert, now time.Time) (changed bool, err error) {
	known := map[string]bool{}
	for i := range b.Loads {
		l := &b.Loads[i]
		known[l.Alert] = true
		if now.Sub(l.Starts) < settling {
			news, err := c.countOne(ctx, l, now)
			if err != nil {
				return changed, err
			}
			changed = changed || news
		}
	}
	for _, a := range open {
		if known[a.ID] {
			continue
		}
		l := load{Alert: a.ID, School: a.School, Starts: a.Starts}
		if _, err := c.countOne(ctx, &l, now); err != nil {
			return changed, err
		}
		b.Loads, changed = append(b.Loads, l), true
	}
	return changed, nil
}

// countOne counts one alert's mails anew if there is news of it, or for some time was not.
func (c *Clerk) countOne(ctx context.Context, l *load, now time.Time) (bool, error) {
	item, err := c.Table.Get(ctx, rateKey(l.Alert))
	if err != nil && !errors.Is(err, table.ErrNotFound) {
		return false, err
	}
	bounced, complained := item.Counts[fieldBounced], item.Counts[fieldComplain]
	if bounced == l.Bounced && complained == l.Complained && now.Sub(l.Counted) < fullEvery {
		return false, nil
	}
	a, err := c.Alerts.Alert(ctx, l.Alert)
	if errors.Is(err, alert.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	st, err := c.Alerts.Status(ctx, a)
	if err != nil {
		return false, err
	}
	by := st.Copies.By
	l.Mails = by[string(alert.Sent)] + by[string(alert.Delivered)] + by[string(alert.Refused)]
	l.Bounced, l.Complained, l.Counted = bounced, complained, now
	return true, nil
}

// tellBrake tells the managers of the schools that sent, and in the log the operator,
// that the brake is on, or was let go.
func (c *Clerk) tellBrake(ctx context.Context, b Braked) error {
	subject := lang.T("お知らせの送信を止めました", "Notices are stopped")
	said := b.Said()
	body := lang.Text{
		JA: said.JA + "\nこのまま送り続けると、メールサービスが学校のすべてのメールを止めるおそれがあるため、先に止めました。\n\n" +
			"・お知らせと訓練は、送らずに待っています。\n・安否確認は送ります。ただし、確認されていない連絡先と、最近拒否された連絡先には送りません。電話で連絡してください。\n\n" +
			"割合が下がれば自動で再開します。届かなかった連絡先を直してから、画面で再開することもできます。\n",
		EN: said.EN + "\nIf sending went on like that, the mail service might stop all of the school's mail. So it was stopped first.\n\n" +
			"- Notices and drills wait and are not sent.\n- Safety checks go on, but not to contacts that were never confirmed or were refused lately: please phone those.\n\n" +
			"Sending goes on by itself when the rates have fallen. You can also resume it on the page, after correcting the addresses.\n",
	}
	event := b.Since
	if b.On() {
		c.Log.Error("the brake is on: notices are stopped", "mails", b.Mails, "bounces", b.Bounces, "complaints", b.Complaints)
	} else {
		c.Log.Warn("the brake is let go: the rates have fallen", "mails", b.Mails, "bounces", b.Bounces, "complaints", b.Complaints)
		event, subject = b.Resumed, lang.T("お知らせの送信を再開しました", "Notices are sent again")
		body = lang.Text{JA: said.JA + "\n割合が下がったため、送信を再開しました。\n", EN: said.EN + "\nThe rates have fallen, and sending goes on.\n"}
	}
	told := map[string]bool{}
	for _, l := range b.Loads {
		if told[l.School] {
			continue
		}
		told[l.School] = true
		_, err := c.Memos.Tell(ctx, memo.Memo{
			School: l.School, About: "brake-" + event.Format("20060102T150405"), Path: Path, Subject: subject, Body: body, Until: event.Add(24 * time.Hour),
		}, memo.Managers)
		if err != nil {
			c.Log.Warn("managers were not told of the brake", "school", l.School, "err", err)
		}
	}
	return nil
}
