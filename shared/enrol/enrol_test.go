package enrol_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail/inbox"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// bench is a school with two families, and a clock.
type bench struct {
	*testing.T
	now   time.Time
	store *enrol.Store
	inbox *inbox.Inbox
	post  *enrol.Poster
	one   roster.Family // 一郎 and 二葉, without a guardian
	other roster.Family // 三郎, of 見本 花
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, now: time.Date(2026, 4, 6, 0, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return b.now }
	tb := bbolttest.Open(t, clock)
	ids := id.NewSource(clock, rand.Reader)
	r := &roster.Store{Table: tb, IDs: ids, Now: clock}
	b.must(r.PutSchool(t.Context(), roster.School{ID: "s1", Name: "ひばり小学校", Mail: "renraku@hibari.example", Phone: "03-0000-0000"}))
	b.store = &enrol.Store{Table: tb, Roster: r, IDs: ids, Now: clock, Random: rand.Reader}
	b.inbox = inbox.New(0, clock)
	links, err := link.NewSigner(link.Key{ID: 1, Secret: make([]byte, 32)})
	b.must(err)
	lanes, err := lane.Load(nil)
	b.must(err)
	b.post = &enrol.Poster{Store: b.store, Mail: b.inbox, Links: links, Lanes: lanes, BaseURL: "http://todoku.test"}
	b.one, err = r.PutFamily(t.Context(), "s1", roster.Family{Children: []roster.Child{
		{ID: ids.New(), Name: "見本 一郎", Class: "c1"}, {ID: ids.New(), Name: "見本 二葉", Class: "c2"}}})
	b.must(err)
	mother := ids.New()
	b.other, err = r.PutFamily(t.Context(), "s1", roster.Family{
		Children:  []roster.Child{{ID: ids.New(), Name: "見本 三郎", Class: "c1", Guardians: []string{mother}}},
		Guardians: []roster.Guardian{{ID: mother, Name: "見本　花", Contacts: []roster.Contact{{Address: "hana@docomo.ne.jp", State: roster.Unverified}}}},
	})
	b.must(err)
	return b
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// codes issues the codes of a family's children.
func (b *bench) codes(f roster.Family) []string {
	b.Helper()
	var refs []enrol.ChildRef
	for _, c := range f.Children {
		refs = append(refs, enrol.ChildRef{Family: f.ID, Child: c.ID})
	}
	passes, err := b.store.Issue(b.Context(), "s1", refs, false)
	b.must(err)
	var codes []string
	for _, p := range passes {
		codes = append(codes, p.Code)
	}
	return codes
}

func (b *bench) request(addr, name string, codes ...string) enrol.Request {
	b.Helper()
	a, err := address.Parse(addr)
	b.must(err)
	return enrol.Request{Codes: codes, Address: a, Name: name, Relation: "母", Door: enrol.Sheet, Source: "192.0.2.1"}
}

// register goes through the door and confirms.
func (b *bench) register(addr, name string, codes ...string) enrol.Join {
	b.Helper()
	j, err := b.store.Join(b.Context(), b.request(addr, name, codes...))
	b.must(err)
	_, err = b.store.Confirm(b.Context(), "s1", j.ID)
	b.must(err)
	return j
}

// contact returns a contact of the roster with who answers for whom.
func (b *bench) contact(addr string) (f roster.Family, g roster.Guardian, c roster.Contact, children []string) {
	b.Helper()
	place, err := b.store.Roster.FindByAddress(b.Context(), "s1", addr)
	b.must(err)
	f, err = b.store.Roster.Family(b.Context(), "s1", place.Family)
	b.must(err)
	g, _ = f.Guardian(place.Guardian)
	for _, x := range g.Contacts {
		if x.ID == place.Contact {
			c = x
		}
	}
	for _, x := range f.Children {
		if slices.Contains(x.Guardians, g.ID) {
			children = append(children, x.Name)
		}
	}
	return f, g, c, children
}

func TestParseCode(t *testing.T) {
	b := newBench(t)
	code := b.codes(b.one)[0]
	if len(code) != enrol.CodeLen {
		t.Fatalf("a code of %d characters", len(code))
	}
	wide := strings.Map(func(r rune) rune { return r + '！' - '!' }, code)
	for name, typed := range map[string]string{
		"as printed": enrol.Pretty(code), "lower case": strings.ToLower(code), "full width": wide,
		"spaces": code[:5] + "　" + code[5:] + " ", "letters for digits": strings.NewReplacer("0", "o", "1", "l").Replace(code), "long vowel": code[:5] + "ー" + code[5:],
	} {
		if got, ok := enrol.ParseCode(typed); !ok || got != code {
			t.Errorf("%s: %q is %q, %v", name, typed, got, ok)
		}
	}
	for name, typed := range map[string]string{
		"nothing": "", "cut": code[:9], "too long": code + "2", "another alphabet": "あいうえおかきくけこ", "an address": "a@b.jp", "NUL": code + "\x00", "huge": strings.Repeat(code, 1000),
		"swapped": code[:3] + swap(code[3:5]) + code[5:],
	} {
		if _, ok := enrol.ParseCode(typed); ok && typed != code {
			t.Errorf("%s: %q is a code", name, typed)
		}
	}
	both := b.codes(b.one)
	if got := enrol.Codes(enrol.Pretty(both[0]) + "、" + both[1][:5] + " " + both[1][5:]); len(got) != 2 {
		t.Errorf("two codes are read as %q", got)
	}
}

// swap exchanges two characters, unless they are one (or 0 and Z, which the check does not tell apart).
func swap(two string) string {
	if strings.Contains("0Z Z0", two) {
		return two
	}
	return two[1:] + two[:1]
}

func FuzzParseCode(f *testing.F) {
	f.Add("7K3MP-9QXZT")
	f.Add("ｏＩｌ０")
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := enrol.ParseCode(typed)
		if !ok {
			return
		}
		again, ok := enrol.ParseCode(enrol.Pretty(code))
		if !ok || again != code || strings.Trim(code, enrol.Alphabet) != "" {
			t.Errorf("%q is read as %q, and that as %q", typed, code, again)
		}
	})
}

