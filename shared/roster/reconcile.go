package roster

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lang"
)

// builder makes, of a household, the family that the import leaves behind. Its
// rules, in short:
//
//   - What a row says is taken over; what it leaves empty stays as it was. A column
//     for groups says all groups of a child.
//   - The office's data follows the file: a guardian or address that only the
//     office has entered, and that the file now replaces by another, goes.
//   - What a guardian has confirmed stays (Contact.Confirmed). People change their
//     addresses themselves, and an old file of the office must not undo it.
//   - What a person took out stays out (Family.Closed).
//   - Nothing is taken from a child of whom the file does not speak.
//
// Building again from the same rows changes nothing.
type builder struct {
	*draft
	ids    *id.Source
	pupils []*pupil
	f      Family
	lost   map[string]bool // guardians who lost a child
}

// build returns the family; it is valid only if Validate says so.
func (h *household) build(ids *id.Source, note func(int, Field, lang.Text)) Family {
	old := fuse(h.old)
	b := &builder{draft: newDraft(old, h.pupils, note), ids: ids, pupils: h.pupils, f: clone(old), lost: map[string]bool{}}
	if b.f.ID == "" {
		b.f.ID = ids.New()
	}
	b.match()
	b.placeChildren()
	for _, w := range b.wishes {
		b.update(b.guardian(w.guardian), w)
	}
	for _, w := range b.wishes {
		for _, a := range w.addresses {
			b.placeAddress(w, a)
		}
	}
	for _, p := range b.pupils {
		b.link(p)
	}
	b.dropContacts()
	for b.fuseNameless() {
	}
	b.dropGuardians()
	return b.f
}

// fuse joins families to one, the first; guardians of one name are one person.
func fuse(old []Family) Family {
	if len(old) == 0 {
		return Family{}
	}
	f := clone(old[0])
	for _, o := range old[1:] {
		o = clone(o)
		same := map[string]string{}
		for _, g := range o.Guardians {
			same[g.ID] = f.admit(g)
		}
		for _, c := range o.Children {
			for i, g := range c.Guardians {
				c.Guardians[i] = same[g]
			}
			c.Guardians = addNew(nil, c.Guardians...)
			f.Children = append(f.Children, c)
		}
		f.Closed = addNew(f.Closed, o.Closed...)
	}
	return f
}

// admit adds a guardian and returns the id under which the family has the person.
func (f *Family) admit(g Guardian) string {
	for i := range f.Guardians {
		if have := &f.Guardians[i]; g.Name != "" && fold(have.Name) == fold(g.Name) {
			have.Phones = addPhones(have.Phones, g.Phones...)
			have.Contacts = append(have.Contacts, g.Contacts...)
			return have.ID
		}
	}
	f.Guardians = append(f.Guardians, g)
	return g.ID
}

// clone copies a family with all its slices.
func clone(f Family) Family {
	f.Children, f.Guardians, f.Closed = slices.Clone(f.Children), slices.Clone(f.Guardians), slices.Clone(f.Closed)
	for i := range f.Children {
		c := &f.Children[i]
		c.Groups, c.Guardians = slices.Clone(c.Groups), slices.Clone(c.Guardians)
	}
	for i := range f.Guardians {
		g := &f.Guardians[i]
		g.Phones, g.Contacts = slices.Clone(g.Phones), slices.Clone(g.Contacts)
	}
	return f
}

func (b *builder) guardian(id string) *Guardian {
	for i := range b.f.Guardians {
		if b.f.Guardians[i].ID == id {
			return &b.f.Guardians[i]
		}
	}
	return nil
}

// match finds out which guardians of the roster the file means: by name, by
// address, by phone for those without a name; the others are new.
func (b *builder) match() {
	taken := map[string]*wish{}
	for _, w := range b.wishes {
		if w.guardian != "" {
			taken[w.guardian] = w
		}
	}
	for _, find := range []func(*wish, Guardian) bool{sameName, sameAddress, samePhone} {
		for _, w := range b.wishes {
			for _, g := range b.f.Guardians {
				if w.guardian == "" && taken[g.ID] == nil && find(w, g) {
					w.guardian, taken[g.ID] = g.ID, w
				}
			}
		}
	}
	for _, w := range b.wishes {
		if w.guardian == "" {
			w.guardian = b.matchTaken(w, taken)
		}
		if w.guardian == "" {
			w.guardian = b.ids.New()
			b.f.Guardians = append(b.f.Guardians, Guardian{ID: w.guardian})
		}
	}
}

