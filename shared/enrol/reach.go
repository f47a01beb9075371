package enrol

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// Route is one address by which somebody who answers for a child is told.
type Route struct {
	Guardian roster.Guardian
	Contact  roster.Contact
	Lane     lane.Lane
	Others   []string // names of the guardian's other children
	// Join is the newest registration of the address; its ID is "" if there is none.
	Join Join
	// Since is when the office entered an address that is not confirmed yet.
	Since time.Time
}

// Why says in words why mail does not get there; it is empty if nothing bad is known.
func (r Route) Why() lang.Text {
	if c := r.Contact.Refusal; c != "" { // of an alert's copy
		says, do := c.Says(), c.Do()
		return lang.Text{JA: says.JA + do.JA, EN: says.EN + " " + do.EN}
	}
	if r.Contact.State == roster.Refused && r.Join.Mail.State != Refused {
		return lang.T("メール会社が受け取りを拒否しました。", "The mail operator refused mail.")
	}
	return Why(r.Join.Mail)
}

// Refused reports whether an operator refuses mail for the address.
func (r Route) Refused() bool {
	if r.Join.Door == Recheck && r.Join.Mail.State == Refused && r.Contact.Answered.Before(r.Join.Mail.At) {
		return true // it was confirmed once, and does not take mail any more
	}
	return r.Contact.State == roster.Refused || r.Contact.State != roster.Verified && r.Join.Mail.State == Refused
}

// Troubled reports whether an operator refused an alert's copy lately though the address
// was confirmed: alerts are still sent to it, and may not arrive.
func (r Route) Troubled() bool {
	return r.Contact.Tellable() && !r.Contact.RefusedAt.IsZero() && !r.Contact.Answered.After(r.Contact.RefusedAt)
}

// Stale reports whether nothing was heard by a confirmed address for RecheckAfter, or
// since it was asked whether it is still read.
func (r Route) Stale(now time.Time) bool {
	return r.Contact.State == roster.Verified && (now.Sub(LastHeard(r.Contact)) >= RecheckAfter || LastHeard(r.Contact).Before(r.Contact.Rechecked))
}

// ChildReach is how well those who answer for a child can be reached.
type ChildReach struct {
	Child  roster.Child
	Ref    ChildRef
	Routes []Route // of every contact that is not closed
	Waits  []Join  // registrations for the child that are not confirmed and not in the roster
}

// usable returns the routes by which an alert would go and no operator refuses.
func (c ChildReach) usable() []Route {
	return slices.DeleteFunc(slices.Clone(c.Routes), func(r Route) bool { return !r.Contact.Tellable() || r.Refused() })
}

// Verified reports whether one of the routes is confirmed.
func (c ChildReach) Verified() bool {
	return slices.ContainsFunc(c.usable(), func(r Route) bool { return r.Contact.State == roster.Verified })
}

// None reports whether there is no route at all.
func (c ChildReach) None() bool { return len(c.usable()) == 0 }

// One reports whether there is a single route.
func (c ChildReach) One() bool { return len(c.usable()) == 1 }

// OneOperator reports whether several routes all end at one operator: what it holds
// up, or refuses, reaches nobody of the child.
func (c ChildReach) OneOperator() bool {
	u := c.usable()
	for _, r := range u {
		if r.Lane.Name != u[0].Lane.Name {
			return false
		}
	}
	return len(u) > 1
}

// Unverified returns for how many days the child's longest unconfirmed route has
// waited, and false if none does.
func (c ChildReach) Unverified(now time.Time) (days int, ok bool) {
	for _, r := range c.usable() {
		if r.Contact.State == roster.Unverified {
			ok = true
			if !r.Since.IsZero() {
				days = max(days, int(now.Sub(r.Since)/(24*time.Hour)))
			}
		}
	}
	return days, ok
}

// AnyRefused reports whether an operator refuses one of the addresses, or did so lately.
func (c ChildReach) AnyRefused() bool {
	return slices.ContainsFunc(c.Routes, func(r Route) bool { return r.Refused() || r.Troubled() })
}

// ClassReach counts a class.
type ClassReach struct {
	Class                                                                       roster.Group
	Children, VerifiedOnes, None, One, OneOperator, Unverified, Refused, Silent int
}

