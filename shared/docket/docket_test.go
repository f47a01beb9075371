package docket_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/judge"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/memo"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// court is a school with one class, an alert to it, and a docket.
type court struct {
	*docket.Clerk
	t        *testing.T
	now      time.Time
	school   string
	class    roster.Group
	alert    alert.Alert
	unlisted []string
	memos    []queue.Message
}

func (c *court) Send(_ context.Context, msgs ...queue.Message) error {
	c.memos = append(c.memos, msgs...)
	return queue.Check(msgs...)
}

func newCourt(t *testing.T) *court {
	t.Helper()
	c := &court{t: t, now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)}
	now := func() time.Time { return c.now }
	tab := bbolttest.Open(t, now)
	ids := id.NewSource(now, rand.Reader)
	people := &staff.Store{Table: tab, IDs: ids, Now: now, Random: rand.Reader}
	lanes, err := lane.Load(nil)
	c.must(err)
	c.school = ids.New()
	c.Clerk = &docket.Clerk{
		Store: &docket.Store{
			Table: tab, Now: now, Alerts: &alert.Store{Table: tab, IDs: ids, Now: now}, Roster: &roster.Store{Table: tab, IDs: ids, Now: now},
		},
		Memos: &memo.Office{Staff: people, Copies: c}, Lanes: lanes, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Unlist: func(_ context.Context, mailbox string) error { c.unlisted = append(c.unlisted, mailbox); return nil },
	}
	c.must(c.Roster.PutSchool(t.Context(), roster.School{ID: c.school, Name: "見本小学校", Mail: "anzen@school.example.jp"}))
	c.class = roster.Group{ID: ids.New(), Kind: roster.Class, Name: "1年2組", Label: "2", Grade: 1}
	c.must(c.Roster.PutGroup(t.Context(), c.school, c.class))
	for _, p := range []staff.Staff{
		{Name: "manager", Role: staff.Manager}, {Name: "teacher", Role: staff.Teacher, Groups: []string{c.class.ID}},
		{Name: "other", Role: staff.Teacher, Groups: []string{"another"}},
	} {
		p.School, p.Mail = c.school, p.Name+"@school.example.jp"
		_, err := people.PutStaff(t.Context(), p)
		c.must(err)
	}
	c.newAlert()
	return c
}

func (c *court) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *court) newAlert() {
	c.t.Helper()
	a, _, err := c.Alerts.Accept(c.t.Context(), alert.Draft{
		School: c.school, Kind: alert.Safety, Subject: "台風", Body: "回答してください。", All: true, UsefulUntil: c.now.Add(6 * time.Hour),
	}, c.Alerts.IDs.New())
	c.must(err)
	c.alert = a
}

// family makes a family with one contact in the state, and returns the copy to it of the
// alert, in a state.
func (c *court) family(k roster.Contact) (alert.CopyRef, roster.Contact) {
	c.t.Helper()
	g := c.Alerts.IDs.New()
	k.ID = c.Alerts.IDs.New()
	k.Address = strings.ToLower(k.ID) + "@docomo.ne.jp"
	f, err := c.Roster.PutFamily(c.t.Context(), c.school, roster.Family{
		Children:  []roster.Child{{Name: "見本 太郎 " + k.ID, Class: c.class.ID, Guardians: []string{g}}},
		Guardians: []roster.Guardian{{ID: g, Name: "見本 花子", Contacts: []roster.Contact{k}}},
	})
	c.must(err)
	return alert.CopyRef{Ref: alert.Ref{Alert: c.alert.ID, Class: c.class.ID, Family: f.ID}, Contact: k.ID}, k
}

// settled makes the copy's record, as its verdict leaves it.
func (c *court) settled(ref alert.CopyRef, state alert.CopyState) {
	c.t.Helper()
	f := alert.Family{
		ID: ref.Family, Children: []alert.Child{{ID: "c", Class: ref.Class, Guardians: []int{0}}}, Guardians: []alert.Guardian{{ID: "g"}},
		Copies: []alert.Copy{{Contact: ref.Contact, Lane: "docomo", State: alert.Queued, At: c.now}},
	}
	c.must(c.Alerts.Table.Write(c.t.Context(), "", alert.CreateOps(ref.Alert, []alert.Made{{Class: ref.Class, Family: f}})...))
	c.must(c.Alerts.Update(c.t.Context(), alert.Change{Ref: ref.Ref, Apply: func(f *alert.Family) bool {
		f.Copies[0].State = state
		return true
	}}))
}