// matchTaken finds the guardian of one without a name whose address belongs to
// somebody whom the file names elsewhere.
func (b *builder) matchTaken(w *wish, taken map[string]*wish) string {
	for _, g := range b.f.Guardians {
		if w.name == "" && owns(w, g) {
			who := taken[g.ID]
			who.phones, who.relation = addPhones(who.phones, w.phones...), cmp.Or(who.relation, w.relation)
			w.phones, w.relation = nil, ""
			return g.ID
		}
	}
	return ""
}

func sameName(w *wish, g Guardian) bool { return w.name != "" && fold(w.name) == fold(g.Name) }

// sameAddress also holds if the name is another: the office has corrected it,
// unless the guardian confirmed the contact.
func sameAddress(w *wish, g Guardian) bool {
	return owns(w, g) && (w.name == "" || g.Name == "" || !g.confirmed())
}

func samePhone(w *wish, g Guardian) bool {
	return w.name == "" && g.Name == "" && len(w.addresses) == 0 && sharePhone(w.phones, g.Phones)
}

func owns(w *wish, g Guardian) bool {
	return slices.ContainsFunc(w.addresses, func(a address.Address) bool { return g.ContactAt(a.Key()) >= 0 })
}

// contact returns the index of the contact with the address key, and -1 if there
// is none.
// ContactAt returns which of the guardian's contacts has an address, given its
// address.Address.Key, or -1.
func (g Guardian) ContactAt(key string) int {
	return slices.IndexFunc(g.Contacts, func(c Contact) bool { return c.Key() == key })
}

func (g Guardian) confirmed() bool { return slices.ContainsFunc(g.Contacts, Contact.Confirmed) }

// placeChildren finds or adds each pupil in the family and takes over what the
// file says. A child of the same name who is in no row has moved to another class.
func (b *builder) placeChildren() {
	taken := map[int]bool{}
	for _, p := range b.pupils {
		if p.index = b.located(p); p.index >= 0 {
			taken[p.index] = true
		}
	}
	for _, p := range b.pupils {
		if p.index < 0 && !p.isNew {
			p.index = b.moved(p, taken)
		}
		if p.index < 0 {
			p.index = len(b.f.Children)
			b.f.Children = append(b.f.Children, Child{ID: b.ids.New()})
		}
		taken[p.index] = true
		p.childID = b.f.Children[p.index].ID
		b.updateChild(p)
	}
}

func (b *builder) moved(p *pupil, taken map[int]bool) int {
	for i, c := range b.f.Children {
		if !taken[i] && isCalled(c, p.child) {
			return i
		}
	}
	return -1
}

// isCalled reports whether two children have one name, and not two numbers.
func isCalled(a, b Child) bool {
	return fold(a.Name) == fold(b.Name) && agree(fold(a.Number), fold(b.Number))
}

// located returns where in the family the child is that locate has found, -1 if
// none was.
func (b *builder) located(p *pupil) int {
	if p.at == nil {
		return -1
	}
	return slices.IndexFunc(b.f.Children, func(c Child) bool { return c.ID == p.at.id })
}

func (b *builder) updateChild(p *pupil) {
	c := &b.f.Children[p.index]
	if c.Class != p.child.Class {
		c.Seat = 0 // it was one of another class
	}
	c.Name, c.Class = p.child.Name, p.child.Class
	if p.child.Number != "" {
		c.Number = p.child.Number
	}
	if p.child.Kana != "" {
		c.Kana = p.child.Kana
	}
	if p.child.Seat != 0 {
		c.Seat = p.child.Seat
	}
	if !p.hasGroups {
		return
	}
	if gone := len(c.Groups) - len(common(c.Groups, p.child.Groups)); gone > 0 {
		b.note(p.row(), Groups, lang.T("「%s」は、この行にない%d件のグループから外れます。", "“%s” leaves %d groups that this row does not name.", c.Name, gone))
	}
	c.Groups = slices.Clone(p.child.Groups)
}

