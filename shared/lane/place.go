package lane

import (
	"strconv"
	"strings"
)

// Place is where a copy waits: what a message group of the queue names. Copies of
// different alerts wait in groups of their own, so that none is behind another's; who
// goes next in a lane is decided where its places are given out (package gate).
type Place struct {
	Lane string
	// Slot is one of the lane's, below MaxSlots. Of those from MaxSlots on, each is the
	// same slot for copies that leave when their alert's others in the lane have left.
	Slot   int
	Alert  string // tells alerts apart; "" for a mail of no alert
	Urgent bool   // the alert is a safety check
}

// MaxAlert is how long the name of an alert in a place may be.
const MaxAlert = 8

// Last reports whether the place is for copies that leave after the others.
func (p Place) Last() bool { return p.Slot >= MaxSlots }

// Number returns the slot's own number.
func (p Place) Number() int { return p.Slot % MaxSlots }

// Group returns the queue's message group: "lane#slot", and for copies of an alert
// "lane#slot.alert" or, if it is urgent, "lane#slot!alert".
func (p Place) Group() string {
	group := Lane{Name: p.Lane}.Group(p.Slot)
	switch {
	case p.Alert == "":
		return group
	case p.Urgent:
		return group + "!" + p.Alert
	}
	return group + "." + p.Alert
}

// PlaceOf is the inverse of Group. What names no slot is slot 0 of a lane.
func PlaceOf(group string) Place {
	name, rest, _ := strings.Cut(group, "#")
	p := Place{Lane: name}
	if i := strings.IndexAny(rest, ".!"); i >= 0 {
		p.Urgent, p.Alert = rest[i] == '!', rest[i+1:]
		rest = rest[:i]
	}
	p.Slot, _ = strconv.Atoi(rest)
	return p
}