func (c *court) refused(ref alert.CopyRef, class judge.Class) docket.Refusal {
	return docket.Refusal{Copy: ref, Lane: "docomo", Class: class, Code: 550, Words: "Unknown user (address)", At: c.now, Hard: true}
}

// refuse has copies to n contacts refused, each told twice.
func (c *court) refuse(n int, k roster.Contact, class judge.Class) []alert.CopyRef {
	c.t.Helper()
	var refs []alert.CopyRef
	for range n {
		ref, _ := c.family(k)
		c.settled(ref, alert.Refused)
		c.must(c.Hear(c.t.Context(), c.alert, c.refused(ref, class)))
		c.must(c.Hear(c.t.Context(), c.alert, c.refused(ref, class), c.refused(ref, class)))
		refs = append(refs, ref)
	}
	return refs
}

func (c *court) contact(ref alert.CopyRef) roster.Contact {
	c.t.Helper()
	f, err := c.Roster.Family(c.t.Context(), c.school, ref.Family)
	c.must(err)
	return f.Guardians[0].Contacts[0]
}

// later moves the clock by minutes, and has the tick work in each.
func (c *court) later(minutes int) {
	c.t.Helper()
	for range minutes {
		c.now = c.now.Add(time.Minute)
		c.must(c.Work(c.t.Context()))
	}
}

// told returns the subjects of the memos so far, with whom they are for.
func (c *court) told() []string {
	var told []string
	people, err := c.Memos.Staff.OfSchool(c.t.Context(), c.school)
	c.must(err)
	for _, m := range c.memos {
		for _, p := range people {
			if strings.HasSuffix(m.Group, p.ID) {
				about, _, _ := strings.Cut(strings.TrimPrefix(m.ID, "memo-"), "-")
				told = append(told, about+" "+p.Name)
			}
		}
	}
	return told
}

var (
	unverified = roster.Contact{State: roster.Unverified}
	verified   = roster.Contact{State: roster.Verified}
)

// TestTwoHundred: 200 verified contacts of one operator are refused in one send. None is
// closed, and there is one alarm.
func TestTwoHundred(t *testing.T) {
	c := newCourt(t)
	refs := c.refuse(200, verified, judge.Unknown)
	c.later(30)
	for _, ref := range refs {
		if k := c.contact(ref); k.State != roster.Verified {
			t.Fatalf("a contact is %s", k.State)
		}
	}
	if diff := cmp.Diff([]string{"held manager"}, c.told()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	held, err := c.Holds(t.Context(), c.school, "docomo")
	c.must(err)
	if other, _ := c.Holds(t.Context(), "another", "docomo"); !held || other {
		t.Errorf("held: %t, for another school: %t", held, other)
	}
	body := c.memos[0].Body
	for _, want := range []string{"ドコモが、学校からのメールを拒否しています", "550 Unknown user", "/mail"} {
		if !strings.Contains(body, want) {
			t.Errorf("the alarm does not say %q: %s", want, body)
		}
	}
	if seen, _, err := c.Refused(t.Context(), c.school, ""); err != nil || len(seen) > 0 {
		t.Errorf("teachers see %v, %v", seen, err)
	}
}

func TestLone(t *testing.T) {
	lately := time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC)
	tests := []struct {
		name     string
		k        roster.Contact
		class    judge.Class
		state    roster.ContactState
		listed   bool // for the teacher
		unlisted bool // by SES
	}{
		{"never verified", unverified, judge.Unknown, roster.Refused, true, false},
		{"never verified, by its filter", unverified, judge.Filtered, roster.Refused, true, false},
		{"never verified, full", unverified, judge.Full, roster.Unverified, true, false},
		{"never verified, policy", unverified, judge.Policy, roster.Unverified, false, false},
		{"answered lately", roster.Contact{State: roster.Unverified, Answered: lately}, judge.Unknown, roster.Unverified, true, false},
		{"confirmed", verified, judge.Unknown, roster.Verified, true, false},
		{"confirmed, refused before", roster.Contact{State: roster.Verified, RefusedAt: lately}, judge.Unknown, roster.Refused, true, false},
		{"confirmed, on SES's list", verified, judge.Listed, roster.Verified, true, true},
		{"complained, on SES's list", roster.Contact{State: roster.Verified, Complained: lately}, judge.Listed, roster.Verified, true, false},
		{"closed by its guardian", roster.Contact{State: roster.Closed}, judge.Unknown, roster.Closed, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCourt(t)
			ref := c.refuse(1, tt.k, tt.class)[0]
			c.later(9)
			if c.contact(ref).State != tt.k.State || len(c.memos) > 0 {
				t.Error("it is decided before others could come")
			}
			c.later(10)
			if got := c.contact(ref).State; got != tt.state {
				t.Errorf("the contact is %s, want %s", got, tt.state)
			}
			seen, _, err := c.Refused(t.Context(), c.school, c.class.ID)
			c.must(err)
			if (len(seen) == 1) != tt.listed || len(c.unlisted) == 1 != tt.unlisted {
				t.Errorf("listed: %v, taken off SES's list: %v", seen, c.unlisted)
			}
			if tt.listed && !slices.Equal(c.told(), []string{"refused teacher"}) {
				t.Errorf("told: %q", c.told())
			}
		})
	}
}

