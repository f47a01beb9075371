package roster

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/todoku/todoku/shared/lang"
)

// maxClosed is how many addresses that were taken out a family remembers.
const maxClosed = MaxFamilyContacts

// Close remembers that a person took an address out of the family: its guardian, or the
// office. No file of before then brings it back. What is kept is a digest, by which nobody
// learns an address that he does not know; and only of the newest maxClosed.
func (f *Family) Close(c Contact) {
	f.Open(c)
	f.Closed = append(f.Closed, digest(c.Key()))
	f.Closed = f.Closed[max(0, len(f.Closed)-maxClosed):]
}

// Open forgets that an address was taken out: somebody has entered it again on purpose.
func (f *Family) Open(c Contact) {
	d := digest(c.Key())
	f.Closed = slices.DeleteFunc(slices.Clone(f.Closed), func(s string) bool { return s == d })
}

// closed reports whether the address of a key was taken out, and nobody has it now.
func (f Family) closed(key string) bool {
	return slices.Contains(f.Closed, digest(key)) &&
		!slices.ContainsFunc(f.Guardians, func(g Guardian) bool { return g.ContactAt(key) >= 0 })
}

// closedFor returns the families of the pupil, or of a child who is called so, from which
// the address of a key was taken out.
func (k *known) closedFor(p *pupil, key string) []string {
	return slices.DeleteFunc(slices.Clone(k.closed[digest(key)]), func(id string) bool {
		f := k.families[id]
		return !f.closed(key) || p.at != nil && p.at.family != id ||
			p.at == nil && !slices.ContainsFunc(f.Children, func(c Child) bool { return isCalled(c, p.child) })
	})
}

func digest(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:8])
}

// withoutClosed returns what a row says of a guardian but for addresses that were taken
// out of the family, and says so.
func (d *draft) withoutClosed(g party, row int) party {
	kept := g
	kept.addresses = nil
	for _, a := range g.addresses {
		if !d.family.closed(a.Key()) {
			kept.addresses = append(kept.addresses, a)
			continue
		}
		d.note(row, Mail, lang.T("アドレス %s は、保護者が自分で変えたか消したもの、または学校が外したものなので、名簿に戻しません。このアドレスにも届けるときは、「登録状況」でこの子のクラスを開き、「アドレスを入力して招待する」で加えてください。",
			"The address %s is not put back: its guardian has changed or removed it, or the school took it out. To use it again, open the class under “Registration” and choose “Invite addresses”.", a.String()))
	}
	return kept
}
