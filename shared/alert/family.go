package alert

import (
	"slices"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// CopyState is where one copy stands.
type CopyState string

// The states of a copy.
const (
	Queued    CopyState = "queued"
	Sending   CopyState = "sending"   // in a worker's hands; records say so only in JSON, see Hand
	Delayed   CopyState = "delayed"   // put off by the receiving operator; it will be tried again
	Sent      CopyState = "sent"      // accepted by the relay or by SES
	Delivered CopyState = "delivered" // accepted by the receiving operator
	Refused   CopyState = "refused"
	Cancelled CopyState = "cancelled" // never left: not told
)

// CopyStates lists the states in the order in which a copy passes them. Records
// hold places in this list (codec.go): append to it, and change nothing.
var CopyStates = []CopyState{Queued, Sending, Delayed, Sent, Delivered, Refused, Cancelled}

// ChildState is what is known of a child in an alert.
type ChildState string

// The states of a child. Mail events lead to Reached, Untold and RouteRefused, never
// to Answered.
const (
	Answered     ChildState = "answered"
	Reached      ChildState = "reached" // a copy was delivered, and nobody answered
	Silent       ChildState = "silent"  // nothing was heard, of a mail or a person
	Untold       ChildState = "untold"  // every copy was given up before it left, or refused
	RouteRefused ChildState = "refused" // every copy was refused
	NoRoute      ChildState = "no_route"
)

// ChildStates lists the states of a child.
var ChildStates = []ChildState{Answered, Reached, Silent, Untold, RouteRefused, NoRoute}

// Family is an alert's record of one family. Its form in the table, and what it takes
// to add a field, is in codec.go; the names here are those of older records.
type Family struct {
	ID        string     `json:"id"`
	Children  []Child    `json:"ch"`
	Guardians []Guardian `json:"gu,omitempty"`
	Copies    []Copy     `json:"co,omitempty"`
}

// Child is a child whom the alert is about, as it was when the alert was sent.
type Child struct {
	ID        string  `json:"id"`
	Name      string  `json:"n"`
	Kana      string  `json:"k,omitempty"`
	Class     string  `json:"c"` // group id
	Seat      int     `json:"s,omitempty"`
	Guardians []int   `json:"g,omitempty"` // indexes into Family.Guardians
	Answer    *Answer `json:"a,omitempty"` // the newest
}

// Guardian is a person who may answer.
type Guardian struct {
	ID       string   `json:"id"`
	Name     string   `json:"n,omitempty"`
	Relation string   `json:"r,omitempty"`
	Phones   []string `json:"p,omitempty"`
	Lang     string   `json:"l,omitempty"` // in which he or she is written to; "": Japanese
}

// Answer is what somebody said for a child.
type Answer struct {
	Choice string    `json:"c"` // Choice.ID
	Help   bool      `json:"h,omitempty"`
	At     time.Time `json:"t"`
	Way    Way       `json:"w"`
	By     string    `json:"b"` // guardian or staff id
}

// Way says how an answer came.
type Way string

// The ways of answering.
const (
	ByLink  Way = "link"
	ByMail  Way = "mail" // a reply to the alert's mail
	ByCard  Way = "card" // the code on the family's card: whoever has it
	ByStaff Way = "staff"
	ByPhone Way = "phone" // staff phoned, and were told
)

// Copy is one alert to one contact.
type Copy struct {
	Contact  string    `json:"id"`
	Guardian int       `json:"g"` // index into Family.Guardians
	Mailbox  string    `json:"m"` // as RFC 5321 writes it
	Lane     string    `json:"l"`
	Slot     int       `json:"sl,omitempty"` // from lane.MaxSlots on: it leaves last (lane.Place)
	Round    int       `json:"r,omitempty"`  // 0: the alert; from 1: its reminders
	State    CopyState `json:"s"`
	At       time.Time `json:"t"`                // when it came into State
	Tries    int       `json:"n,omitempty"`      // how often sending began
	Again    int       `json:"again,omitempty"`  // tries of which nobody knows how they ended: possible duplicates
	Away     bool      `json:"away,omitempty"`   // while Delayed: the operator has it and tries again itself
	Code     int       `json:"code,omitempty"`   // SMTP reply of the last failure
	Status   string    `json:"status,omitempty"` // RFC 3463 status code of the last failure
	Reason   string    `json:"reason,omitempty"` // the operator's words of the last failure
	SentAt   time.Time `json:"sent,omitzero"`    // when it left, once State says more than Sent
	PutOffAt time.Time `json:"off,omitzero"`     // when it was first put off
	PutOff   int       `json:"offs,omitempty"`   // how often it was
	Returned int       `json:"backs,omitempty"`  // how often it went back to its lane because the operator gave it up
	Back     time.Time `json:"back,omitzero"`    // when it last did
	Soft     bool      `json:"soft,omitempty"`   // while Refused: it may have been an automatic reply (Failure.Soft)
}

// moot reports whether the copy is a reminder that nobody needs any more: it counts as if it
// had never been.
func (c *Copy) moot() bool { return c.Round > 0 && c.State == Cancelled }

// Left returns when the copy left, or the zero time: it has not, or nobody knows.
func (c *Copy) Left() time.Time {
	if c.State == Sent {
		return c.At
	}
	return c.SentAt
}

// Ref names a family's record.
type Ref struct {
	Alert  string `json:"a"`
	Class  string `json:"c"`
	Family string `json:"f"`
}

// Key returns the key of the record. Records of one class share a partition: a
// class is read by one query, and no partition grows with the school.
func (r Ref) Key() table.Key {
	return table.Key{Partition: classPartition(r.Alert, r.Class), Sort: familyPrefix + r.Family}
}

const familyPrefix = "family/"

func partition(alert string) string { return "alert/" + alert }

func classPartition(alert, class string) string { return "alert/" + alert + "/" + class }

// State returns what is known of the i-th child.
func (f *Family) State(i int) ChildState {
	c := &f.Children[i]
	if c.Answer != nil {
		return Answered
	}
	var copies, refused, unsent int
	for j := range f.Copies {
		if !slices.Contains(c.Guardians, f.Copies[j].Guardian) || f.Copies[j].moot() {
			continue
		}
		copies++
		switch f.Copies[j].State {
		case Delivered:
			return Reached
		case Refused:
			refused++
		case Cancelled:
			unsent++
		}
	}
	switch copies {
	case 0:
		return NoRoute
	case refused:
		return RouteRefused
	case refused + unsent:
		return Untold
	}
	return Silent
}

// Answerable returns the indexes of the children for whom the guardian of the
// copy may answer.
func (f *Family) Answerable(guardian int) []int {
	var is []int
	for i := range f.Children {
		if slices.Contains(f.Children[i].Guardians, guardian) {
			is = append(is, i)
		}
	}
	return is
}

// Copy returns the index of the copy to a contact, and -1 if there is none.
func (f *Family) Copy(contact string, round int) int {
	return slices.IndexFunc(f.Copies, func(c Copy) bool { return c.Contact == contact && c.Round == round })
}

// NewestAnswer returns when the newest answer for a child of the family was given; zero:
// there is none.
func (f *Family) NewestAnswer() (at time.Time) {
	for _, c := range f.Children {
		if c.Answer != nil && c.Answer.At.After(at) {
			at = c.Answer.At
		}
	}
	return at
}
