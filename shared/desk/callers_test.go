package desk_test

import (
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/desk"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// ledger notes who has which family in hand, as the callers see it.
type ledger struct {
	mu    sync.Mutex
	has   map[string]string
	until map[string]time.Time
	twice int
	taken int
	both  int // households of two schools that were taken with one claim

	household map[string]string // by family; nil: each is its own
}

func (l *ledger) home(family string) string {
	if h, ok := l.household[family]; ok {
		return h
	}
	return family
}

func (l *ledger) take(family, who string, now, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	family = l.home(family)
	if other := l.has[family]; other != "" && other != who && now.Before(l.until[family]) {
		l.twice++
	}
	l.has[family], l.until[family] = who, until
	l.taken++
}

func (l *ledger) give(family string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.has, l.home(family))
}

// bothSchools lets two rooms of one district have alerts open, whose families are to a part
// the same: they share a telephone number.
func bothSchools(t *testing.T) (here, there *room) {
	here = newRoom(t)
	there = &room{T: t, Desk: here.Desk} // with the same clock
	a, _, err := here.Alerts.Accept(t.Context(), alert.Draft{
		School: "other", Kind: alert.Safety, Subject: "台風", Body: "状況を回答してください。", All: true,
		UsefulUntil: begin.Add(6 * time.Hour), Sender: alert.Sender{ID: "staff", Name: "校長"},
	}, "")
	here.must(err)
	there.alert = a
	here.pass(time.Minute)
	here.Place = desk.Place{Name: "小学校", Scope: "district/市"}
	there.Place = desk.Place{Name: "中学校", Scope: "district/市"}
	return here, there
}

// Siblings at two schools: who has the family in hand at one has it at the other, whose
// callers see that, and how the call ended.
func TestSiblingsAtTwoSchools(t *testing.T) {
	here, there := bothSchools(t)
	phones := func(p ...string) func(*alert.Family) {
		return func(f *alert.Family) { f.Guardians[0].Phones = p }
	}
	young, old := here.family("1-1", phones("090-1111-2222")), there.family("3-2", phones("0300000000", "＋81 90 1111 2222"))
	stranger := there.family("3-2", phones("090-1111-2223"))
	_, err := here.Claim(t.Context(), young, sato)
	here.must(err)
	_, err = there.Claim(t.Context(), old, suzuki)
	here.isConflict(err)
	here.isConflict(there.HandOver(t.Context(), old, suzuki, suzuki, ""))
	_, err = there.Claim(t.Context(), stranger, suzuki)
	here.must(err)
	f := there.row(old).Family
	if u, err := there.Elsewhere(t.Context(), old, &f); err != nil || !u.Held(here.Alerts.Now()) || u.Holder != sato || u.Place != "小学校" {
		t.Errorf("elsewhere: %+v, %v", u, err)
	}
	e := here.entry(sato, desk.Answered)
	e.Choices = map[string]string{here.row(young).Children[0].ID: "safe"}
	_, err = here.Enter(t.Context(), here.alert, young, e)
	here.must(err)
	if u, err := there.Elsewhere(t.Context(), old, &f); err != nil || u.Held(here.Alerts.Now()) || u.Outcome != desk.Answered || u.By != sato {
		t.Errorf("after the call: %+v, %v", u, err)
	}
	if there.row(old).Children[0].Answer != nil {
		t.Error("one school's answer counts at the other")
	}
	_, err = there.Claim(t.Context(), old, suzuki)
	here.must(err)
	here.must(there.Release(t.Context(), old, suzuki))
	far := there.Desk
	far.Place.Scope = "district/町"
	if u, err := far.Elsewhere(t.Context(), old, &f); err != nil || u.Place != "" {
		t.Errorf("another district knows %+v, %v", u, err)
	}
}

