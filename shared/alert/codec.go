package alert

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/todoku/todoku/shared/pack"
	"github.com/todoku/todoku/shared/table"
)

// A Family is the record that is written most, so it is packed (package pack): it
// is a third of its size as JSON, which keeps most of them under the 1 KB of
// DynamoDB's write unit. What a version of the format means never changes; a new
// field makes a new version, and every version that was ever written can be read:
//
//	'{'  JSON: what was written before there was a packed form, and all pointers
//	1    familyV1
//	2    familyV2: when a copy left and was put off
//	3    familyV3: with the guardians' languages. It is written only where one is not
//	     Japanese, so that the others stay as small as they were.
//	4    familyV4: with how often and when copies went back to their lanes, only where one did.
//	5    familyV5: with which copies' refusals may be automatic replies, only where one may.
const (
	familyV1 = 1
	familyV2 = 2
	familyV3 = 3
	familyV4 = 4
	familyV5 = 5
)

const usualFamily = 512 // bytes of most packed families

func encodeFamily(f *Family) []byte {
	w := pack.NewWriter(usualFamily)
	version := byte(familyV2)
	switch {
	case slices.ContainsFunc(f.Copies, func(c Copy) bool { return c.Soft }):
		version = familyV5
	case slices.ContainsFunc(f.Copies, func(c Copy) bool { return c.Returned != 0 || !c.Back.IsZero() }):
		version = familyV4
	case slices.ContainsFunc(f.Guardians, func(g Guardian) bool { return g.Lang != "" }):
		version = familyV3
	}
	w.Byte(version)
	w.Text(f.ID)
	w.Count(len(f.Children))
	for i := range f.Children {
		writeChild(w, &f.Children[i])
	}
	w.Count(len(f.Guardians))
	for i := range f.Guardians {
		writeGuardian(w, &f.Guardians[i])
		if version >= familyV3 {
			w.Text(f.Guardians[i].Lang)
		}
	}
	w.Count(len(f.Copies))
	for i := range f.Copies {
		writeCopy(w, &f.Copies[i])
		if version >= familyV4 {
			w.Int(f.Copies[i].Returned)
			w.Time(f.Copies[i].Back)
		}
		if version >= familyV5 {
			w.Bool(f.Copies[i].Soft)
		}
	}
	return w.Bytes()
}

func writeChild(w *pack.Writer, c *Child) {
	w.Text(c.ID)
	w.Text(c.Name)
	w.Text(c.Kana)
	w.Text(c.Class)
	w.Int(c.Seat)
	w.Count(len(c.Guardians))
	for _, g := range c.Guardians {
		w.Int(g)
	}
	w.Bool(c.Answer != nil)
	if a := c.Answer; a != nil {
		w.Text(a.Choice)
		w.Bool(a.Help)
		w.Time(a.At)
		w.Text(string(a.Way))
		w.Text(a.By)
	}
}

func writeGuardian(w *pack.Writer, g *Guardian) {
	w.Text(g.ID)
	w.Text(g.Name)
	w.Text(g.Relation)
	w.Texts(g.Phones)
}

func writeCopy(w *pack.Writer, c *Copy) {
	w.Text(c.Contact)
	w.Int(c.Guardian)
	w.Text(c.Mailbox)
	w.Text(c.Lane)
	w.Int(c.Slot)
	w.Int(c.Round)
	w.Int(slices.Index(CopyStates, c.State))
	w.Time(c.At)
	w.Int(c.Tries)
	w.Int(c.Again)
	w.Bool(c.Away)
	failed := c.Code != 0 || c.Status != "" || c.Reason != ""
	w.Bool(failed)
	if failed {
		w.Int(c.Code)
		w.Text(c.Status)
		w.Text(c.Reason)
	}
	past := !c.SentAt.IsZero() || c.PutOff != 0 || !c.PutOffAt.IsZero()
	w.Bool(past)
	if past {
		w.Time(c.SentAt)
		w.Time(c.PutOffAt)
		w.Int(c.PutOff)
	}
}

// decodeFamily reads a record of a family, or else of a pointer to the class where
// the family is kept, which it returns.
func decodeFamily(item table.Item) (f Family, in string, err error) {
	b := item.Value
	switch {
	case len(b) > 0 && b[0] == '{':
		var j struct {
			pointer
			Family
		}
		err = json.Unmarshal(b, &j)
		f, in = j.Family, j.In
	case len(b) > 0 && b[0] >= familyV1 && b[0] <= familyV5:
		f, err = readFamily(pack.NewReader(b[1:]), b[0])
	default:
		err = pack.ErrDamaged
	}
	if err != nil {
		return Family{}, "", fmt.Errorf("alert: item %s: %w", item.Key, err)
	}
	return f, in, nil
}

func readFamily(r *pack.Reader, version byte) (Family, error) {
	f := Family{ID: r.Text()}
	f.Children = pack.List(r, readChild)
	f.Guardians = pack.List(r, func(r *pack.Reader) Guardian {
		g := readGuardian(r)
		if version >= familyV3 {
			g.Lang = r.Text()
		}
		return g
	})
	f.Copies = pack.List(r, func(r *pack.Reader) Copy { return readCopy(r, version) })
	return f, r.Close()
}

func readChild(r *pack.Reader) Child {
	c := Child{ID: r.Text(), Name: r.Text(), Kana: r.Text(), Class: r.Text(), Seat: r.Int()}
	c.Guardians = pack.List(r, (*pack.Reader).Int)
	if r.Bool() {
		c.Answer = &Answer{Choice: r.Text(), Help: r.Bool(), At: r.Time(), Way: Way(r.Text()), By: r.Text()}
	}
	return c
}

func readGuardian(r *pack.Reader) Guardian {
	return Guardian{ID: r.Text(), Name: r.Text(), Relation: r.Text(), Phones: r.Texts()}
}

func readCopy(r *pack.Reader, version byte) Copy {
	c := Copy{
		Contact: r.Text(), Guardian: r.Int(), Mailbox: r.Text(), Lane: r.Text(), Slot: r.Int(), Round: r.Int(),
		State: readState(r), At: r.Time(), Tries: r.Int(), Again: r.Int(), Away: r.Bool(),
	}
	if r.Bool() {
		c.Code, c.Status, c.Reason = r.Int(), r.Text(), r.Text()
	}
	if version >= familyV2 && r.Bool() {
		c.SentAt, c.PutOffAt, c.PutOff = r.Time(), r.Time(), r.Int()
	}
	if version >= familyV4 {
		c.Returned, c.Back = r.Int(), r.Time()
	}
	if version >= familyV5 {
		c.Soft = r.Bool()
	}
	return c
}

// readState returns "" for a state that there is not, which no page shows.
func readState(r *pack.Reader) CopyState {
	if i := r.Int(); i >= 0 && i < len(CopyStates) {
		return CopyStates[i]
	}
	return ""
}
