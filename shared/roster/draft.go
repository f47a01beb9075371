package roster

import (
	"slices"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/lang"
)

// wish is a guardian as the rows about one family describe him or her.
type wish struct {
	party
	guardian string // id of the guardian in the family being built; "" until it is found
	row      int    // number of the first row
}

// draft is a family's guardians as the file has them.
type draft struct {
	family Family // as the roster has it
	wishes []*wish
	owner  map[string]*wish // by address key: an address is one guardian's
	note   func(row int, f Field, text lang.Text)
}

// newDraft puts together the guardians that the pupils' rows name, and sets
// pupil.named and pupil.claims. family is what the roster has of them.
func newDraft(family Family, pupils []*pupil, note func(int, Field, lang.Text)) *draft {
	d := &draft{family: family, owner: map[string]*wish{}, note: note}
	for _, p := range pupils {
		p.named, p.claims = nil, nil
		for _, e := range p.rows {
			for _, g := range e.guardians {
				if g = d.withoutClosed(g, e.number); g.empty() {
					continue
				}
				w := d.add(g, e.number)
				p.named = addNew(p.named, w)
				for _, a := range g.addresses {
					p.claims = addNew(p.claims, a.Key())
				}
			}
		}
	}
	return d
}

// add joins what a row says of a guardian to what is known of that person, or
// adds a person.
func (d *draft) add(g party, row int) *wish {
	w := d.find(g)
	if w == nil {
		w = &wish{row: row, guardian: d.namesake(g)}
		d.wishes = append(d.wishes, w)
	}
	if w.name == "" {
		w.name = g.name
	}
	if w.relation == "" {
		w.relation = g.relation
	}
	w.phones = addPhones(w.phones, g.phones...)
	for _, a := range g.addresses {
		d.give(a, w, row)
	}
	return w
}

// find returns who a guardian is: within one family, who has the same name; for
// one without a name, who has one of the addresses, or the phone of somebody of
// whom nothing else is known.
func (d *draft) find(g party) *wish {
	if id := d.namesake(g); id != "" {
		i := slices.IndexFunc(d.wishes, func(w *wish) bool { return w.guardian == id })
		if i < 0 {
			return nil
		}
		return d.wishes[i]
	}
	for _, w := range d.wishes {
		if g.name != "" && fold(w.name) == fold(g.name) {
			return w
		}
	}
	for _, a := range g.addresses {
		if w := d.owner[a.Key()]; w != nil && (w.name == "" || g.name == "") {
			return w
		}
	}
	for _, w := range d.wishes {
		if g.name == "" && w.name == "" && len(g.addresses) == 0 && len(w.addresses) == 0 && sharePhone(w.phones, g.phones) {
			return w
		}
	}
	return nil
}

// namesake returns the id of whom a guardian is if the family has several of the name:
// who has one of the addresses, or the same phones and like the row no address, or one
// of the phones. It returns "" if there are not several, or nothing tells them apart.
func (d *draft) namesake(g party) string {
	same := slices.DeleteFunc(slices.Clone(d.family.Guardians), func(x Guardian) bool { return g.name == "" || fold(x.Name) != fold(g.name) })
	if len(same) < 2 {
		return ""
	}
	for _, is := range []func(Guardian) bool{
		func(x Guardian) bool { return owns(&wish{party: g}, x) },
		func(x Guardian) bool {
			return len(g.addresses)+len(exported(x).mails) == 0 && slices.Equal(x.Phones, g.phones)
		},
		func(x Guardian) bool { return sharePhone(x.Phones, g.phones) },
	} {
		if i := slices.IndexFunc(same, is); i >= 0 {
			return same[i].ID
		}
	}
	return ""
}

// give makes w the owner of an address unless somebody is already: the first to
// name it keeps it.
func (d *draft) give(a address.Address, w *wish, row int) {
	owner := d.owner[a.Key()]
	if owner == nil {
		d.owner[a.Key()] = w
		w.addresses = append(w.addresses, a)
		return
	}
	if owner != w {
		d.note(row, Mail, lang.T("アドレス %s は、%d行目では「%s」、ここでは「%s」のものです。連絡先は一つだけ作り、どちらの子についても届けます。",
			"The address %s is “%[3]s”'s in row %[2]d and “%[4]s”'s here. It becomes one contact, which is told about both children.",
			a.String(), owner.row, owner.name, w.name))
	}
}

func sharePhone(a, b []string) bool {
	return slices.ContainsFunc(a, func(p string) bool {
		return slices.ContainsFunc(b, func(q string) bool { return phoneKey(p) == phoneKey(q) })
	})
}
