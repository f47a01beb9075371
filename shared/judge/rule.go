package judge

import "time"

// Speaks reports whether a refusal of the class speaks against the address itself.
func (c Class) Speaks() bool { return c == Unknown || c == Filtered }

// Kind is what refusals of one send are alike in: an operator that refuses everybody
// says "unknown user" to some as they are named, and to others after the mail.
func (c Class) Kind() Class {
	if c == Filtered {
		return Unknown
	}
	return c
}

// Tally counts one operator's verdicts on one send.
type Tally struct {
	Alike   int64 // refusals of one Kind
	Proven  int64 // those of them for contacts whose guardian confirmed the address, or answered
	Settled int64 // copies of which a verdict is known: these refusals, others, and what was taken
}

// How many refusals are many. A class list with one wrong address in ten does not
// come near these by chance; an operator that refuses a school does at once.
const (
	fewProven   = 3   // of proven contacts, if they are also
	shareProven = 0.5 // of what is settled
	manyOfAll   = 10  // of any contacts, if they are also
	shareAll    = 0.3 // of what is settled
	FewPolicy   = 2   // whose words name a policy

	few = 0.15 // of what is settled, at which it proves to have been no policy event
)

// Event reports whether so many refusals of one kind, within a send, say something of
// the school's mail and nothing of the addresses: a policy event.
func Event(kind Class, t Tally) bool {
	share := t.share()
	switch kind.Kind() {
	case Policy:
		return t.Alike >= FewPolicy
	case Unknown, Content, Unclear:
		return t.Proven >= fewProven && share >= shareProven || t.Alike >= manyOfAll && share >= shareAll
	}
	return false // full mailboxes and slow operators are never a policy; SES's list is its own
}

// Mistaken reports whether what was a policy event turns out to be none: of what was out when
// it began, most was taken. That is asked of half the share that makes one, for some of what was
// out is always taken. Replies that name a policy are never mistaken.
func Mistaken(kind Class, t Tally) bool { return kind.Kind() != Policy && t.share() < few }

// share is that of refusals alike in what is settled.
func (t Tally) share() float64 {
	if t.Settled <= t.Alike {
		return 1
	}
	return float64(t.Alike) / float64(t.Settled)
}

// Contact is what speaks for an address.
type Contact struct {
	Confirmed bool      // its guardian confirmed it
	Answered  time.Time // when an alert was last answered through it
	Refused   time.Time // when an earlier send was refused, if it was
}

// Proven reports whether somebody has ever been there.
func (c Contact) Proven() bool { return c.Confirmed || !c.Answered.IsZero() }

const (
	// Lately is for how long an answer proves that an address works.
	Lately = 180 * 24 * time.Hour
	// Second is how much later than the first the second refusal is that closes an
	// address which was confirmed: not the reminder of the same alert.
	Second = 24 * time.Hour
)

// Closes reports whether a refusal that is not part of a policy event closes the
// contact. One that answered lately stays; one that was confirmed is given a
// second chance.
func Closes(class Class, c Contact, now time.Time) bool {
	switch {
	case !class.Speaks() && class != Listed:
		return false
	case !c.Answered.IsZero() && now.Sub(c.Answered) < Lately:
		return false
	case class == Listed && c.Proven():
		return false // it is taken off the list, and tried again
	case c.Proven():
		return !c.Refused.IsZero() && now.Sub(c.Refused) >= Second
	}
	return true
}