// Who shares a number with somebody of another school's alert is one household; who
// shares one with many of an alert, or with another of the same alert, is not.
func TestHouseholds(t *testing.T) {
	here, there := bothSchools(t)
	phones := func(p ...string) func(*alert.Family) {
		return func(f *alert.Family) { f.Guardians[0].Phones = p }
	}
	young, old := here.family("1-1", phones("090-1111-2222", "03-1111-1111")), there.family("3-2", phones("03-1111-1111"))
	twin := here.family("1-1", phones("03-1111-1111", "090-9999-9999")) // of the same alert as young
	alone := there.family("3-2", phones("090-3333-3333"))
	for range 3 { // a children's home, at both
		here.family("1-1", phones("03-5555-5555"))
		there.family("3-2", phones("03-5555-5555"))
	}
	rows := append(here.rows("1-1"), there.rows("3-2")...)
	together := map[string]int{}
	homes := here.Households(rows)
	for _, h := range homes {
		for _, r := range h.Rows {
			together[r.ID] = len(h.Rows)
		}
	}
	if len(rows) != 10 || len(homes) != 9 || together[young.Family]+together[twin.Family] != 3 || together[old.Family] != 2 || together[alone.Family] != 1 {
		t.Errorf("%d rows, %d households: %v", len(rows), len(homes), together)
	}
	desks := map[string]desk.Desk{here.alert.ID: here.Desk, there.alert.ID: there.Desk}
	both := homes[slices.IndexFunc(homes, func(h desk.Household) bool { return len(h.Rows) == 2 })]
	_, err := there.Claim(t.Context(), old, suzuki)
	here.must(err)
	_, err = both.Together(desks).Claim(t.Context(), sato)
	here.isConflict(err)
	if here.row(both.Rows[0].Ref).HeldBy(sato.ID, begin) || here.row(both.Rows[1].Ref).HeldBy(sato.ID, begin) {
		t.Error("half of a household was taken")
	}
	here.must(there.Release(t.Context(), old, suzuki))
	_, err = both.Together(desks).Claim(t.Context(), sato)
	here.must(err)
	here.must(both.Together(desks).HandOver(t.Context(), sato, suzuki, ""))
	for _, row := range both.Rows {
		if !here.row(row.Ref).HeldBy(suzuki.ID, begin) {
			t.Error("half of a household was handed over")
		}
	}
	here.must(both.Together(desks).Release(t.Context(), suzuki))
	there.answer(old, "safe") // nothing is left to be asked there: the rest is taken
	_, err = both.Together(desks).Claim(t.Context(), sato)
	here.must(err)
	if there.row(old).Held(here.Alerts.Now()) {
		t.Error("a family that has answered was taken")
	}
	here.must(both.Together(desks).HandOver(t.Context(), sato, suzuki, "英語で"))
	here.isConflict(both.Together(desks).HandOver(t.Context(), sato, sato, ""))
	here.must(both.Together(desks).Release(t.Context(), suzuki))
}

// 20 callers, some at either of two schools and some of their district, who see one row of
// a family that has children at both, as half of the 1,000 families have.
func TestTwoSchools(t *testing.T) {
	const callers, families = 20, 500
	here, there := bothSchools(t)
	household := map[string]string{}
	rooms := []*room{here, there}
	refs := make([][]alert.Ref, 2)
	for i, r := range rooms {
		for class := range 10 {
			var made []alert.Made
			for j := range families / 10 {
				m := r.made(fmt.Sprint(class))
				n := class*families/10 + j
				if j%2 == 1 {
					n += i * families // of this school alone
				}
				m.Family.Guardians[0].Phones = []string{fmt.Sprintf("090-0001-%04d", n), fmt.Sprintf("03-0001-%04d", n)}
				household[m.Family.ID] = fmt.Sprint(n)
				made = append(made, m)
				refs[i] = append(refs[i], m.Ref(r.alert.ID))
			}
			r.must(r.Alerts.Table.Write(t.Context(), "", alert.CreateOps(r.alert.ID, made)...))
		}
	}
	classes := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
	seed := mathrand.Uint64()
	t.Logf("seed %d", seed)
	l := &ledger{has: map[string]string{}, until: map[string]time.Time{}, household: household}
	rounds := 0
	for left := 1; left > 0; rounds++ {
		if rounds > 60 {
			t.Fatalf("after %d rounds %d families are left", rounds, left)
		}
		var all sync.WaitGroup
		for i := range callers {
			r := rooms[i%2]
			c := &caller{room: r, ledger: l, who: desk.Person{ID: fmt.Sprint("caller", i)}, rnd: mathrand.New(mathrand.NewPCG(seed, uint64(rounds*100+i)))}
			if i%3 == 0 {
				homes := here.Households(append(here.rows(classes...), there.rows(classes...)...))
				all.Go(func() { c.workDistrict(homes, rooms, 12) })
				continue
			}
			all.Go(func() { c.work(r.rows(classes...), 12) })
		}
		rnd := mathrand.New(mathrand.NewPCG(seed, uint64(rounds*100+99)))
		all.Go(func() {
			for i := range 10 {
				rooms[i%2].answer(refs[i%2][rnd.IntN(families)], "safe")
			}
		})
		all.Wait()
		here.pass(desk.HoldFor)
		left = len(here.rows(classes...)) + len(there.rows(classes...))
	}
	if l.twice > 0 {
		t.Errorf("%d families were held twice", l.twice)
	}
	for i, r := range rooms {
		for _, ref := range refs[i] {
			if r.row(ref).Children[0].Answer == nil {
				t.Errorf("family %s is forgotten", ref.Family)
			}
		}
	}
	t.Logf("%d rounds, %d claims, %d of them of families at both schools", rounds, l.taken, l.both)
	if l.both == 0 {
		t.Error("no call was for both schools")
	}
}

