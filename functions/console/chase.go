package console

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const chasePath = "/chase"

func (s *Server) chaseRoutes(rt *routes) {
	rt.page("GET "+chasePath, access.Settings, s.chaseSettings)
	rt.page("POST "+chasePath, access.Settings, s.setChase, recordsItself())
}

// remindAsUsual has a draft chased as its school does, where the form does not ask.
func (s *Server) remindAsUsual(ctx context.Context, d *alert.Draft) error {
	chases, err := s.Alerts.Chases(ctx, d.School)
	d.RemindAfter = time.Duration(chases.Of(d.Kind).After) * time.Minute
	chases.Apply(d)
	return err
}

// reminderWords says when and how often those are reminded who have not answered.
func reminderWords(after, every time.Duration, times int) lang.Text {
	minutes := func(d time.Duration) int { return int(d / time.Minute) }
	switch {
	case after <= 0:
		return lang.T("しない", "none")
	case times <= 1:
		return lang.T("%d分後、回答がない家庭へ1回", "once, after %d minutes, to families that have not answered", minutes(after))
	}
	return lang.T("%[1]d分後、その後は%[2]d分ごとに、回答がない家庭へ%[3]d回まで", "after %[1]d minutes, then every %[2]d, to families that have not answered, at most %[3]d times", minutes(after), minutes(every), times)
}

// chaseForm is one kind's part of the form, as it was filled in.
type chaseForm struct {
	Kind                alert.Kind
	Name                lang.Text
	After, Every, Times string
	TellMissing         bool
}

// Field names a field of the part.
func (f chaseForm) Field(name string) string { return name + "_" + string(f.Kind) }

// chasePage is the data of chase.html.
type chasePage struct {
	web.Base
	Kinds    []chaseForm
	Revision int64
}

func (s *Server) chaseSettings(r *http.Request, me staff.Staff) (web.Response, error) {
	chases, err := s.Alerts.Chases(r.Context(), me.School)
	p := &chasePage{Revision: chases.Revision}
	for _, k := range kindCards {
		one := chases.Of(k.Kind)
		f := chaseForm{Kind: k.Kind, Name: k.Name, Every: strconv.Itoa(one.Every), Times: strconv.Itoa(one.Times), TellMissing: one.TellMissing}
		f.After = defaultRemind(chases, k.Kind)
		p.Kinds = append(p.Kinds, f)
	}
	if r.URL.Query().Get("done") != "" {
		p.Notice = lang.T("保存しました。次に送る連絡から使われます。", "Saved, for the alerts to come.").In(web.Language(r))
	}
	return web.Page{Template: "chase.html", Data: p}, err
}

// setChase keeps the settings. Alerts under way go on as they were sent.
func (s *Server) setChase(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	chases := alert.Chases{Kinds: map[alert.Kind]alert.Chase{}, Revision: revisionOf(form)}
	p := &chasePage{Revision: chases.Revision}
	p.Problems = form.Wrong
	for _, k := range kindCards {
		f := chaseForm{Kind: k.Kind, Name: k.Name}
		f.After, f.Every, f.Times = form.Get(f.Field("after")), form.Get(f.Field("every")), form.Get(f.Field("times"))
		f.TellMissing = form.Get(f.Field("tell_missing")) == "1"
		p.Kinds = append(p.Kinds, f)
		chases.Kinds[k.Kind] = f.chase()
	}
	if len(p.Problems) == 0 {
		err = s.putChases(r, me, chases)
		p.Problems = s.site.Mendable(err)
	}
	switch {
	case len(p.Problems) > 0:
		return web.Page{Template: "chase.html", Data: p}, nil
	case err != nil:
		return nil, err
	}
	return web.Redirect{To: chasePath + "?done=1"}, nil
}

func (s *Server) putChases(r *http.Request, me staff.Staff, chases alert.Chases) error {
	var said []string
	for _, k := range kindCards {
		one := chases.Kinds[k.Kind]
		words := reminderWords(time.Duration(one.After)*time.Minute, time.Duration(one.Every)*time.Minute, one.Times)
		said = append(said, k.Name.JA+": "+words.JA)
	}
	return s.record(r.Context(), entry(me, audit.Settings, "", "再送: "+strings.Join(said, "、")), func() error {
		return s.Alerts.PutChases(r.Context(), me.School, chases)
	})
}

// chase reads the numbers; what is none is for the domain to refuse.
func (f chaseForm) chase() alert.Chase {
	number := func(s string) int {
		n, err := strconv.Atoi(strings.TrimSpace(norm.NFKC.String(s)))
		if err != nil {
			return -1
		}
		return n
	}
	c := alert.Chase{Every: number(f.Every), Times: number(f.Times), TellMissing: f.TellMissing}
	if strings.TrimSpace(f.After) != "" {
		c.After = number(f.After)
	}
	return c
}
