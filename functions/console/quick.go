package console

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// quickPage is the data of quick.html: a template with its audience chosen, to be
// sent by holding one button. Without scripts the button leads to the preview.
type quickPage struct {
	web.Base
	Template alert.Template
	Form     compose
	Classes  []groupBox // that may be told; the person's own are chosen
	Others   []groupBox // groups that are no classes
	Children int        // of the whole school
	May      bool       // send to the whole school
	Until    string     // as the form writes it
	Me       staff.Staff
}

// allOf names all of a school: by its name to who looks after several, of which one is
// told.
func allOf(me staff.Staff, school string) lang.Text {
	if access.MayAnywhere(me, access.Overview) {
		return lang.T("%sの全員", "All of %s", school)
	}
	return lang.T("全校", "The whole school")
}

// Whole names all of the school.
func (p *quickPage) Whole() lang.Text { return allOf(p.Me, p.School.Name) }

// WholeCounted is Whole with how many they are.
func (p *quickPage) WholeCounted() lang.Text {
	w := p.Whole()
	return lang.T("%[1]s（%[3]dクラス・%[4]d人）", "%[2]s (%[3]d classes, %[4]d children)", w.JA, w.EN, len(p.Classes), p.Children)
}

// Drill reports whether the template is one of a drill.
func (p *quickPage) Drill() bool { return p.Template.Kind == alert.Drill }

// Audience spells out who is told, as quick.js does after a change.
func (p *quickPage) Audience() lang.Text {
	if p.Form.All {
		return p.WholeCounted()
	}
	var chosen []lang.Text
	total := 0
	for _, b := range slices.Concat(p.Classes, p.Others) {
		if b.Chosen {
			chosen = append(chosen, lang.T("%s（%d人）", "%s (%d)", b.Name, b.Children))
			total += b.Children
		}
	}
	text := lang.List(chosen)
	switch len(chosen) {
	case 0:
		return lang.T("送り先を選んでください", "Choose who it is for")
	case 1:
	default:
		text.JA += fmt.Sprintf(" 計%d人", total)
		text.EN += fmt.Sprintf(": %d children", total)
	}
	return text
}

// quick shows a template ready to be sent: to the whole school by those who may,
// to one's own classes by a teacher.
func (s *Server) quick(r *http.Request, me staff.Staff) (web.Response, error) {
	ctx := r.Context()
	templates, err := s.Alerts.Templates(ctx, me.School)
	if err != nil {
		return nil, err
	}
	t, err := templates.Find(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p, err := s.quickPage(ctx, me, t)
	if err != nil {
		return nil, err
	}
	p.Scripts = []string{"once.js", "quick.js"}
	return web.Page{Template: "quick.html", Data: p, Header: keptForBack()}, nil
}

func (s *Server) quickPage(ctx context.Context, me staff.Staff, t alert.Template) (*quickPage, error) {
	loc, err := s.zone(ctx, me.School)
	if err != nil {
		return nil, err
	}
	groups, err := s.Roster.Groups(ctx, me.School)
	if err != nil {
		return nil, err
	}
	chases, err := s.Alerts.Chases(ctx, me.School)
	if err != nil {
		return nil, err
	}
	p := &quickPage{Template: t, Me: me, Form: newCompose(t.Kind, s.Now(), loc, chases, s.Alerts.IDs.New())}
	p.Form.Subject, p.Form.Body = t.Subject, t.Body
	p.Until = p.Form.Until
	p.May = access.May(me, access.Send, access.Target{School: me.School})
	p.Form.All = p.May
	for _, g := range sendable(me, groups) {
		box := groupBox{Group: g, Chosen: !p.May && g.Kind == roster.Class}
		switch g.Kind {
		case roster.Grade:
		case roster.Class:
			p.Classes = append(p.Classes, box)
			p.Children += g.Children
		default:
			p.Others = append(p.Others, box)
		}
	}
	if len(p.Classes) == 0 && !p.May {
		for i := range p.Others {
			p.Others[i].Chosen = true
		}
	}
	return p, nil
}
