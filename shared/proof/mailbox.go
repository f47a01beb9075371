package proof

import (
	"crypto/sha256"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/problem"
)

// MaxMailboxes bounds the mailboxes: each gets a mail with every proof.
const MaxMailboxes = 10

// maxList is how many bytes the list of them may have: all variables of a Lambda function
// together have 4 KiB, of which the lanes may have most.
const maxList = 600

// Door is the local part of the inbound domain's address to which a mailbox may pass the
// mails of proofs on, which answers them.
const Door = "proof"

// Mailbox is a mailbox at the operator of a lane. Who has it sees to it that each mail of
// a proof is answered: nothing else tells that mail arrives there, and not only leaves.
type Mailbox struct {
	Lane    string
	Address string
}

// ParseMailboxes reads a list of mailboxes, each at another operator. Its error is a
// problem that says what to do, without saying where the list stands. An operator is known
// by the domain of the address alone, so that a start needs no DNS.
func ParseMailboxes(list string, lanes *lane.Lanes) ([]Mailbox, error) {
	if len(list) > maxList {
		return nil, problem.New(problem.Invalid, "長すぎます（%[1]dバイト、上限%[2]dバイト）。", "it has %[1]d bytes, at most %[2]d are possible.", len(list), maxList)
	}
	addresses, err := address.ParseList(list)
	if err != nil {
		return nil, problem.Of(err)[0]
	}
	if len(addresses) > MaxMailboxes {
		return nil, problem.New(problem.Invalid, "宛先は%dまでにしてください。", "give at most %d mailboxes.", MaxMailboxes)
	}
	var boxes []Mailbox
	seen := map[string]bool{}
	for _, a := range addresses {
		name := lanes.Of(a.Domain).Name
		if seen[name] {
			return nil, problem.New(problem.Invalid, "同じメール会社（%s）の宛先が二つあります。メール会社ごとに一つにしてください。", "two mailboxes are at the same operator, %s. Give one for each.", name)
		}
		seen[name] = true
		boxes = append(boxes, Mailbox{Lane: name, Address: a.Key()})
	}
	return boxes, nil
}

// Labels are those of a number about a lane, "" for the system, which has none.
func Labels(lane string) []string {
	if lane == "" {
		return nil
	}
	return []string{"lane", lane}
}

// family is one that proofs go to, with the ids of its records. They are ids of package
// id, as links need them.
type family struct {
	lane    string // "": of the system
	address string

	class, child, family, guardian, contact string
}

// system returns the family of the system itself, of which no mailbox need answer.
func system(address string) family {
	return family{
		address: address,
		class:   "00000000000000000000pr00f1", child: "00000000000000000000pr00f2", family: "00000000000000000000pr00f3",
		guardian: "00000000000000000000pr00f4", contact: "00000000000000000000pr00f5",
	}
}

// family returns the family of a mailbox. Its ids are always the same for a lane.
func (m Mailbox) family() family {
	of := func(what string) string {
		sum := sha256.Sum256([]byte("proof " + what + " " + m.Lane))
		return id.FromBytes([16]byte(sum[:16]))
	}
	return family{
		lane: m.Lane, address: m.Address,
		class: of("class"), child: of("child"), family: of("family"), guardian: of("guardian"), contact: of("contact"),
	}
}
