// Package roster knows who belongs to a school: groups, children, guardians and
// their contacts, kept as families.
//
// A family is all that is joined by "answers for": children who share a
// guardian, and the guardians who share a child. It is one item of the table, so
// that every change to it is all or nothing and an alert reads one item to know
// whom to tell and who may answer.
package roster

import (
	"slices"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/judge"
)

// Limits of a roster.
const (
	MaxFamilyChildren  = 12   // beyond it an address that joins children is taken for a mistake
	MaxFamilyGuardians = 20   // guardians of one family
	MaxFamilyContacts  = 20   // addresses of one family
	MaxFamilyGroups    = 24   // different groups of one family's children; keeps a family and all ways to it in one write
	MaxGroupsPerChild  = 20   // groups of one child, its class included
	MaxGroups          = 1000 // groups that one file may name
	MaxPhones          = 5    // phone numbers of one guardian
	MaxPhoneLength     = 30   // characters of a phone number
	MaxNumberLength    = 32   // characters of a school's number for a child
	MaxNameLength      = 100  // characters of any name
)

// School is a school. Its From address belongs to a domain of its own.
type School struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	NameEN   string `json:"name_en,omitempty"`
	Mail     string `json:"mail"`  // the address that alerts come from
	Phone    string `json:"phone"` // shown on every page, the last-resort error page included
	Zone     string `json:"zone"`  // IANA time zone, such as Asia/Tokyo
	District string `json:"district,omitempty"`
	// BreakGlass says how a teacher can send to the whole school: GlassAlone,
	// GlassSecond or GlassOff.
	BreakGlass string `json:"break_glass,omitempty"`
	// Proof says that it is no school: proofs are made with it, and no list has it.
	Proof bool `json:"proof,omitempty"`
}

// How a teacher can send to the whole school.
const (
	GlassAlone  = ""       // with a second person, or alone after a countdown
	GlassSecond = "second" // with a second person only
	GlassOff    = "off"    // not at all
)

// Location returns the school's time zone, Asia/Tokyo if it has none that is known.
func (s School) Location() *time.Location {
	if l, ok := zones.Load(s.Zone); ok {
		return l.(*time.Location)
	}
	l, err := time.LoadLocation(s.Zone)
	if err != nil || s.Zone == "" {
		return tokyo
	}
	zones.Store(s.Zone, l)
	return l
}

// zones are the time zones that are known, by name: to load one reads a file.
var zones sync.Map

var tokyo = time.FixedZone("JST", 9*60*60)

// GroupKind says what a group is.
type GroupKind string

// The kinds of group. A child is in exactly one class and in any number of
// others; a grade is made of its classes and has no members of its own.
const (
	Class GroupKind = "class"
	Grade GroupKind = "grade"
	Other GroupKind = "other"
)

// Group is a class, a grade, a club, or any set of children.
type Group struct {
	ID       string    `json:"id"`
	Kind     GroupKind `json:"kind"`
	Name     string    `json:"name"`
	Label    string    `json:"label,omitempty"`   // of a class: its name within its grade, "2" of 1年2組
	Grade    int       `json:"grade,omitempty"`   // of a class or grade; 0 if it has none
	Classes  []string  `json:"classes,omitempty"` // of a grade: the ids of its classes
	Children int       `json:"children"`          // how many are in it now
}

// Child is whom an alert is about.
type Child struct {
	ID        string   `json:"id"`
	Number    string   `json:"number,omitempty"` // the school's own number for the child, if it gave one
	Name      string   `json:"name"`
	Kana      string   `json:"kana,omitempty"`
	Class     string   `json:"class"`            // group id of its class
	Seat      int      `json:"seat,omitempty"`   // 出席番号
	Groups    []string `json:"groups,omitempty"` // ids of further groups
	Guardians []string `json:"guardians"`        // ids of those who answer for it, the first to be asked first
}

// In reports whether the child is in any of the groups.
func (c Child) In(groups map[string]bool) bool {
	if groups[c.Class] {
		return true
	}
	for _, g := range c.Groups {
		if groups[g] {
			return true
		}
	}
	return false
}

// AnsweredBy reports whether a guardian answers for the child.
func (c Child) AnsweredBy(guardian string) bool { return slices.Contains(c.Guardians, guardian) }

// Guardian answers for one or more children.
type Guardian struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Relation string    `json:"relation,omitempty"` // 母, 父, ...
	Phones   []string  `json:"phones,omitempty"`   // in the order to be called
	Contacts []Contact `json:"contacts,omitempty"`
	Lang     string    `json:"lang,omitempty"` // in which he or she wants to be written to: "ja", "en"; "": not said
}

