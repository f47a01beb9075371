package docket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/judge"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/memo"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
)

// Clerk decides the cases whose time has come, and tells people. The tick calls it.
type Clerk struct {
	*Store
	Memos *memo.Office
	Lanes *lane.Lanes
	// Unlist takes a mailbox off the mail operator's list of addresses to which it no longer
	// sends; nil: it has none. A mailbox that is not on the list is no error.
	Unlist func(ctx context.Context, mailbox string) error
	Log    *slog.Logger
}

// Limits of one run, so that a minute suffices for it. SES lets a program take one
// address a second off its list.
const (
	mostDue    = 20
	mostCases  = 100
	mostUnlist = 30
	again      = time.Minute // after a run that did not come to the end, or that failed
)

// Work does what is due.
func (c *Clerk) Work(ctx context.Context) error {
	page, err := c.Table.Query(ctx, table.Query{Partition: duePart, Limit: mostDue})
	if err != nil {
		return err
	}
	var errs []error
	end := c.Now().UTC().Format(time.RFC3339) + "0" // after every key of this second
	for _, item := range page.Items {
		if item.Sort > end {
			break
		}
		errs = append(errs, c.take(ctx, item))
	}
	return errors.Join(errs...)
}

// take does what one item says. If that fails it is put off: it may concern one school, and
// those of all stand behind it.
func (c *Clerk) take(ctx context.Context, item table.Item) error {
	var d due
	err := json.Unmarshal(item.Value, &d)
	if err == nil {
		err = c.do(ctx, d)
	}
	ops := []table.Op{table.Delete{Key: item.Key, Revision: item.Revision}}
	if err != nil {
		err = fmt.Errorf("docket: item %s: %w", item.Key, err)
		_, what, _ := strings.Cut(item.Sort, "/")
		at := c.Now().UTC().Add(again).Format(time.RFC3339)
		ops = append(ops, table.Create{Key: table.Key{Partition: duePart, Sort: at + "/" + what}, Value: item.Value})
	}
	writeErr := c.Table.Write(ctx, "", ops...)
	if _, gone := table.Conflict(writeErr); gone {
		return err
	}
	return errors.Join(err, writeErr)
}