func TestConfirm(t *testing.T) {
	t.Run("somebody new", func(t *testing.T) {
		b := newBench(t)
		codes := b.codes(b.one)
		j, err := b.store.Join(t.Context(), b.request("new@gmail.com", "見本 母", codes...))
		b.must(err)
		if _, err := b.store.Roster.FindByAddress(t.Context(), "s1", "new@gmail.com"); !errors.Is(err, roster.ErrNotFound) {
			t.Fatalf("the address is in the roster before its confirmation: %v", err)
		}
		for range 2 {
			_, err = b.store.Confirm(t.Context(), "s1", j.ID)
			b.must(err)
		}
		f, g, c, children := b.contact("new@gmail.com")
		if f.ID != b.one.ID || len(f.Guardians) != 1 || g.Name != "見本 母" || g.Relation != "母" || c.State != roster.Verified || len(children) != 2 {
			t.Errorf("%+v answers for %q", f.Guardians, children)
		}
	})
	t.Run("the office's address", func(t *testing.T) {
		b := newBench(t)
		b.register("HANA@docomo.ne.jp", "", b.codes(b.other)...)
		if f, _, c, _ := b.contact("hana@docomo.ne.jp"); c.State != roster.Verified || len(f.Guardians) != 1 {
			t.Errorf("%+v", f)
		}
	})
	t.Run("the name of somebody with an address", func(t *testing.T) { // whoever found the slip can type it
		b := newBench(t)
		b.register("hana2@gmail.com", "見本花", b.codes(b.other)...)
		if f, g, _, children := b.contact("hana2@gmail.com"); len(f.Guardians) != 2 || len(g.Contacts) != 1 || len(children) != 1 {
			t.Errorf("%+v", f)
		}
	})
	t.Run("the name of somebody without an address", func(t *testing.T) {
		b := newBench(t)
		b.other.Guardians[0].Contacts, b.other.Guardians[0].Phones = nil, []string{"090-0000-0000"}
		_, err := b.store.Roster.PutFamily(t.Context(), "s1", b.other)
		b.must(err)
		b.register("hana2@gmail.com", "見本花", b.codes(b.other)...)
		if f, g, _, _ := b.contact("hana2@gmail.com"); len(f.Guardians) != 1 || len(g.Phones) != 1 {
			t.Errorf("%+v", f)
		}
	})
	t.Run("siblings of two families", func(t *testing.T) {
		b := newBench(t)
		b.register("hana@docomo.ne.jp", "", append(b.codes(b.one)[:1], b.codes(b.other)...)...)
		f, g, _, children := b.contact("hana@docomo.ne.jp")
		if len(f.Children) != 3 || len(children) != 2 || g.Name != "見本　花" {
			t.Errorf("%d children in the family, and %q are hers", len(f.Children), children)
		}
		// A code that names the family as it was still finds the child.
		b.register("other@gmail.com", "父", b.codes(b.other)...)
	})
	t.Run("one of the children has left", func(t *testing.T) {
		b := newBench(t)
		codes := b.codes(b.one)
		j, err := b.store.Join(t.Context(), b.request("new@gmail.com", "見本 母", codes...))
		b.must(err)
		last, err := b.store.Join(t.Context(), b.request("late@gmail.com", "", codes[0]))
		b.must(err)
		rest := b.one
		rest.Children = rest.Children[1:]
		_, err = b.store.Roster.PutFamily(t.Context(), "s1", rest)
		b.must(err)
		if shown, err := b.store.Children(t.Context(), j); err != nil || len(shown) != 1 || shown[0].Name != "見本 二葉" {
			t.Errorf("the page shows %v, %v", shown, err)
		}
		_, err = b.store.Confirm(t.Context(), "s1", j.ID)
		b.must(err)
		if _, _, c, children := b.contact("new@gmail.com"); c.State != roster.Verified || len(children) != 1 {
			t.Errorf("%s for %q", c.State, children)
		}
		if _, err := b.store.Confirm(t.Context(), "s1", last.ID); !problem.Is(err, problem.Gone) {
			t.Errorf("a join of nobody but who left: %v", err)
		}
	})
	t.Run("too late", func(t *testing.T) {
		b := newBench(t)
		j, err := b.store.Join(t.Context(), b.request("new@gmail.com", "", b.codes(b.one)...))
		b.must(err)
		b.now = b.now.Add(enrol.JoinLife)
		if _, err := b.store.Confirm(t.Context(), "s1", j.ID); !problem.Is(err, problem.Gone) {
			t.Errorf("a join of last month: %v", err)
		}
	})
}

