package console

import (
	"context"
	"fmt"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/lang"
)

// laneNews is what the status page says of a lane that has copies waiting.
type laneNews struct {
	Text lang.Text
	Late int64 // copies that will probably not leave in time
}

// laneOutlook says of each lane with waiting copies how long these will probably take. What cannot
// be read is left out: the figures stand all the same.
func (s *Server) laneOutlook(ctx context.Context, p *statusPage, now time.Time) {
	if s.Gate == nil || p.State != alert.StateOpen {
		return
	}
	u, err := s.Gate.Unheard(ctx)
	if err != nil {
		s.Log.Warn("it is not known whether verdicts come", "err", err)
	}
	if p.Unheard = u.Since; p.Copies.Waiting() == 0 {
		return
	}
	known, err := s.Gate.Known(ctx)
	if err != nil {
		s.Log.Warn("the lanes' memory was not read", "err", err)
		return
	}
	held, err := s.refusing(ctx, p.Alert.School)
	if err != nil {
		s.Log.Warn("it is not known which lanes are held", "err", err)
	}
	byName := map[string]gate.Lane{}
	for _, l := range known {
		byName[l.Name] = l
	}
	for _, l := range p.Lanes {
		n := l.Waiting()
		if n == 0 {
			continue
		}
		k := byName[l.Lane]
		k.Name = l.Lane
		o := s.Gate.Outlook(k, n, held[l.Lane])
		news := laneNews{Text: outlookWords(s.Lanes.Named(l.Lane).Label, o, now.Sub(l.Since)), Late: o.Late(p.Alert.UsefulUntil.Sub(now))}
		p.Outlook = append(p.Outlook, news)
		p.LateLikely += news.Late
	}
}

// outlookWords says how a lane fares, how many copies wait, since when, and how long
// they will probably take.
func outlookWords(label lang.Text, o gate.Outlook, age time.Duration) lang.Text {
	since, state := lang.T("たった今", "less than a minute"), outlookState(o)
	if minutes := int64(age / time.Minute); minutes > 0 {
		since = lang.T("%d分前", "%d min", minutes)
	}
	return lang.Text{
		JA: fmt.Sprintf("%s：%sから%d通が送信待ちです。%s", label.JA, since.JA, o.Waiting, state.JA),
		EN: fmt.Sprintf("%s: mails waiting for %s: %d. %s", label.EN, since.EN, o.Waiting, state.EN),
	}
}

func outlookState(o gate.Outlook) lang.Text {
	half, most := soon(o.After(0.5)), soon(o.After(0.99))
	switch {
	case o.Held:
		return lang.T("送信を止めています。再開するまで届きません。", "Sending there is held: nothing leaves until it is resumed.")
	case o.Paused:
		return lang.T("相手先が受け取りを延期しているため、1通ずつ試しています。受け取りが再開すれば、半分は%d分、ほぼ全部は%d分ほどで送れます。",
			"The operator puts mail off; one at a time is tried. Once it takes mail again, half will take about %d min and nearly all about %d min.", half, most)
	case o.Silent:
		return lang.T("到着の知らせが来ないため、控えめな速さで送り続けています。半分は%d分、ほぼ全部は%d分ほどです。",
			"No news of arrivals comes in, so mail goes out at a cautious rate: half in about %d min, nearly all in about %d min.", half, most)
	}
	return lang.T("半分は%d分、ほぼ全部は%d分ほどで送れる見込みです。", "Half will leave in about %d min, nearly all in about %d min.", half, most)
}

// soon is a time in whole minutes, at least one.
func soon(d time.Duration) int64 { return max(int64((d+time.Minute-1)/time.Minute), 1) }