func (c *Clerk) do(ctx context.Context, d due) error {
	switch {
	case d.Lane != "":
		return c.alarm(ctx, d)
	case d.Mailbox != "":
		c.unlist(ctx, d)
		return nil
	}
	a, err := c.Alerts.Alert(ctx, d.Alert)
	if errors.Is(err, alert.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.decide(ctx, a)
}

// alarm tells the managers that a lane is held, or that it was for nothing.
func (c *Clerk) alarm(ctx context.Context, d due) error {
	e, err := c.Event(ctx, d.School, d.Lane)
	switch {
	case err != nil:
		return err
	case e.Mistaken:
		return c.tellMistaken(ctx, d.School, e)
	case !e.Held():
		return nil
	}
	if none, err := c.mistaken(ctx, d.School, e); none || err != nil {
		return err // nobody was told yet
	}
	c.Log.Warn("an operator refuses a school's mail, its lane is held", "school", d.School, "lane", d.Lane, "class", e.Class, "alike", e.Alike, "settled", e.Settled)
	name, said, policy := c.Lanes.Named(d.Lane).Label, e.Said(), judge.Policy.Do()
	body := lang.Text{
		JA: name.JA + "が、学校からのメールを拒否しています。\n" + said.JA + "\n" + policy.JA + "\n\n" +
			"連絡先はそのまま残し、" + name.JA + "あての送信を止めました。まだ届いていない家庭には、電話で連絡してください。\n原因を直したら、画面の「テストを送る」で確かめてください。受け取られれば、自動で再開します。\n",
		EN: name.EN + " refuses mail from the school.\n" + said.EN + "\n" + policy.EN + "\n\n" +
			"All contacts were kept, and sending to " + name.EN + " is held. Please phone the families who have not been reached.\nWhen the cause is mended, send a test from the page: if it is taken, sending goes on by itself.\n",
	}
	_, err = c.Memos.Tell(ctx, memo.Memo{
		School: d.School, About: e.about("held"), Path: Path, Body: body, Until: e.Since.Add(24 * time.Hour),
		Subject: lang.Text{JA: name.JA + "が学校のメールを拒否しています", EN: name.EN + " refuses the school's mail"},
	}, memo.Managers)
	return err
}

// about names an event in memos.
func (e Event) about(what string) string {
	return what + "-" + e.Alert + "-" + strconv.Itoa(e.Number) + "-" + strconv.FormatInt(e.Since.Unix(), 36)
}

// tellMistaken tells the managers that a lane was let go because it need not have been held.
func (c *Clerk) tellMistaken(ctx context.Context, school string, e Event) error {
	c.Log.Warn("a lane is let go: its operator takes most of a school's mail", "school", school, "lane", e.Lane, "alike", e.Alike, "settled", e.Settled)
	name, said := c.Lanes.Named(e.Lane).Label, e.Said()
	_, err := c.Memos.Tell(ctx, memo.Memo{
		School: school, About: e.about("taken"), Path: Path, Until: e.Resumed.Add(24 * time.Hour),
		Subject: lang.Text{JA: name.JA + "への送信を再開しました", EN: "Sending to " + name.EN + " goes on"},
		Body: lang.Text{
			JA: "その後、" + name.JA + "あての大半のメールが受け取られました。\n" + said.JA + "\n学校全体の拒否ではなかったため、送信を再開しました。届かなかった連絡先は、画面で確かめてください。\n",
			EN: "Since then " + name.EN + " has taken most of the mails.\n" + said.EN + "\nSo it does not refuse the school, and sending goes on. The page shows the addresses that mail did not reach.\n",
		},
	}, memo.Managers)
	return err
}

// unlist takes a mailbox off the mail operator's list. If that fails its owner, who gets no
// reply, writes again, or the next alert meets the list.
func (c *Clerk) unlist(ctx context.Context, d due) {
	if c.Unlist == nil {
		return
	}
	if err := c.Unlist(ctx, d.Mailbox); err != nil {
		c.Log.Warn("an address stays on the mail operator's list", "join", d.Join, "err", err)
	}
}

// Path is of the page that shows what operators refuse.
const Path = "/mail"

// decided is what was found out in one look at an alert's cases.
type decided struct {
	alert   alert.Alert
	held    map[string]Event
	byClass map[string]int // what teachers are told: cases by class
	unlist  int
}

// decide decides an alert's cases, as many as a run may, and tells the teachers.
func (c *Clerk) decide(ctx context.Context, a alert.Alert) error {
	held, err := c.events(ctx, a)
	if err != nil {
		return err
	}
	d := &decided{alert: a, held: held, byClass: map[string]int{}}
	left, err := c.decideAll(ctx, d)
	if tellErr := c.tell(ctx, d); err == nil {
		err = tellErr
	}
	if err == nil && left {
		err = c.put(ctx, due{Alert: a.ID}, c.Now().UTC().Add(again))
	}
	return err
}

// events returns the policy events of an alert's school. It lets go first what was held because
// of the alert and turns out to be none.
func (c *Clerk) events(ctx context.Context, a alert.Alert) (map[string]Event, error) {
	held, _, err := c.read(ctx, a.School)
	if err != nil {
		return nil, err
	}
	fewer := false
	for name, e := range held {
		if !e.Held() || e.Alert != a.ID {
			continue
		}
		none, err := c.mistaken(ctx, a.School, e, due{School: a.School, Lane: name}.op(c.Now()))
		if err != nil {
			return nil, err
		}
		fewer = fewer || none
	}
	if fewer {
		held, _, err = c.read(ctx, a.School)
	}
	return held, err
}

// decideAll reports whether cases are left for another run.
func (c *Clerk) decideAll(ctx context.Context, d *decided) (left bool, err error) {
	done := 0
	for item, err := range table.Items(ctx, c.Table, table.Query{Partition: casesPart(d.alert.ID), Prefix: casePrefix}) {
		if err != nil {
			return false, err
		}
		var v Case
		if err := json.Unmarshal(item.Value, &v); err != nil {
			return false, fmt.Errorf("docket: item %s: %w", item.Key, err)
		}
		if !d.open(v) {
			continue
		}
		if done++; done > mostCases || d.unlist >= mostUnlist {
			return true, nil
		}
		if err := c.settle(ctx, d, item, v); err != nil {
			return false, err
		}
	}
	return false, nil
}

// policy reports whether a case is part of a policy event of its lane.
func (d *decided) policy(v Case) bool {
	return slices.ContainsFunc(d.held[v.Lane].spells(), func(s Spell) bool { return s.covers(d.alert.ID, v) })
}

// open reports whether there is something to decide: nothing was yet, or a contact was
// closed before it became known that the case is one of many.
func (d *decided) open(v Case) bool { return v.Done == "" || v.Done == Closed && d.policy(v) }

// settle decides one case: the contact first, so that a case that was cut off is decided
// anew.
func (c *Clerk) settle(ctx context.Context, d *decided, item table.Item, v Case) error {
	f, err := c.Roster.Family(ctx, d.alert.School, v.Family)
	gone := errors.Is(err, roster.ErrNotFound)
	if err != nil && !gone {
		return err
	}
	before := v
	if !gone {
		err = c.Roster.EditContacts(ctx, d.alert.School, v.Family, func(k *roster.Contact) bool {
			return k.ID == v.Contact && d.apply(&v, before, k, c.Now())
		})
		if err != nil && !errors.Is(err, roster.ErrNotFound) {
			return err
		}
	}
	if v.Done == "" {
		v.Done = Kept // its contact is gone, or closed by somebody else
	}
	if err := c.spread(ctx, d, f, v); err != nil {
		return err
	}
	err = c.Table.Write(ctx, "", table.Replace{Key: item.Key, Revision: item.Revision, Value: table.Encode(v), Expires: item.Expires})
	return table.IgnoreConflict(err) // another run was faster
}

// apply decides a case on its contact, and reports whether the contact changes. It may be
// called again with a newer contact.
func (d *decided) apply(v *Case, before Case, k *roster.Contact, now time.Time) bool {
	*v = before
	if d.policy(*v) {
		v.Done = Spared
		if v.Was == "" || k.State != roster.Refused {
			return false
		}
		k.State, k.Refusal, k.RefusedAt = v.Was, "", time.Time{}
		return true
	}
	if k.State == roster.Refused && k.RefusedAt.Equal(v.At) {
		v.Done, v.Was = Closed, roster.Unverified // by a run that did not come to the end
		return false
	}
	if !k.Tellable() {
		v.Done = Kept
		return false
	}
	if judge.Closes(v.Class, proof(*k), now) {
		v.Done, v.Was = Closed, k.State
		k.State, k.Refusal, k.RefusedAt = roster.Refused, v.Class, v.At
		return true
	}
	v.Done = Kept
	if !v.Class.Speaks() || !k.RefusedAt.IsZero() && v.At.Sub(k.RefusedAt) < judge.Second {
		return false
	}
	k.Refusal, k.RefusedAt = v.Class, v.At
	return true
}

// spread has what was decided known: to the mail operator's list, and to the teachers'.
func (c *Clerk) spread(ctx context.Context, d *decided, f roster.Family, v Case) error {
	g, k := f.Contact(v.Contact)
	if g == nil || k.State == roster.Closed {
		return nil
	}
	if c.Unlist != nil && v.Class == judge.Listed && v.Done != Closed && !k.Complained.After(k.Answered) {
		d.unlist++
		if err := c.takeOff(ctx, *k); err != nil {
			return err
		}
	}
	if v.Done == Spared || !(v.Class.Speaks() || v.Class == judge.Listed || v.Class == judge.Full) {
		return nil
	}
	for _, class := range classesOf(f, g.ID) {
		if err := c.list(ctx, d.alert.School, Line{Class: class, Family: f.ID, Contact: v.Contact, Refusal: v.Class, At: v.At, Closed: v.Done == Closed}); err != nil {
			return err
		}
		d.byClass[class]++
	}
	return nil
}

// takeOff takes a contact off the mail operator's list. If that fails it is tried once more,
// by itself: the other cases do not wait for it.
func (c *Clerk) takeOff(ctx context.Context, k roster.Contact) error {
	a, err := address.Parse(k.Address)
	if err != nil {
		return nil // what is no address is on no list
	}
	if err = c.Unlist(ctx, a.Mailbox()); err == nil {
		return nil
	}
	c.Log.Warn("an address is not taken off the mail operator's list yet", "contact", k.ID, "err", err)
	return c.put(ctx, due{Join: k.ID, Mailbox: a.Mailbox()}, c.Now().UTC().Add(again))
}

// classesOf returns the classes of the children for whom a guardian answers.
func classesOf(f roster.Family, guardian string) []string {
	var classes []string
	for _, c := range f.ChildrenOf(guardian) {
		if !slices.Contains(classes, c.Class) {
			classes = append(classes, c.Class)
		}
	}
	return classes
}

// tell tells the teachers of the classes what was refused, each in one memo; what is of a
// class without a teacher, the managers.
func (c *Clerk) tell(ctx context.Context, d *decided) error {
	if len(d.byClass) == 0 {
		return nil
	}
	people, err := c.Memos.Staff.OfSchool(ctx, d.alert.School)
	if err != nil {
		return err
	}
	names, err := c.Roster.Named(ctx, d.alert.School, slices.Collect(maps.Keys(d.byClass)))
	if err != nil {
		return err
	}
	orphans := maps.Clone(d.byClass)
	for _, p := range people {
		if p.Role != staff.Teacher || p.Disabled || p.Mail == "" {
			continue
		}
		mine := map[string]int{}
		for _, g := range p.Groups {
			if n := d.byClass[g]; n > 0 {
				mine[g] = n
				delete(orphans, g)
			}
		}
		if err := c.digest(ctx, d, mine, names, memo.Person(p.ID)); err != nil {
			return err
		}
	}
	return c.digest(ctx, d, orphans, names, memo.Managers)
}

// digest tells somebody how many addresses were refused in classes. It names no child.
func (c *Clerk) digest(ctx context.Context, d *decided, classes map[string]int, names map[string]roster.Group, isFor func(staff.Staff) bool) error {
	if len(classes) == 0 {
		return nil
	}
	body := lang.T("「%s」で、メールが届かなかった連絡先があります。\n", "\"%s\": mail did not arrive at some addresses.\n", d.alert.Title())
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		line := lang.T("・%[1]s：%[2]d件\n", "%[1]s: %[2]d\n", names[class].Name, classes[class])
		body = lang.Text{JA: body.JA + line.JA, EN: body.EN + line.EN}
	}
	body.JA += "\nご家庭に連絡先を確かめてください。どの連絡先か、どうすればよいかは、画面に出ています。\n"
	body.EN += "\nPlease ask the families for their addresses. The page says which they are, and what to do.\n"
	_, err := c.Memos.Tell(ctx, memo.Memo{
		School: d.alert.School, About: "refused-" + d.alert.ID + "-" + strconv.FormatInt(c.Now().Unix(), 36), Path: Path, Body: body,
		Subject: lang.T("届かなかった連絡先があります", "Mail did not arrive at some addresses"), Until: c.Now().Add(48 * time.Hour),
	}, isFor)
	return err
}
