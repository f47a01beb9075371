package roster

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"

	"github.com/todoku/todoku/shared/id"
	"golang.org/x/sync/errgroup"
)

// bigClass is how many children a class of Big has, about.
const bigClass = 40

// Big returns the groups and families of a school, or of a district, with exactly
// n contacts, to measure with: about as many children, siblings in different
// classes, one address in ten not verified, domains in the shares of Demo. The
// families are made up one after the other, so that any number takes no memory.
// The same seed gives the same, but for the ids.
func Big(seed uint64, n int, ids *id.Source) (groups []Group, families iter.Seq[Family]) {
	for i := range max(1, n/bigClass) {
		groups = append(groups, NewClass(i%6+1, strconv.Itoa(i/6+1)))
	}
	return groups, func(yield func(Family) bool) {
		b := &big{rand: rand.New(rand.NewPCG(seed, 0xb16)), ids: ids, groups: groups}
		for b.contacts < n {
			if !yield(b.family(n - b.contacts)) {
				return
			}
		}
	}
}

type big struct {
	rand     *rand.Rand
	ids      *id.Source
	groups   []Group
	domains  []string
	contacts int
	children int
}

// family makes up a family with at most so many contacts.
func (b *big) family(contacts int) Family {
	f := Family{ID: b.ids.New()}
	name := pick(b.rand, demoSurnames)
	var guardians []string
	for range min(contacts, 1+b.rand.IntN(10)/7) {
		g := b.guardian(name.name)
		f.Guardians, guardians = append(f.Guardians, g), append(guardians, g.ID)
	}
	for range 1 + b.rand.IntN(10)/7 {
		given := pick(b.rand, demoGiven)
		b.children++
		f.Children = append(f.Children, Child{
			ID: b.ids.New(), Name: name.name + " " + given.name, Kana: name.kana + " " + given.kana,
			Class: pick(b.rand, b.groups).ID, Seat: b.children%bigClass + 1, Guardians: guardians,
		})
	}
	return f
}

func (b *big) guardian(surname string) Guardian {
	if len(b.domains) == 0 {
		b.domains = deck(b.rand)
	}
	b.contacts++
	c := Contact{ID: b.ids.New(), Address: fmt.Sprintf("todoku-bench-%06d@%s", b.contacts, b.domains[0]), State: Verified}
	if b.rand.IntN(10) == 0 {
		c.State = Unverified
	}
	b.domains = b.domains[1:]
	phone := fmt.Sprintf("090-0000-%04d", b.contacts%10000)
	return Guardian{ID: b.ids.New(), Name: surname + " " + pick(b.rand, demoMothers), Relation: "母", Phones: []string{phone}, Contacts: []Contact{c}}
}

// Load writes groups and new families as fast as the store takes them. It stops
// at the first failure; what was written stays.
func (s *Store) Load(ctx context.Context, school string, groups []Group, families iter.Seq[Family]) error {
	if err := s.addGroups(ctx, school, groups); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(writers)
	for f := range families {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error {
			_, err := s.PutFamily(gctx, school, f)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}