func common(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

func (b *builder) update(g *Guardian, w *wish) {
	if w.name != "" {
		g.Name = w.name
	}
	if w.relation != "" {
		g.Relation = w.relation
	}
	if len(w.phones) == 0 {
		return
	}
	phones := slices.Clone(w.phones)
	if g.confirmed() {
		phones = addPhones(phones, g.Phones...)
	}
	g.Phones = phones[:min(len(phones), MaxPhones)]
	if over := phones[len(g.Phones):]; len(over) > 0 {
		b.note(w.row, Phone, lang.T("「%[1]s」の電話番号が%[2]d件を超えるので、%[3]s は名簿に入りません。残す番号を%[2]d件以内でファイルに入れてください。",
			"“%[1]s” has more than %[2]d phone numbers; not taken: %[3]s. Please put those to keep, at most %[2]d, in the file.", g.label(), MaxPhones, strings.Join(over, ", ")))
	}
}

// placeAddress gives an address to the guardian who has it in the file. Of a
// contact that is confirmed, the roster knows better whose it is.
func (b *builder) placeAddress(w *wish, a address.Address) {
	for i := range b.f.Guardians {
		g := &b.f.Guardians[i]
		at := g.ContactAt(a.Key())
		if at < 0 {
			continue
		}
		if g.ID == w.guardian || g.Contacts[at].Confirmed() {
			return
		}
		moved := g.Contacts[at]
		g.Contacts = slices.Delete(g.Contacts, at, at+1)
		to := b.guardian(w.guardian)
		to.Contacts = append(to.Contacts, moved)
		b.followContact(g.ID, to.ID)
		return
	}
	to := b.guardian(w.guardian)
	to.Contacts = append(to.Contacts, Contact{ID: b.ids.New(), Address: a.String(), State: Unverified})
}

// followContact links the children of one guardian to another to whom a contact of
// theirs went, for they are told through it. link sees to those of whom the file
// says more.
func (b *builder) followContact(from, to string) {
	for i := range b.f.Children {
		if c := &b.f.Children[i]; c.AnsweredBy(from) {
			c.Guardians = addNew(c.Guardians, to)
		}
	}
}

// link sets who answers for a child: those whom its rows name, those who have the
// addresses in them, and those who were linked to it and have confirmed.
func (b *builder) link(p *pupil) {
	if len(p.named) == 0 {
		return
	}
	var named []string
	for _, w := range p.named {
		named = addNew(named, w.guardian)
	}
	for _, a := range p.claims {
		named = addNew(named, b.ownerOf(a))
	}
	c := &b.f.Children[p.index]
	var kept []string
	for _, id := range c.Guardians {
		switch g := b.guardian(id); {
		case slices.Contains(named, id):
			kept = append(kept, id)
		case g.confirmed():
			kept = append(kept, id)
			b.noteKept(p, *g, named)
		default:
			b.lost[id] = true
		}
	}
	if !slices.Equal(common(kept, named), named) { // else the order of the roster serves
		kept = addNew(named, kept...)
	}
	c.Guardians = kept
}

// noteKept says who is told of a child although its rows do not name the person any
// more: an address of a stranger, once mistyped, stays when it is corrected. One of the
// same name as somebody in the rows has registered beside.
func (b *builder) noteKept(p *pupil, g Guardian, named []string) {
	if g.Name != "" && slices.ContainsFunc(named, func(id string) bool { return fold(b.guardian(id).Name) == fold(g.Name) }) {
		return
	}
	b.note(p.row(), GuardianName, lang.T("「%[1]s」の保護者「%[2]s」はこの行にありませんが、本人が確認したアドレスなので残り、連絡が届き続けます。この子の保護者でなければ、「登録状況」でこの子のクラスを開き、「このアドレスを外す」で、この子から外してください。",
		"“%[2]s”, a guardian of “%[1]s”, is not in this row, but has confirmed an address and goes on being told. If this is nobody of the child's, open the class under “Registration”, choose “Remove this address”, and take the person off the child.", p.child.Name, g.label()))
}

func (b *builder) ownerOf(key string) string {
	for _, g := range b.f.Guardians {
		if g.ContactAt(key) >= 0 {
			return g.ID
		}
	}
	return ""
}

// dropContacts removes addresses of the office that the file has replaced.
func (b *builder) dropContacts() {
	for _, w := range b.wishes {
		g := b.guardian(w.guardian)
		if len(w.addresses) == 0 || !b.speaksFor(g.ID) {
			continue
		}
		g.Contacts = slices.DeleteFunc(g.Contacts, func(c Contact) bool {
			gone := !c.Confirmed() && b.owner[c.Key()] == nil
			if gone {
				b.note(w.row, Mail, lang.T("アドレス %s はこのファイルにないので、名簿から外します。",
					"The address %s is not in this file and is taken out of the roster.", c.Address))
			}
			return gone
		})
	}
}

// speaksFor reports whether the file has all children of the guardian.
func (b *builder) speaksFor(guardian string) bool {
	for i, c := range b.f.Children {
		inFile := slices.ContainsFunc(b.pupils, func(p *pupil) bool { return p.index == i })
		if !inFile && c.AnsweredBy(guardian) {
			return false
		}
	}
	return true
}

// dropGuardians removes those whom the file has replaced and who have no child
// left, and those of whom nothing is known any more.
func (b *builder) dropGuardians() {
	b.f.Guardians = slices.DeleteFunc(b.f.Guardians, func(g Guardian) bool {
		linked := len(b.f.ChildrenOf(g.ID)) > 0
		if exported(g).empty() && len(g.Contacts) == 0 {
			b.unlink(g.ID)
			return true
		}
		gone := b.lost[g.ID] && !linked
		if gone {
			b.note(b.pupils[0].row(), GuardianName, lang.T("保護者「%s」はこのファイルにないので、名簿から外します。",
				"The guardian “%s” is not in this file and is taken out of the roster.", g.label()))
		}
		return gone
	})
}

func (b *builder) unlink(guardian string) {
	for i := range b.f.Children {
		c := &b.f.Children[i]
		c.Guardians = slices.DeleteFunc(c.Guardians, func(g string) bool { return g == guardian })
	}
}

// fuseNameless makes one of two guardians of whom only a phone number is known,
// the same one. It reports whether there were such two.
func (b *builder) fuseNameless() bool {
	for i := range b.f.Guardians {
		for j := range i {
			to, from := &b.f.Guardians[j], b.f.Guardians[i]
			if !onlyPhone(*to) || !onlyPhone(from) || !sharePhone(to.Phones, from.Phones) {
				continue
			}
			to.Phones, to.Contacts = addPhones(to.Phones, from.Phones...), append(to.Contacts, from.Contacts...)
			to.Relation = cmp.Or(to.Relation, from.Relation)
			b.relink(from.ID, to.ID)
			b.f.Guardians = slices.Delete(b.f.Guardians, i, i+1)
			return true
		}
	}
	return false
}

func onlyPhone(g Guardian) bool { return g.Name == "" && len(exported(g).mails) == 0 }

func (b *builder) relink(from, to string) {
	for i := range b.f.Children {
		c := &b.f.Children[i]
		for j, g := range c.Guardians {
			if g == from {
				c.Guardians[j] = to
			}
		}
		c.Guardians = addNew(nil, c.Guardians...)
	}
	for _, w := range b.wishes {
		if w.guardian == from {
			w.guardian = to
		}
	}
}

// label returns what a guardian can be recognised by.
func (g Guardian) label() string {
	switch {
	case g.Name != "":
		return g.Name
	case len(g.Contacts) > 0:
		return g.Contacts[0].Address
	}
	return strings.Join(g.Phones, ", ")
}

// same reports whether two values are stored alike.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