func (k *ClassReach) add(c ChildReach, now time.Time) {
	count := func(n *int, is bool) {
		if is {
			*n++
		}
	}
	_, unverified := c.Unverified(now)
	k.Children++
	count(&k.VerifiedOnes, c.Verified())
	count(&k.None, c.None())
	count(&k.One, c.One())
	count(&k.OneOperator, c.OneOperator())
	count(&k.Unverified, unverified)
	count(&k.Refused, c.AnyRefused())
	count(&k.Silent, c.Silent(now))
}

// Percent is the reach score: of how many in a hundred children somebody is reached
// by an address that was confirmed.
func (k ClassReach) Percent() int {
	if k.Children == 0 {
		return 0
	}
	return 100 * k.VerifiedOnes / k.Children
}

// SchoolReach is the reach of a school.
type SchoolReach struct {
	All      ClassReach
	Classes  []ClassReach
	Children []ChildReach // by class and seat
	Joins    []Join       // all that are kept, newest first
}

// Reach looks through a school's roster and registrations. Without lanes no route
// has one.
func (s *Store) Reach(ctx context.Context, school string, lanes *lane.Lanes) (SchoolReach, error) {
	groups, err := s.Roster.Groups(ctx, school)
	if err != nil {
		return SchoolReach{}, err
	}
	var r SchoolReach
	r.Joins, err = s.eachReach(ctx, school, lanes, func(c ChildReach) { r.Children = append(r.Children, c) })
	if err != nil {
		return r, err
	}
	slices.Reverse(r.Joins)
	r.count(groups, s.Now())
	return r, nil
}

func (r *SchoolReach) count(groups []roster.Group, now time.Time) {
	at := map[string]int{}
	for _, g := range groups {
		if g.Kind == roster.Class {
			at[g.ID] = len(r.Classes)
			r.Classes = append(r.Classes, ClassReach{Class: g})
		}
	}
	for _, c := range r.Children {
		r.All.add(c, now)
		if i, ok := at[c.Child.Class]; ok {
			r.Classes[i].add(c, now)
		}
	}
	slices.SortStableFunc(r.Children, func(a, b ChildReach) int {
		if a.Child.Class != b.Child.Class {
			return at[a.Child.Class] - at[b.Child.Class]
		}
		return a.Child.Seat - b.Child.Seat
	})
}

// eachReach calls do for each child of a school, a page of families at a time, and
// returns the registrations that are kept.
func (s *Store) eachReach(ctx context.Context, school string, lanes *lane.Lanes, do func(ChildReach)) ([]Join, error) {
	joins, err := s.Joins(ctx, school)
	if err != nil {
		return nil, err
	}
	newest, waits := map[string]Join{}, map[string][]Join{}
	for _, j := range joins {
		newest[key(j.Address)] = j
		if j.Open(s.Now()) && (j.Door == Sheet || j.Door == ByMail) {
			for _, c := range j.Children {
				waits[c.Child] = append(waits[c.Child], j)
			}
		}
	}
	for f, err := range s.Roster.All(ctx, school) {
		if err != nil {
			return nil, err
		}
		for _, c := range f.Children {
			do(ChildReach{Child: c, Ref: ChildRef{f.ID, c.ID}, Routes: routes(f, c, lanes, newest), Waits: waits[c.ID]})
		}
	}
	return joins, nil
}

func routes(f roster.Family, c roster.Child, lanes *lane.Lanes, newest map[string]Join) []Route {
	var rs []Route
	for _, g := range f.Guardians {
		if !c.AnsweredBy(g.ID) {
			continue
		}
		for _, contact := range g.Contacts {
			if contact.State == roster.Closed {
				continue
			}
			r := Route{Guardian: g, Contact: contact, Join: newest[contact.Key()], Others: others(f, g.ID, c.ID)}
			if lanes != nil {
				if a, err := address.Parse(contact.Address); err == nil {
					r.Lane = lanes.Of(a.Domain)
				}
			}
			if contact.State == roster.Unverified {
				r.Since = f.Updated
				if r.Join.ID != "" {
					r.Since = r.Join.Made
				}
			}
			rs = append(rs, r)
		}
	}
	return rs
}

// others names the children for whom a guardian answers beside one.
func others(f roster.Family, guardian, child string) (names []string) {
	for _, c := range f.Children {
		if c.ID != child && slices.Contains(c.Guardians, guardian) {
			names = append(names, c.Name)
		}
	}
	return names
}

// Silent reports whether a confirmed route was not heard of for long (Route.Stale).
func (c ChildReach) Silent(now time.Time) bool {
	return slices.ContainsFunc(c.usable(), func(r Route) bool { return r.Stale(now) })
}

