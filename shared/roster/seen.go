package roster

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// Seen names what the plan does and says: two plans of one file have the same name only
// if both would do the same and have the same errors and warnings. Who has looked at
// one plan confirms another that has its name, and no other.
//
// What changes in the roster beside does not change the name: while hundreds of
// guardians confirm their addresses, an office could else confirm nothing.
func (p *Plan) Seen() string { return p.seen }

// name returns what Seen does, for the notes as they are.
func (p *Plan) name() string {
	lines := []string{fmt.Sprint(p.Children, p.Guardians, p.Contacts)}
	for _, n := range slices.Concat(p.Errors, p.Warnings) {
		lines = append(lines, fmt.Sprint(n.Row, " ", n.Message.JA))
	}
	for _, s := range p.steps {
		if s.changed {
			lines = append(lines, s.difference()...)
		}
	}
	slices.Sort(lines)
	h := sha256.New()
	for _, l := range lines {
		_, _ = fmt.Fprintf(h, "%q\n", l)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// difference returns what a step adds and takes away. What is new has another id in
// every plan, and goes by what it is called.
func (s step) difference() []string {
	before, old := fuse(s.old), map[string]bool{}
	for _, c := range before.Children {
		old[c.ID] = true
	}
	for _, g := range before.Guardians {
		old[g.ID] = true
	}
	counts := map[string]int{}
	for _, fact := range before.facts(old) {
		counts[fact]--
	}
	for _, fact := range s.next.facts(old) {
		counts[fact]++
	}
	var lines []string
	for fact, n := range counts {
		if n != 0 {
			lines = append(lines, fmt.Sprint(n, " ", fact))
		}
	}
	if len(s.old) > 1 {
		for _, f := range s.old {
			lines = append(lines, "joined "+f.ID)
		}
	}
	return lines
}

// facts returns what is known of a family, each in a line of its own. Those whose ids
// are not in old go by what they are called.
func (f Family) facts(old map[string]bool) []string {
	var facts []string
	say := func(parts ...any) { facts = append(facts, fmt.Sprintf("%q", fmt.Sprintln(parts...))) }
	called := map[string]string{}
	for _, g := range f.Guardians {
		called[g.ID] = who(g.ID, g.label(), old)
		say("guardian", called[g.ID], g.Name, g.Relation)
		for _, phone := range g.Phones {
			say("phone", called[g.ID], phone)
		}
		for _, c := range g.Contacts {
			say("contact", called[g.ID], c.Key(), c.State)
		}
	}
	for _, c := range f.Children {
		at := who(c.ID, c.Name, old)
		say("child", at, c.Name, c.Kana, c.Number, c.Class, c.Seat, c.Groups)
		for _, g := range c.Guardians {
			say("answers", called[g], at)
		}
	}
	return facts
}

func who(id, called string, old map[string]bool) string {
	if old[id] {
		return id
	}
	return "new " + called
}