// TestFix: the address that the office puts in the place of another was never confirmed,
// whatever was heard of the one before.
func TestFix(t *testing.T) {
	heard := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		address string
		knows   bool
	}{
		"another address":                 {"hana@gmail.com", false},
		"the same address, invited again": {"HANA@docomo.ne.jp", true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			c := &b.other.Guardians[0].Contacts[0]
			c.State, c.Answered, c.RefusedAt = roster.Refused, heard, heard
			c.Paused, c.Quiet, c.Complained = heard.AddDate(1, 0, 0), true, heard
			_, err := b.store.Roster.PutFamily(t.Context(), "s1", b.other)
			b.must(err)
			a, err := address.Parse(tt.address)
			b.must(err)
			b.must(b.store.Fix(t.Context(), "s1", b.other.ID, c.ID, a, "staff", b.lanes()))
			_, _, got, _ := b.contact(a.Key())
			if got.ID != c.ID || got.State != roster.Unverified || got.Confirmed() != tt.knows || got.Quiet != tt.knows || got.Paused.IsZero() == tt.knows || got.Complained.IsZero() == tt.knows {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestJoinOnce(t *testing.T) {
	b := newBench(t)
	codes := b.codes(b.one)
	first, err := b.store.Join(t.Context(), b.request("new@gmail.com", "", codes...))
	b.must(err)
	again, err := b.store.Join(t.Context(), b.request("NEW@gmail.com", "", codes[1], codes[0]))
	b.must(err)
	if first.ID != again.ID {
		t.Error("the same address waits twice")
	}
	other, err := b.store.Join(t.Context(), b.request("new@gmail.com", "", codes[0]))
	b.must(err)
	if other.ID == first.ID {
		t.Error("with other children it is another join")
	}
}

// TestWrongCard: who scans a card of nobody is not told of registration codes.
func TestWrongCard(t *testing.T) {
	b := newBench(t)
	for name, code := range map[string]string{"of no card": b.codes(b.one)[0], "no code": "x"} {
		_, _, err := b.store.Card(t.Context(), code, "somebody")
		if !errors.Is(err, enrol.ErrWrongCard) || !strings.Contains(problem.Of(err)[0].Text.JA, "家庭カード") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCodesEnd(t *testing.T) {
	b := newBench(t)
	old := b.codes(b.one)[0]
	if again := b.codes(b.one)[0]; again != old {
		t.Error("printing twice gives two codes")
	}
	ref := enrol.ChildRef{Family: b.one.ID, Child: b.one.Children[0].ID}
	anew, err := b.store.Issue(t.Context(), "s1", []enrol.ChildRef{ref}, true)
	b.must(err)
	if _, err := b.store.Pass(t.Context(), old); !errors.Is(err, enrol.ErrWrongCode) {
		t.Errorf("the old code still works: %v", err)
	}
	b.now = b.now.Add(enrol.CodeLife)
	if _, err := b.store.Pass(t.Context(), anew[0].Code); !errors.Is(err, enrol.ErrWrongCode) {
		t.Errorf("a code of last term still works: %v", err)
	}
	if fresh := b.codes(b.one)[0]; fresh == anew[0].Code {
		t.Error("an ended code is printed again")
	}
}

// TestGuess tries codes that are well formed: 10,000 from one source, and 10,000
// from as many sources, at a school of two codes.
func TestGuess(t *testing.T) {
	const guesses = 10_000
	b := newBench(t)
	b.codes(b.one)
	for name, source := range map[string]func(int) string{
		"one source":   func(int) string { return "198.51.100.7" },
		"many sources": func(i int) string { return fmt.Sprintf("2001:db8:%x::", i) },
	} {
		looked, hit := 0, 0
		for i := range guesses {
			r := b.request("guess@gmail.com", "", guess(i))
			r.Source = source(i)
			_, err := b.store.Join(t.Context(), r)
			switch {
			case err == nil:
				hit++
			case errors.Is(err, enrol.ErrWrongCode):
				looked++
			case !problem.Is(err, problem.TooMany):
				t.Fatal(err)
			}
		}
		const codes = 1000 // of a large school
		chance := float64(looked) * codes / float64(uint64(1)<<45)
		t.Logf("%s: %d guesses, %d looked up, %d hits; at a school of %d codes the chance of one is %.1g", name, guesses, looked, hit, codes, chance)
		if hit > 0 {
			t.Errorf("%s: %d guesses hit", name, hit)
		}
	}
	if _, err := b.store.Join(t.Context(), b.request("x@gmail.com", "", b.codes(b.one)[0])); err != nil {
		t.Errorf("a guardian elsewhere is kept out: %v", err)
	}
}

// TestMistypedCards: families on one Wi-Fi that mistype their cards do not shut each other
// out; a source that guesses is.
func TestMistypedCards(t *testing.T) {
	b := newBench(t)
	cards, err := b.store.IssueCards(t.Context(), "s1", []enrol.ChildRef{{Family: b.one.ID, Child: b.one.Children[0].ID}}, false)
	b.must(err)
	for name, tt := range map[string]struct {
		typed func(int) string
		want  error
	}{
		"mistyped": {func(int) string { return "00010-ABCDE" }, nil},
		"guessed":  {guess, enrol.ErrTooMany},
	} {
		for i := range enrol.MaxWrong {
			if _, _, err := b.store.Card(t.Context(), tt.typed(i), name); !errors.Is(err, enrol.ErrWrongCard) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, _, err := b.store.Card(t.Context(), cards[0].Code, name); !errors.Is(err, tt.want) {
			t.Errorf("%s, then a card: %v, want %v", name, err, tt.want)
		}
	}
}

// guess is a code with the right check character.
func guess(i int) string {
	body := fmt.Sprintf("%09d", i*7919)
	for _, c := range enrol.Alphabet {
		if code, ok := enrol.ParseCode(body + string(c)); ok {
			return code
		}
	}
	panic("no check character fits")
}

// A slip that was found is no means to send mail to strangers.
func TestJoinsOfOneCode(t *testing.T) {
	b := newBench(t)
	code := b.codes(b.one)[0]
	var err error
	n := 0
	for ; n < 100 && err == nil; n++ {
		_, err = b.store.Join(t.Context(), b.request(fmt.Sprintf("stranger%d@gmail.com", n), "", code))
	}
	if n-1 != enrol.MaxJoins || !problem.Is(err, problem.TooMany) {
		t.Errorf("%d joins, then %v", n-1, err)
	}
}

func TestSend(t *testing.T) {
	b := newBench(t)
	j, err := b.store.Join(t.Context(), b.request("new@gmail.com", "", b.codes(b.one)...))
	b.must(err)
	sent, err := b.post.Send(t.Context(), "s1", j.ID)
	b.must(err)
	mails := b.inbox.List()
	if sent.Mail.State != enrol.Accepted || len(mails) != 1 || !strings.Contains(mails[0].Text, "http://todoku.test/register/confirm/") {
		t.Fatalf("%+v, mails %+v", sent.Mail, mails)
	}
	if strings.Contains(mails[0].Text+mails[0].HTML, "一郎") {
		t.Error("the mail names the child before the address is proven")
	}
	if _, err := b.post.Send(t.Context(), "s1", j.ID); !problem.Is(err, problem.TooMany) {
		t.Errorf("a second click: %v", err)
	}
	for range enrol.MaxLetters - 1 {
		b.now = b.now.Add(enrol.Again)
		_, err = b.post.Send(t.Context(), "s1", j.ID)
		b.must(err)
	}
	b.now = b.now.Add(enrol.Again)
	if _, err := b.post.Send(t.Context(), "s1", j.ID); !problem.Is(err, problem.TooMany) {
		t.Errorf("mail number %d of a day: %v", enrol.MaxLetters+1, err)
	}
	school, joinID, ok := enrol.OfTags(b.lastTags(t))
	if !ok || school != "s1" || joinID != j.ID {
		t.Errorf("the tags lead to %s %s, %v", school, joinID, ok)
	}
	_, err = b.store.Report(t.Context(), "s1", j.ID, enrol.Letter{State: enrol.Refused, At: b.now, Status: "5.1.1"})
	b.must(err)
	if got, err := b.store.Report(t.Context(), "s1", j.ID, enrol.Letter{State: enrol.Delivered, At: b.now}); err != nil || got.Mail.State != enrol.Refused {
		t.Errorf("a late report: %+v, %v", got.Mail, err)
	}
}

func (b *bench) lastTags(t *testing.T) map[string]string {
	t.Helper()
	tags := map[string]string{}
	for name, value := range b.inbox.List()[0].Headers {
		if tag, ok := strings.CutPrefix(strings.ToLower(name), "x-todoku-"); ok {
			tags[tag] = value
		}
	}
	return tags
}