// TestDigest: seven of a class, one mail.
func TestDigest(t *testing.T) {
	c := newCourt(t)
	for range 40 {
		ref, _ := c.family(verified)
		c.settled(ref, alert.Sent)
	}
	c.refuse(7, unverified, judge.Unknown)
	c.later(30)
	if diff := cmp.Diff([]string{"refused teacher"}, c.told()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if !strings.Contains(c.memos[0].Body, "1年2組：7件") {
		t.Errorf("the memo: %s", c.memos[0].Body)
	}
}

// TestReopen: contacts were closed before it became known that theirs were the first of
// many. They are opened again.
func TestReopen(t *testing.T) {
	c := newCourt(t)
	first := c.refuse(2, unverified, judge.Unknown)
	c.later(20)
	if got := c.contact(first[0]).State; got != roster.Refused {
		t.Fatalf("a lone one is %s", got)
	}
	c.refuse(12, verified, judge.Filtered)
	c.later(20)
	for _, ref := range first {
		if k := c.contact(ref); k.State != roster.Unverified || !k.RefusedAt.IsZero() {
			t.Errorf("the contact is %s, refused at %s", k.State, k.RefusedAt)
		}
	}
	if seen, _, err := c.Refused(t.Context(), c.school, c.class.ID); err != nil || len(seen) > 0 {
		t.Errorf("teachers still see %v, %v", seen, err)
	}
}

// TestResume: a test that is refused leaves the lane held, one that is taken lets it go;
// refusals of before that do not hold it again, later ones do, and are told again.
func TestResume(t *testing.T) {
	c := newCourt(t)
	refs := c.refuse(5, verified, judge.Unknown)
	c.later(1)
	holds := func() bool {
		t.Helper()
		c.now = c.now.Add(docket.Fresh)
		held, err := c.Holds(t.Context(), c.school, "docomo")
		c.must(err)
		return held
	}
	c.must(c.Tried(t.Context(), c.school, "docomo", "test-1"))
	c.must(c.Tested(t.Context(), c.school, "test-0", "", "")) // of another time
	c.must(c.Tested(t.Context(), c.school, "test-1", judge.Unknown, "550 Unknown user"))
	if e, _ := c.Event(t.Context(), c.school, "docomo"); !holds() || e.Test.Refused != judge.Unknown {
		t.Errorf("after a test that was refused: %+v", e)
	}
	before := c.now
	c.must(c.Tried(t.Context(), c.school, "docomo", "test-2"))
	c.must(c.Tested(t.Context(), c.school, "test-2", "", ""))
	c.must(c.Tested(t.Context(), c.school, "test-2", "", ""))
	if holds() {
		t.Error("it is held after a test that was taken")
	}
	if err := c.Resume(t.Context(), c.school, "docomo", "staff"); err == nil {
		t.Error("what is not held was resumed")
	}
	for range 5 { // late events
		ref, _ := c.family(verified)
		c.settled(ref, alert.Refused)
		late := c.refused(ref, judge.Unknown)
		late.At = before
		c.must(c.Hear(t.Context(), c.alert, late))
	}
	c.later(1)
	if holds() {
		t.Error("refusals of before hold it again")
	}
	c.refuse(6, verified, judge.Unknown)
	c.later(1)
	if !holds() {
		t.Error("it is not held when the operator refuses again")
	}
	if diff := cmp.Diff([]string{"held manager", "held manager"}, c.told()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if k := c.contact(refs[0]); k.State != roster.Verified {
		t.Errorf("a contact is %s", k.State)
	}
}

// closed counts those of contacts that are refused, and not to be told again.
func (c *court) closed(refs []alert.CopyRef) (n int) {
	c.t.Helper()
	for _, ref := range refs {
		if k := c.contact(ref); k.State == roster.Refused || !k.RefusedAt.IsZero() {
			n++
		}
	}
	return n
}

// TestTwoAlerts: the lane is held because of one alert; what the operator refuses meanwhile of
// another says no more of its addresses. What it refuses long after does.
func TestTwoAlerts(t *testing.T) {
	c := newCourt(t)
	first, a := c.alert, c.refuse(12, verified, judge.Unknown)
	c.newAlert()
	b := append(c.refuse(20, unverified, judge.Unknown), c.refuse(20, verified, judge.Unknown)...)
	full := c.refuse(1, unverified, judge.Listed)
	c.later(30)
	if n := c.closed(append(a, b...)); n > 0 || c.closed(full) != 1 {
		t.Errorf("%d contacts are held to be refused", n)
	}
	if diff := cmp.Diff([]string{"held manager", "refused teacher"}, c.told()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	c.must(c.Resume(t.Context(), c.school, "docomo", "staff"))
	c.later(30)
	lone := c.refuse(1, unverified, judge.Unknown)
	c.alert = first
	of := c.refuse(1, unverified, judge.Unknown)
	c.later(20)
	if c.closed(lone) != 1 || c.closed(of) != 0 {
		t.Errorf("afterwards %d of another alert and %d of the same are closed, want 1 and 0", c.closed(lone), c.closed(of))
	}
}

// TestHeldAgain: a lane that was let go is held again because of another alert, before the
// cases of the first are decided.
func TestHeldAgain(t *testing.T) {
	c := newCourt(t)
	many := c.refuse(150, unverified, judge.Unknown) // more than a run decides
	c.later(2)
	for range 10 {
		c.must(c.Resume(t.Context(), c.school, "docomo", "staff"))
		c.later(1)
		c.newAlert()
		many = append(many, c.refuse(10, unverified, judge.Unknown)...)
	}
	c.later(30)
	if n := c.closed(many); n > 0 {
		t.Errorf("%d of %d contacts are closed", n, len(many))
	}
	e, err := c.Event(t.Context(), c.school, "docomo")
	if c.must(err); len(e.Past) != 8 {
		t.Errorf("%d spells are remembered", len(e.Past))
	}
}

// TestOrder: whether the refusals of a bad class list are known before the deliveries or after
// them, it ends alike, though in the one case the lane was held in between.
func TestOrder(t *testing.T) {
	for name, tt := range map[string]struct {
		first, then int // deliveries before and after the refusals
		minutes     int // from these to the later ones
		told        []string
	}{
		"deliveries first":           {100, 0, 1, []string{"refused teacher"}},
		"refusals first":             {0, 100, 1, []string{"held manager", "refused teacher", "taken manager"}},
		"refusals first by a moment": {0, 100, 0, []string{"refused teacher"}},
		"refusals in between":        {50, 50, 1, []string{"refused teacher"}},
		"only two thirds are taken":  {0, 20, 1, []string{"held manager"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCourt(t)
			c.Store.Events = true
			c.deliver(tt.first, verified)
			wrong := c.refuse(10, unverified, judge.Unknown)
			c.later(tt.minutes)
			c.deliver(tt.then, verified)
			c.later(30)
			c.now = c.now.Add(docket.Fresh)
			held, err := c.Holds(t.Context(), c.school, "docomo")
			c.must(err)
			if over := tt.first+tt.then == 100; held == over || c.closed(wrong) == 10 != over {
				t.Errorf("held: %t, %d of 10 closed", held, c.closed(wrong))
			}
			if diff := cmp.Diff(tt.told, c.told()); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMistakenThenNot: a lane that was let go because its event was none is held, and told
// of, again when more is refused, and what was refused before is part of that.
func TestMistakenThenNot(t *testing.T) {
	c := newCourt(t)
	c.Store.Events = true
	refs := c.refuse(10, unverified, judge.Unknown)
	c.later(1)
	c.deliver(60, verified)
	c.later(15)
	if e, err := c.Event(t.Context(), c.school, "docomo"); err != nil || e.Held() || !e.Mistaken || e.Settled != 70 {
		t.Errorf("%+v, %v", e, err)
	}
	refs = append(refs, c.refuse(20, unverified, judge.Unknown)...)
	c.later(30)
	e, err := c.Event(t.Context(), c.school, "docomo")
	if c.must(err); !e.Held() || e.Mistaken || c.closed(refs) > 0 {
		t.Errorf("%+v, %d closed", e, c.closed(refs))
	}
	if diff := cmp.Diff([]string{"held manager", "refused teacher", "taken manager", "held manager"}, c.told()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// TestBadList: a class list in which one address in ten is wrong is no policy.
func TestBadList(t *testing.T) {
	c := newCourt(t)
	var wrong []alert.CopyRef
	for i := range 100 {
		if i%10 == 3 {
			wrong = append(wrong, c.refuse(1, unverified, judge.Unknown)...)
			continue
		}
		ref, _ := c.family(unverified)
		c.settled(ref, alert.Sent)
	}
	c.later(20)
	for _, ref := range wrong {
		if got := c.contact(ref).State; got != roster.Refused {
			t.Errorf("a wrong address is %s", got)
		}
	}
	if held, _ := c.Holds(t.Context(), c.school, "docomo"); held {
		t.Error("the lane is held")
	}
}

// TestGone: a family that has left since leaves nothing to decide.
func TestGone(t *testing.T) {
	c := newCourt(t)
	ref := c.refuse(1, unverified, judge.Unknown)[0]
	f, err := c.Roster.Family(t.Context(), c.school, ref.Family)
	c.must(err)
	c.must(c.Roster.DeleteFamily(t.Context(), c.school, f))
	c.later(20)
	other := ref
	other.Family = fmt.Sprint("x", ref.Family)
	c.must(c.Hear(t.Context(), c.alert, c.refused(other, judge.Unknown)))
	if len(c.memos) > 0 {
		t.Errorf("told: %q", c.told())
	}
}

// TestUnlistFails: what the mail operator's list does not let go is tried once more, and
// keeps nobody else waiting.
func TestUnlistFails(t *testing.T) {
	c := newCourt(t)
	var tried []string
	c.Unlist = func(_ context.Context, mailbox string) error {
		tried = append(tried, mailbox)
		return errors.New("not allowed")
	}
	c.refuse(1, verified, judge.Listed)
	wrong := c.refuse(1, unverified, judge.Unknown)[0]
	c.later(20)
	if got := c.contact(wrong).State; got != roster.Refused || len(tried) != 2 || tried[0] != tried[1] {
		t.Errorf("the other contact is %s, tried %q", got, tried)
	}
	if diff := cmp.Diff([]string{"refused teacher"}, c.told()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// TestFailingItems: items that fail are tried again, and keep no other waiting, however many
// they are.
func TestFailingItems(t *testing.T) {
	c := newCourt(t)
	for i := range 30 {
		damaged := table.Key{Partition: "docket/due", Sort: fmt.Sprintf("2026-09-01T07:00:00Z/%02d", i)}
		c.must(c.Alerts.Table.Write(t.Context(), "", table.Create{Key: damaged, Value: []byte("{")}))
	}
	c.refuse(5, verified, judge.Unknown)
	for range 2 {
		if err := c.Work(t.Context()); err == nil {
			t.Error("nothing is said of what failed")
		}
		c.now = c.now.Add(time.Second)
	}
	if diff := cmp.Diff([]string{"held manager"}, c.told()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	page, err := c.Alerts.Table.Query(t.Context(), table.Query{Partition: "docket/due", Prefix: "2026-09-01T08:01:"})
	if c.must(err); len(page.Items) != 30 {
		t.Errorf("%d items are tried again a minute later, want 30", len(page.Items))
	}
}

// refusing is a table that is busy at one of the next writes.
type refusing struct {
	table.Table
	at int // from 1; 0: it no longer is
}

func (r *refusing) Write(ctx context.Context, token string, ops ...table.Op) error {
	if r.at--; r.at == 0 {
		return table.ErrBusy
	}
	return r.Table.Write(ctx, token, ops...)
}

// TestComplaintBusy: whichever write of a complaint meets a busy store, when it comes again
// it is noted, listed and counted once.
func TestComplaintBusy(t *testing.T) {
	for at := 1; ; at++ {
		c := newCourt(t)
		ref, _ := c.family(verified)
		busy := &refusing{Table: c.Store.Table, at: at}
		c.Store.Table = busy
		c.Roster.Table = busy
		err := c.Complain(t.Context(), ref, c.now)
		if err == nil && busy.at > 0 {
			if at != 4 {
				t.Errorf("%d writes, want 3", at-1)
			}
			return
		}
		if !errors.Is(err, table.ErrBusy) {
			t.Fatalf("write %d: %v", at, err)
		}
		c.must(c.Complain(t.Context(), ref, c.now))
		seen, _, err := c.Refused(t.Context(), c.school, c.class.ID)
		c.must(err)
		if n := c.complaints(); n != 1 || len(seen) != 1 || !c.contact(ref).Quiet {
			t.Errorf("write %d: counted %d, teachers see %v, quiet %t", at, n, seen, c.contact(ref).Quiet)
		}
	}
}

// complaints returns how many of the alert's copies are counted for the brake.
func (c *court) complaints() int64 {
	c.t.Helper()
	rate, err := c.Alerts.Table.Get(c.t.Context(), table.Key{Partition: "alert/" + c.alert.ID + "/cases", Sort: "rate"})
	c.must(err)
	return rate.Counts["complained"]
}

// TestComplaint: notices end, once, and teachers see it until the guardian answers again.
func TestComplaint(t *testing.T) {
	c := newCourt(t)
	ref, _ := c.family(verified)
	for range 2 {
		c.must(c.Complain(t.Context(), ref, c.now))
	}
	k := c.contact(ref)
	if k.Listens(true, c.now) || !k.Listens(false, c.now) || !k.Complained.Equal(c.now) {
		t.Errorf("the contact is %+v", k)
	}
	seen, _, err := c.Refused(t.Context(), c.school, c.class.ID)
	c.must(err)
	if len(seen) != 1 || seen[0].Refusal != judge.Complaint {
		t.Fatalf("teachers see %v", seen)
	}
	c.must(c.Roster.Heard(t.Context(), c.school, ref.Family, map[string]time.Time{ref.Contact: c.now.Add(time.Hour)}))
	c.must(c.Complain(t.Context(), ref, c.now)) // a late event
	if k := c.contact(ref); !k.Complained.IsZero() {
		t.Errorf("after an answer: %+v", k)
	}
	if seen, _, _ := c.Refused(t.Context(), c.school, c.class.ID); len(seen) > 0 {
		t.Errorf("after an answer teachers see %v", seen)
	}
	late, _ := c.family(roster.Contact{State: roster.Verified, Answered: c.now.Add(time.Hour)})
	c.must(c.Complain(t.Context(), late, c.now))
	if k := c.contact(late); k.Quiet || c.complaints() != 2 {
		t.Errorf("a complaint from before the answer: quiet %t, %d counted", k.Quiet, c.complaints())
	}
	unknown := ref
	unknown.Family, unknown.Alert = c.Alerts.IDs.New(), c.alert.ID
	c.must(c.Complain(t.Context(), unknown, c.now))
	unknown.Alert = c.Alerts.IDs.New()
	c.must(c.Complain(t.Context(), unknown, c.now))
}