// 20 callers and 1,000 families, while guardians answer and callers walk away in
// the middle of a call: no family is held twice, and none is forgotten.
func TestTwentyCallers(t *testing.T) {
	const callers, families = 20, 1000
	r := newRoom(t)
	var refs []alert.Ref
	var classes []string
	for i := range 25 {
		var made []alert.Made
		for range families / 25 {
			made = append(made, r.made(fmt.Sprint(i)))
			refs = append(refs, made[len(made)-1].Ref(r.alert.ID))
		}
		classes = append(classes, fmt.Sprint(i))
		r.must(r.Alerts.Table.Write(t.Context(), "", alert.CreateOps(r.alert.ID, made)...))
	}
	seed := mathrand.Uint64()
	t.Logf("seed %d", seed)
	l := &ledger{has: map[string]string{}, until: map[string]time.Time{}}
	rounds := 0
	for ; len(r.rows(classes...)) > 0; rounds++ {
		if rounds > 60 {
			t.Fatalf("after %d rounds %d families are left", rounds, len(r.rows(classes...)))
		}
		var all sync.WaitGroup
		for i := range callers {
			c := &caller{room: r, ledger: l, who: desk.Person{ID: fmt.Sprint("caller", i)}, rnd: mathrand.New(mathrand.NewPCG(seed, uint64(rounds*100+i)))}
			all.Go(func() { c.work(r.rows(classes...), 12) })
		}
		rnd := mathrand.New(mathrand.NewPCG(seed, uint64(rounds*100+99)))
		all.Go(func() {
			for range 15 {
				r.answer(refs[rnd.IntN(families)], "safe")
			}
		})
		all.Wait()
		r.pass(desk.HoldFor)
	}
	if l.twice > 0 {
		t.Errorf("%d families were held twice", l.twice)
	}
	for _, ref := range refs {
		if row := r.row(ref); row.Children[0].Answer == nil {
			t.Errorf("family %s is forgotten", ref.Family)
		}
	}
	t.Logf("%d rounds, %d claims", rounds, l.taken)
}

type caller struct {
	*room
	ledger *ledger
	who    desk.Person
	rnd    *mathrand.Rand
}

// work takes up to n families in hand, one after another.
func (c *caller) work(rows []desk.Row, n int) {
	for range n {
		row, found, err := c.Next(c.Context(), rows, c.who)
		if err != nil || !found {
			if err != nil && !errors.Is(err, table.ErrBusy) {
				c.Error(err)
			}
			return
		}
		c.ledger.take(row.ID, c.who.ID, c.Alerts.Now(), row.Until)
		e := c.entry(c.who, desk.Answered)
		switch c.rnd.IntN(6) {
		case 0:
			continue // called away: the family comes back by itself
		case 1:
			e.Outcome = desk.NoReply
		case 2:
			c.ledger.give(row.ID)
			if err := c.Release(c.Context(), row.Ref, c.who); err != nil {
				c.Error(err)
			}
			continue
		default:
			e.Choices = map[string]string{row.Children[0].ID: "safe"}
		}
		c.ledger.give(row.ID)
		if _, err := c.Enter(c.Context(), c.alert, row.Ref, e); err != nil && !problem.Is(err, problem.Conflict) {
			c.Error(err)
		}
	}
}

// workDistrict takes up to n households in hand, one after another.
func (c *caller) workDistrict(homes []desk.Household, rooms []*room, n int) {
	desks, alerts := map[string]desk.Desk{}, map[string]alert.Alert{}
	for _, r := range rooms {
		desks[r.alert.ID], alerts[r.alert.ID] = r.Desk, r.alert
	}
	for range n {
		h, found, err := desk.NextHousehold(c.Context(), homes, desks, c.who)
		if err != nil || !found {
			if err != nil && !errors.Is(err, table.ErrBusy) {
				c.Error(err)
			}
			return
		}
		family := h.Rows[0].ID
		c.ledger.take(family, c.who.ID, c.Alerts.Now(), c.Alerts.Now().Add(desk.HoldFor))
		if len(h.Rows) > 1 {
			c.ledger.takeBoth()
		}
		switch c.rnd.IntN(6) {
		case 0:
			continue // called away
		case 1:
			c.ledger.give(family)
			if err := h.Together(desks).Release(c.Context(), c.who); err != nil {
				c.Error(err)
			}
			continue
		}
		e := c.entry(c.who, desk.Answered)
		for i, row := range h.Rows {
			if i == len(h.Rows)-1 {
				c.ledger.give(family) // until the last school's call is entered the family is in hand
			}
			e.Choices = map[string]string{row.Children[0].ID: "safe"}
			_, err := c.Enter(c.Context(), alerts[row.Ref.Alert], row.Ref, e)
			if err != nil && !problem.Is(err, problem.Conflict) {
				c.Error(err)
			}
		}
	}
}

func (l *ledger) takeBoth() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.both++
}
