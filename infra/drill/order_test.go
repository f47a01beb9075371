package drill

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lane"
)

// oneLane is lanes where all are at docomo.
func (d *Drill) oneLane(n int) (pupils []Pupil, byClass map[string][]string) {
	d.Helper()
	return d.lanes(n, func(int) string { return "docomo.ne.jp" })
}

// lanes imports so many pupils, six grades of ten classes at most, each with a mother at
// an operator, and returns the addresses by class.
func (d *Drill) lanes(n int, operator func(pupil int) string) (pupils []Pupil, byClass map[string][]string) {
	d.Helper()
	pupils, byClass = Pupils(n), map[string][]string{}
	classes := (n + classSize - 1) / classSize
	for i := range pupils {
		p := &pupils[i]
		p.Grade, p.Class = i%classes/10+1, i%classes%10+1
		mother := Parent{Name: fmt.Sprintf("見本 幸子%d", i), Relation: "母", Phone: fmt.Sprintf("090-2000-%04d", i)}
		mother.have(fmt.Sprintf("order-%04d@%s", i, operator(i)))
		p.Parents = []Parent{mother}
		class := fmt.Sprintf("%d年%d組", p.Grade, p.Class)
		byClass[class] = append(byClass[class], mother.Addresses[0])
	}
	if got := d.Import(Sheet(pupils), ""); len(got.Errors) > 0 {
		d.Fatalf("rows are refused: %v", got.Errors)
	}
	return pupils, byClass
}

// perMail is how long a slow operator takes for a mail.
const perMail = 10 * time.Millisecond

// stopAfter has a slow operator take so many mails and then none until resume is called.
func (d *Drill) stopAfter(n int) (resume func()) {
	var mu sync.Mutex
	taken, stopped := map[string]bool{}, make(chan struct{})
	d.Operator.Decide(func(to string) Verdict {
		mu.Lock()
		wait := len(taken) >= n && !taken[to] // it is asked twice about a mail
		if !wait {
			taken[to] = true
		}
		mu.Unlock()
		if wait {
			<-stopped
		}
		time.Sleep(perMail)
		return Take
	})
	return func() {
		close(stopped)
		d.runClock()
	}
}

// runClock has the clock run until the scenario ends, as fast as clocks do: whose turn it
// is not comes again a moment later.
func (d *Drill) runClock() {
	const step = 10 * time.Millisecond
	stop := time.NewTicker(step)
	ended := make(chan struct{})
	d.Cleanup(func() { close(ended); stop.Stop() })
	go func() {
		for {
			select {
			case <-stop.C:
				d.Clock.Advance(step)
			case <-ended:
				return
			}
		}
	}()
}

// places returns at which places among all mails those with a subject came.
func (d *Drill) places(subjects ...string) map[string][]int {
	places := map[string][]int{}
	n := 0
	for _, m := range d.Operator.Mails() {
		if slices.Contains(subjects, m.Subject) {
			places[m.Subject] = append(places[m.Subject], n)
			n++
		}
	}
	return places
}

// queued waits until all copies of an alert wait for their lane.
func (d *Drill) queued(id string, copies int) {
	d.Helper()
	d.Until("the copies are queued", func() bool { return d.Status(id).Copies["total"] == int64(copies) })
}

// shareALane: while a notice to 2,000 leaves, a class gets another, and three classes a safety
// check, all at one operator. The safety check overtakes both; the small notice does not wait for
// the huge one.
func shareALane(d *Drill) {
	const huge, small, safety, guardians = "行事のお知らせ", "持ち物のお知らせ", "安否の確認", 2000
	pupils, byClass := d.oneLane(guardians)
	groups := map[string]string{}
	for _, g := range d.Groups() {
		groups[g.Name] = g.ID
	}
	classes := []string{"1年1組", "1年2組", "1年3組"}
	var told []string
	var ids []string
	for _, c := range classes {
		told, ids = append(told, byClass[c]...), append(ids, groups[c])
	}
	resume := d.stopAfter(40)
	first := d.Send(Alert{Kind: "notice", Subject: huge})
	d.queued(first, guardians)
	d.Until("the first have left", func() bool { return len(d.with(huge)) >= 30 })
	second := d.Send(Alert{Kind: "notice", Subject: small, Groups: []string{groups["2年1組"]}})
	d.queued(second, len(byClass["2年1組"]))
	third := d.Send(Alert{Kind: "safety", Subject: safety, Groups: ids})
	d.queued(third, len(told))
	resume()
	d.Arrive(safety, told...)
	d.Arrive(small, byClass["2年1組"]...)
	d.Arrive(huge, Addresses(pupils...)...)

	at := d.places(huge, small, safety)
	last := func(subject string) int { return at[subject][len(at[subject])-1] + 1 }
	d.Logf("of %d mails: the safety check's %d were there after %d, the small notice's %d after %d",
		len(at[huge])+len(at[small])+len(at[safety]), len(told), last(safety), len(at[small]), last(small))
	if last(safety) > 300 {
		d.Errorf("the safety check's %d mails were there after %d of all", len(told), last(safety))
	}
	if last(small) > 600 {
		d.Errorf("the small notice's %d mails were there after %d of all", len(at[small]), last(small))
	}
}