// Want says which children somebody looks for.
type Want string

// The kinds of trouble with reaching a child.
const (
	WantAll        Want = ""
	WantNone       Want = "none"       // no route
	WantOne        Want = "one"        // one route
	WantOperator   Want = "operator"   // all routes on one operator
	WantUnverified Want = "unverified" // a route that is not confirmed, for some days
	WantRefused    Want = "refused"    // an operator refuses an address
	WantSilent     Want = "silent"     // nothing was heard of for a year
)

// Pick returns the children of a kind; of those who are unverified, for at least so many
// days.
func Pick(children []ChildReach, want Want, days int, now time.Time) []ChildReach {
	is := func(c ChildReach) bool {
		switch want {
		case WantNone:
			return c.None()
		case WantOne:
			return c.One()
		case WantOperator:
			return c.OneOperator()
		case WantUnverified:
			n, ok := c.Unverified(now)
			return ok && n >= days
		case WantRefused:
			return c.AnyRefused()
		case WantSilent:
			return c.Silent(now)
		}
		return true
	}
	return slices.DeleteFunc(slices.Clone(children), func(c ChildReach) bool { return !is(c) })
}

// Search returns the children whose name, reading, number, guardian or address
// holds all words of a query.
func Search(children []ChildReach, query string) []ChildReach {
	words := strings.Fields(strings.ToLower(foldWidth(query)))
	return slices.DeleteFunc(slices.Clone(children), func(c ChildReach) bool {
		text := c.Child.Name + " " + fold(c.Child.Name) + " " + c.Child.Kana + " " + c.Child.Number
		for _, r := range c.Routes {
			text += " " + r.Guardian.Name + " " + fold(r.Guardian.Name) + " " + r.Contact.Address
		}
		for _, j := range c.Waits {
			text += " " + j.Address
		}
		text = strings.ToLower(foldWidth(text))
		return !all(words, func(w string) bool { return strings.Contains(text, w) })
	})
}

func all(words []string, holds func(string) bool) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !holds(w) })
}

// Score is the reach of a school on a day.
type Score struct {
	Day      string `json:"d"` // 2026-04-06, in the school's zone
	Children int    `json:"n"`
	Verified int    `json:"v"` // with a confirmed address
	None     int    `json:"x"` // without any
	Contacts int    `json:"c"` // addresses to which an alert to everybody goes
}

// Percent is the reach score, as ClassReach.Percent.
func (s Score) Percent() int {
	if s.Children == 0 {
		return 0
	}
	return 100 * s.Verified / s.Children
}

// scoreKept is how long a day's score is kept.
const scoreKept = 3 * 366 * 24 * time.Hour

// Scores returns the scores of a school's last days, oldest first.
func (s *Store) Scores(ctx context.Context, school string, days int) ([]Score, error) {
	page, err := s.Table.Query(ctx, table.Query{Partition: "school/" + school + "/reach", Reverse: true, Limit: days})
	if err != nil {
		return nil, err
	}
	var scores []Score
	for _, item := range page.Items {
		var v Score
		if err := json.Unmarshal(item.Value, &v); err != nil {
			return nil, err
		}
		scores = append(scores, v)
	}
	slices.Reverse(scores)
	return scores, nil
}

// Keep records the scores of all schools for the day that it is there, once a day.
// It reads the whole rosters, so the tick calls it when there is nothing else to do.
func (s *Store) Keep(ctx context.Context) error {
	schools, err := s.Roster.Schools(ctx)
	if err != nil {
		return err
	}
	for _, school := range schools {
		day := s.Now().In(school.Location()).Format(time.DateOnly)
		k := table.Key{Partition: "school/" + school.ID + "/reach", Sort: day}
		if _, err := s.Table.Get(ctx, k); err == nil {
			continue
		}
		var all ClassReach
		contacts := map[string]bool{} // siblings share them
		add := func(c ChildReach) {
			all.add(c, s.Now())
			for _, r := range c.usable() {
				contacts[r.Contact.ID] = true
			}
		}
		if _, err := s.eachReach(ctx, school.ID, nil, add); err != nil {
			return err
		}
		v := Score{Day: day, Children: all.Children, Verified: all.VerifiedOnes, None: all.None, Contacts: len(contacts)}
		err = s.Table.Write(ctx, "", table.Create{Key: k, Value: table.Encode(v), Expires: s.Now().Add(scoreKept)})
		if table.IgnoreConflict(err) != nil {
			return err
		}
	}
	return nil
}
