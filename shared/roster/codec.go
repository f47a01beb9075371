package roster

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/judge"
	"github.com/todoku/todoku/shared/pack"
	"github.com/todoku/todoku/shared/table"
)

// An alert reads every family, and its places in groups, so a Family and a Member are packed
// (package pack), in a third of their size as JSON. What a version of the format means never
// changes; a new field makes a new version, and every version that was ever written can be read:
//
//	'{'  JSON: what was written before there was a packed form
//	1    familyV1, memberV1
//	2    familyV2: with the addresses that were taken out. It is written only where there are any.
const (
	familyV1 = 1
	familyV2 = 2
	memberV1 = 1
)

const usualFamily = 512 // bytes of most packed families

func encodeFamily(f *Family) []byte {
	w := pack.NewWriter(usualFamily)
	version := byte(familyV1)
	if len(f.Closed) > 0 {
		version = familyV2
	}
	w.Byte(version)
	w.Text(f.ID)
	w.Time(f.Updated)
	w.Count(len(f.Children))
	for i := range f.Children {
		writeChild(w, &f.Children[i])
	}
	w.Count(len(f.Guardians))
	for i := range f.Guardians {
		writeGuardian(w, &f.Guardians[i])
	}
	if version >= familyV2 {
		w.Texts(f.Closed)
	}
	return w.Bytes()
}

func writeChild(w *pack.Writer, c *Child) {
	w.Text(c.ID)
	w.Text(c.Number)
	w.Text(c.Name)
	w.Text(c.Kana)
	w.Text(c.Class)
	w.Int(c.Seat)
	w.Texts(c.Groups)
	w.Texts(c.Guardians)
}

func writeGuardian(w *pack.Writer, g *Guardian) {
	w.Text(g.ID)
	w.Text(g.Name)
	w.Text(g.Relation)
	w.Texts(g.Phones)
	w.Text(g.Lang)
	w.Count(len(g.Contacts))
	for i := range g.Contacts {
		writeContact(w, &g.Contacts[i])
	}
}

func writeContact(w *pack.Writer, c *Contact) {
	w.Text(c.ID)
	w.Text(c.Address)
	w.Text(string(c.State))
	w.Bool(c.Quiet)
	w.Text(string(c.Refusal))
	times := c.times()
	had := byte(0) // a bit for each of the times; of most there is one, or none
	for i, t := range times {
		if !t.IsZero() {
			had |= 1 << i
		}
	}
	w.Byte(had)
	for _, t := range times {
		if !t.IsZero() {
			w.Time(*t)
		}
	}
}

// times are the contact's, in the order in which they are written.
func (c *Contact) times() [5]*time.Time {
	return [...]*time.Time{&c.Answered, &c.Rechecked, &c.Paused, &c.RefusedAt, &c.Complained}
}

// decodeFamily reads a family's record, and its revision.
func decodeFamily(item table.Item) (Family, error) {
	f, err := unpack(item, familyV2, readFamily)
	f.Revision = item.Revision
	return f, err
}

// unpack reads a record, packed in a version up to the newest or as JSON.
func unpack[T any](item table.Item, newest byte, read func(r *pack.Reader, version byte) T) (v T, err error) {
	b := item.Value
	switch {
	case len(b) > 0 && b[0] == '{':
		err = json.Unmarshal(b, &v)
	case len(b) > 0 && b[0] > 0 && b[0] <= newest:
		r := pack.NewReader(b[1:])
		v = read(r, b[0])
		err = r.Close()
	default:
		err = pack.ErrDamaged
	}
	if err != nil {
		var none T
		return none, fmt.Errorf("roster: item %s: %w", item.Key, err)
	}
	return v, nil
}

func readFamily(r *pack.Reader, version byte) Family {
	f := Family{ID: r.Text(), Updated: r.Time(), Children: pack.List(r, readChild), Guardians: pack.List(r, readGuardian)}
	if version >= familyV2 {
		f.Closed = r.Texts()
	}
	return f
}

func readChild(r *pack.Reader) Child {
	return Child{
		ID: r.Text(), Number: r.Text(), Name: r.Text(), Kana: r.Text(), Class: r.Text(), Seat: r.Int(),
		Groups: r.Texts(), Guardians: r.Texts(),
	}
}

func readGuardian(r *pack.Reader) Guardian {
	return Guardian{
		ID: r.Text(), Name: r.Text(), Relation: r.Text(), Phones: r.Texts(), Lang: r.Text(), Contacts: pack.List(r, readContact),
	}
}

func readContact(r *pack.Reader) Contact {
	c := Contact{ID: r.Text(), Address: r.Text(), State: ContactState(r.Text()), Quiet: r.Bool(), Refusal: judge.Class(r.Text())}
	had := r.Byte()
	for i, t := range c.times() {
		if had&(1<<i) != 0 {
			*t = r.Time()
		}
	}
	return c
}

func encodeMember(m *Member) []byte {
	const usual = 128 // bytes
	w := pack.NewWriter(usual)
	w.Byte(memberV1)
	w.Texts(m.Children)
	w.Texts(m.Guardians)
	w.Texts(m.Contacts)
	return w.Bytes()
}

// decodeMember reads a family's place in a group.
func decodeMember(item table.Item) (Member, error) {
	m, err := unpack(item, memberV1, readMember)
	m.Family = item.Sort
	return m, err
}

// Repack returns what takes the place of a family, or of its place in a group, that is still
// JSON; of anything else there is nothing to write.
func Repack(item table.Item) (table.Op, bool) {
	parts := strings.SplitN(item.Partition, "/", 3) // as part puts them together
	if len(parts) < 3 || parts[0] != "school" || len(item.Value) == 0 || item.Value[0] != '{' {
		return nil, false
	}
	var packed []byte
	switch what, _, _ := strings.Cut(parts[2], "/"); what {
	case "families":
		f, err := decodeFamily(item)
		if err != nil {
			return nil, false // who reads it next says so
		}
		packed = encodeFamily(&f)
	case "in":
		m, err := decodeMember(item)
		if err != nil {
			return nil, false
		}
		packed = encodeMember(&m)
	default:
		return nil, false
	}
	return table.Replace{Key: item.Key, Revision: item.Revision, Value: packed}, true
}

func readMember(r *pack.Reader, _ byte) Member {
	return Member{Children: r.Texts(), Guardians: r.Texts(), Contacts: r.Texts()}
}