// TestFewHandlers: a notice goes to more operators than one machine has handlers for, so that
// it waits in the queue and not at the lanes' gates. A safety check to a class, queued behind
// it, does not wait for its end.
func TestFewHandlers(t *testing.T) {
	d := Start(t, Behaving)
	const notice, safety, operators, guardians = "行事のお知らせ", "安否の確認", 200, 1600
	pupils, byClass := d.lanes(guardians, func(pupil int) string { return fmt.Sprintf("operator-%03d.jp", pupil%operators) })
	told := byClass["1年1組"]
	resume := d.stopAfter(40)
	d.queued(d.Send(Alert{Kind: "notice", Subject: notice}), guardians)
	d.Until("the first have left", func() bool { return len(d.with(notice)) >= 30 })
	d.queued(d.Send(Alert{Kind: "safety", Subject: safety, Groups: []string{d.Groups()[0].ID}}), len(told))
	resume()
	d.Arrive(safety, told...)
	d.Arrive(notice, Addresses(pupils...)...)

	at := d.places(notice, safety)[safety]
	last := at[len(at)-1] + 1
	d.Logf("of %d mails: the safety check's %d were there after %d", guardians+len(told), len(told), last)
	if last > guardians/2 {
		d.Errorf("the safety check's %d mails were there after %d of all", len(told), last)
	}
}

// alike: two alerts to as many guardians at one operator go on in the same proportion. Who
// comes second finds all slots at work for the other, and what these have in hand is not made
// up for; that apart, neither is further than a hand or two.
func alike(d *Drill) {
	const one, other, classes = "一斉連絡", "二つ目の連絡", 16
	lanes, err := lane.Load(nil)
	if err != nil {
		d.Fatal(err)
	}
	const hand = 2 * alert.MaxBundle                      // of the worker that has the larger
	apart := 2 * (lanes.Named("docomo").Slots + 2) * hand // each of those is a mail of the one and one of the other
	_, byClass := d.oneLane(2 * classes * classSize)
	var ids [2][]string
	var to [2][]string
	for i, g := range d.Groups() {
		if len(byClass[g.Name]) > 0 {
			ids[i%2], to[i%2] = append(ids[i%2], g.ID), append(to[i%2], byClass[g.Name]...)
		}
	}
	resume := d.stopAfter(10)
	first := d.Send(Alert{Subject: one, Groups: ids[0]})
	d.queued(first, len(to[0]))
	second := d.Send(Alert{Subject: other, Groups: ids[1]})
	d.queued(second, len(to[1]))
	resume()
	d.Arrive(one, to[0]...)
	d.Arrive(other, to[1]...)

	at := d.places(one, other)
	for _, part := range []int{25, 50, 75} {
		a, b := at[one][part*len(at[one])/100], at[other][part*len(at[other])/100]
		d.Logf("%d %% of the one were there after %d mails, of the other after %d", part, a, b)
		if a-b > apart || b-a > apart {
			d.Errorf("%d %% of the one were there after %d mails, of the other after %d", part, a, b)
		}
	}
}

// neverLast: of 360 contacts of an operator 300 have answered before, and of 60 nothing was
// ever heard. These are fewer than 3 % of any 300 until only they are left.
func neverLast(d *Drill) {
	const before, after, guardians = "回答の練習", "お迎えのお願い", 360
	pupils, _ := d.oneLane(guardians)
	id := d.Send(Alert{Subject: before})
	mails := d.Arrive(before, Addresses(pupils...)...)
	never := map[string]bool{}
	var answering sync.WaitGroup
	some := make(chan struct{}, 8)
	for i, p := range pupils {
		if i%6 == 5 {
			never[p.parent()] = true
			continue
		}
		answering.Go(func() {
			some <- struct{}{}
			defer func() { <-some }()
			d.press(mails[p.parent()], "無事です")
		})
	}
	answering.Wait()
	d.Manager.Open("/alerts/"+id+"/close").Form("/alerts/"+id+"/close").Press("").Says(http.StatusOK, "終了")
	d.Advance(time.Minute)

	d.Send(Alert{Subject: after})
	d.Arrive(after, Addresses(pupils...)...)
	order := ""
	for _, m := range d.with(after) {
		order += strconv.Itoa(map[bool]int{true: 1}[never[m.To]])
	}
	end := len(order)
	for end > 0 && order[end-1] == '1' {
		end--
	}
	most := 0
	for from := range max(end-300, 0) + 1 {
		n := 0
		for _, c := range order[from:min(from+300, end)] {
			if c == '1' {
				n++
			}
		}
		most = max(most, n)
	}
	d.Logf("of 60 never heard of %d came at the end, and of any 300 before at most %d", guardians-end, most)
	if most > 8 {
		d.Errorf("%d of 300 mails went to contacts of which nothing was ever heard, want 8 at most: %s", most, order)
	}
}
