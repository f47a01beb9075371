package console

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// handOverPage is the data of hand_over.html and hand_over_preview.html: who leaves,
// and who has which class from now on.
type handOverPage struct {
	web.Base
	People  []leaver
	Classes []handedClass
	Changes []handChange
}

// leaver is somebody who may leave.
type leaver struct {
	staff.Staff
	Leaves bool
}

// handedClass is a class and who has it.
type handedClass struct {
	roster.Group
	Field string   // of the form
	Now   []string // who has it today
	Text  string   // who is to have it, as it was typed
	Next  []string
}

// handChange is what changes for somebody.
type handChange struct {
	Old, New  staff.Staff
	Take, End []string // names of classes
}

// handOver shows who has what today.
func (s *Server) handOver(r *http.Request, me staff.Staff) (web.Response, error) {
	h, err := s.newHandOver(r, me)
	if err != nil {
		return nil, err
	}
	for i := range h.Classes {
		h.Classes[i].Text = lang.Names(h.Classes[i].Now).In(web.Language(r))
	}
	return h.page("hand_over.html"), nil
}

func (h *handOverPage) page(template string) web.Page {
	return web.Page{Template: template, Data: h}
}

// newHandOver reads the people who are not disabled, and the classes.
func (s *Server) newHandOver(r *http.Request, me staff.Staff) (*handOverPage, error) {
	people, err := s.Staff.OfSchool(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	groups, err := s.Roster.Groups(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	h := &handOverPage{}
	h.Scripts = []string{"once.js"}
	for _, m := range people {
		if !m.Disabled && slices.Contains(schoolRoles, m.Role) {
			h.People = append(h.People, leaver{Staff: m})
		}
	}
	slices.SortStableFunc(h.People, func(a, b leaver) int { return cmp.Compare(a.Name, b.Name) })
	for _, g := range groups {
		if g.Kind != roster.Class {
			continue
		}
		c := handedClass{Group: g, Field: "class_" + g.ID}
		for _, m := range h.People {
			if slices.Contains(m.Groups, g.ID) {
				c.Now = append(c.Now, h.Handle(m.Staff))
			}
		}
		h.Classes = append(h.Classes, c)
	}
	return h, nil
}

// Handle is how somebody is named in the form: by the name, or by the mail address
// where two have the same name.
func (h *handOverPage) Handle(m staff.Staff) string {
	for _, other := range h.People {
		if other.ID != m.ID && roster.HeaderKey(other.Name) == roster.HeaderKey(m.Name) && m.Mail != "" {
			return m.Mail
		}
	}
	return m.Name
}

// readHandOver fills the form in as it was posted and works out what changes.
func (s *Server) readHandOver(r *http.Request, me staff.Staff) (*handOverPage, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	h, err := s.newHandOver(r, me)
	if err != nil {
		return nil, err
	}
	h.Problems = form.Wrong
	h.fill(form.Values)
	if len(h.Problems) == 0 {
		h.work()
	}
	return h, nil
}

func (h *handOverPage) fill(v url.Values) {
	for i := range h.People {
		h.People[i].Leaves = slices.Contains(v["leaves"], h.People[i].ID)
	}
	for i := range h.Classes {
		c := &h.Classes[i]
		c.Text = v.Get(c.Field)
		for _, word := range splitWords(c.Text) {
			id, wrong := h.find(word)
			if wrong != nil {
				h.Problems = append(h.Problems, wrong.In(c.Field))
				continue
			}
			c.Next = append(c.Next, id)
		}
	}
}

// find returns who is meant by a name or a mail address.
func (h *handOverPage) find(word string) (string, *problem.Error) {
	var found []leaver
	for _, m := range h.People {
		if strings.EqualFold(m.Mail, word) && word != "" || roster.HeaderKey(m.Name) == roster.HeaderKey(word) {
			found = append(found, m)
		}
	}
	switch {
	case len(found) == 0:
		return "", problem.New(problem.Invalid, "「%.40s」という教職員はいません。先に招待するか、氏名を直してください。", "Nobody is called “%.40s”. Invite the person first, or correct the name.", word)
	case len(found) > 1:
		return "", problem.New(problem.Invalid, "「%.40s」は二人以上います。メールアドレスで書いてください。", "Two or more are called “%.40s”. Write the mail address.", word)
	case found[0].Leaves:
		return "", problem.New(problem.Invalid, "「%.40s」は、転出・退職に印が付いています。", "“%.40s” is marked as leaving.", word)
	}
	return found[0].ID, nil
}

// work works out what changes for whom.
func (h *handOverPage) work() {
	for _, m := range h.People {
		c := handChange{Old: m.Staff, New: m.Staff}
		c.New.Disabled = m.Leaves
		c.New.Groups = nil
		classes := map[string]bool{}
		for _, class := range h.Classes {
			classes[class.ID] = true
			had, has := slices.Contains(m.Groups, class.ID), slices.Contains(class.Next, m.ID)
			switch {
			case has && !had:
				c.Take = append(c.Take, class.Name)
			case had && !has:
				c.End = append(c.End, class.Name)
			}
			if has {
				c.New.Groups = append(c.New.Groups, class.ID)
			}
		}
		for _, g := range m.Groups { // clubs and such stay
			if !classes[g] && !m.Leaves {
				c.New.Groups = append(c.New.Groups, g)
			}
		}
		if m.Leaves || len(c.Take)+len(c.End) > 0 {
			h.Changes = append(h.Changes, c)
		}
	}
}

// Empty returns the classes that nobody would have.
func (h *handOverPage) Empty() []string {
	var names []string
	for _, c := range h.Classes {
		if len(c.Next) == 0 {
			names = append(names, c.Name)
		}
	}
	return names
}

// Hidden returns the form as fields.
func (h *handOverPage) Hidden() []Hidden {
	var fields []Hidden
	for _, m := range h.People {
		if m.Leaves {
			fields = append(fields, Hidden{"leaves", m.ID})
		}
	}
	for _, c := range h.Classes {
		fields = append(fields, Hidden{c.Field, c.Text})
	}
	return fields
}

func (s *Server) editHandOver(r *http.Request, me staff.Staff) (web.Response, error) {
	h, err := s.readHandOver(r, me)
	if err != nil {
		return nil, err
	}
	return h.page("hand_over.html"), nil
}

func (s *Server) previewHandOver(r *http.Request, me staff.Staff) (web.Response, error) {
	h, err := s.readHandOver(r, me)
	if err != nil {
		return nil, err
	}
	if len(h.Problems) > 0 {
		return h.page("hand_over.html"), nil
	}
	return h.page("hand_over_preview.html"), nil
}

// applyHandOver does it. What was done in part before is no change any more, so
// that pressing again does the rest.
func (s *Server) applyHandOver(r *http.Request, me staff.Staff) (web.Response, error) {
	h, err := s.readHandOver(r, me)
	if err != nil {
		return nil, err
	}
	if len(h.Problems) > 0 {
		return h.page("hand_over.html"), nil
	}
	changed := make([]staff.Staff, len(h.Changes))
	leave := 0
	for i, c := range h.Changes {
		changed[i] = c.New
		if c.New.Disabled {
			leave++
		}
	}
	said := fmt.Sprintf("引き継ぎ: 変更%d人 転出%d人", len(changed)-leave, leave)
	err = s.record(r.Context(), entry(me, audit.People, "", said), func() error {
		return s.Staff.Change(r.Context(), me.School, changed...)
	})
	if wrong := s.site.Mendable(err); len(wrong) > 0 {
		h.Problems = wrong
		return h.page("hand_over_preview.html"), nil
	}
	if err != nil {
		return nil, err
	}
	return web.Redirect{To: peoplePath + "?done=hand-over"}, nil
}