// ContactState says what is known of a contact.
type ContactState string

// The states of a contact.
const (
	Invited    ContactState = "invited"    // registered by itself, not confirmed: gets no alert
	Unverified ContactState = "unverified" // entered by the office: gets alerts, last in its lane
	Verified   ContactState = "verified"
	Refused    ContactState = "refused" // its operator refuses mail for it
	Closed     ContactState = "closed"
)

// Contact is one mail address of one guardian.
type Contact struct {
	ID      string       `json:"id"`
	Address string       `json:"address"` // as address.Address.String writes it
	State   ContactState `json:"state"`
	// Answered is when its guardian was last heard of by it: when an alert was answered
	// (Store.Heard) or the address was confirmed.
	Answered time.Time `json:"answered,omitzero"`
	// Rechecked is when it was last asked whether it is still read.
	Rechecked time.Time `json:"rechecked,omitzero"`
	// What its guardian chose. Both are theirs alone: no import changes them.
	Paused time.Time `json:"paused,omitzero"` // until when nothing is sent to it
	Quiet  bool      `json:"quiet,omitempty"` // it gets no notices: safety checks and drills only
	// What operators said of it, until somebody answers through it.
	Refusal    judge.Class `json:"refusal,omitempty"`   // what the last refusal meant
	RefusedAt  time.Time   `json:"refused_at,omitzero"` // when its operator first refused mail for it
	Complained time.Time   `json:"complained,omitzero"` // when its guardian reported a mail as spam
}

// Confirmed reports whether the guardian has a say in the contact: it was
// registered, verified or closed by a person, or an alert was answered through
// it. What is confirmed is never taken away by an import.
func (c Contact) Confirmed() bool {
	return c.State != Unverified && c.State != Refused || !c.Answered.IsZero()
}

// Tellable reports whether alerts are sent to the contact.
func (c Contact) Tellable() bool { return c.State == Unverified || c.State == Verified }

// Listens reports whether something is sent to the contact now.
func (c Contact) Listens(notice bool, now time.Time) bool {
	return c.Tellable() && !now.Before(c.Paused) && !(notice && c.Quiet)
}

// Family is children and guardians joined by "answers for".
type Family struct {
	ID        string     `json:"id"`
	Children  []Child    `json:"children"`
	Guardians []Guardian `json:"guardians"`
	Closed    []string   `json:"closed,omitempty"` // digests of addresses that people took out (Close)
	Updated   time.Time  `json:"updated,omitzero"` // when it was last written
	Revision  int64      `json:"-"`                // of the item it was read from
}

// Guardian returns the family's guardian with the id, and false if it has none.
func (f Family) Guardian(id string) (Guardian, bool) {
	for _, g := range f.Guardians {
		if g.ID == id {
			return g, true
		}
	}
	return Guardian{}, false
}

// Child returns the family's child with the id, and false if it has none.
func (f Family) Child(id string) (Child, bool) {
	for _, c := range f.Children {
		if c.ID == id {
			return c, true
		}
	}
	return Child{}, false
}

// ChildrenOf returns the children for whom a guardian answers.
func (f Family) ChildrenOf(guardian string) []Child {
	return slices.DeleteFunc(slices.Clone(f.Children), func(c Child) bool { return !c.AnsweredBy(guardian) })
}

// Contact returns the family's contact with the id, to be changed, and whose it is, or
// nil if it has none.
func (f Family) Contact(id string) (*Guardian, *Contact) {
	for i := range f.Guardians {
		g := &f.Guardians[i]
		for k := range g.Contacts {
			if g.Contacts[k].ID == id {
				return g, &g.Contacts[k]
			}
		}
	}
	return nil, nil
}

// Listening returns the family without the contacts to which nothing is sent now.
func (f Family) Listening(notice bool, now time.Time) Family {
	deaf := func(c Contact) bool { return !c.Listens(notice, now) }
	if !slices.ContainsFunc(f.Guardians, func(g Guardian) bool { return slices.ContainsFunc(g.Contacts, deaf) }) {
		return f // as nearly all do
	}
	f.Guardians = slices.Clone(f.Guardians)
	for i := range f.Guardians {
		g := &f.Guardians[i]
		g.Contacts = slices.DeleteFunc(slices.Clone(g.Contacts), deaf)
	}
	return f
}

// Member is a family's part in a group: enough to count an audience without
// reading the family.
type Member struct {
	Family    string   `json:"-"`
	Children  []string `json:"c"` // ids of the family's children in this group
	Guardians []string `json:"g"` // ids of those children's guardians
	Contacts  []string `json:"k"` // ids of the tellable contacts of those children's guardians
}
