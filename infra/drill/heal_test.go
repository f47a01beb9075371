package drill

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/infra/drill/cloud"
	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/heal"
	"github.com/todoku/todoku/shared/journal"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/table"
	bolttable "github.com/todoku/todoku/shared/table/bbolt"
)

// healing is a system that is made to get stuck in each way that the sweeps know.
type healing struct {
	*Drill
	// stop has nobody take copies or jobs any more, or take them again.
	stop func(function string, stopped bool)
	// lose takes from the queue of copies all that it holds, while nobody takes any.
	lose func()
	// die ends whoever sends at this moment, and has nobody take copies after that. Whoever
	// was waited for, to send, is let go with release.
	die func(release func())
	// lease is for how many minutes a dead hand counts as one that lives.
	lease int
	// hidden is for how long a queue hides what it handed out in vain.
	hidden time.Duration
}

// pass lets minutes pass without waiting for what is stopped.
func (h *healing) pass(minutes int) {
	h.Helper()
	for range minutes {
		h.Clock.Advance(time.Minute)
		if err := h.Tick(); err != nil {
			h.Fatal(err)
		}
	}
}

// found returns what the newest sweep has found.
func (h *healing) found() (s heal.State) {
	h.Helper()
	for _, it := range h.items() {
		if it.Partition == "heal" {
			if err := json.Unmarshal(it.Value, &s); err != nil {
				h.Fatal(err)
			}
		}
	}
	return s
}

// stuck checks how much is found stuck of a kind, by the store and by the managers' page.
func (h *healing) stuck(k heal.Kind, want int64) {
	h.Helper()
	if n := h.found().Stuck[k]; n != want {
		h.Errorf("%s: %d are stuck, want %d", k, n, want)
	}
	says := k.Says().In(lang.EN) + ": "
	text := h.Manager.Open("/system?lang=en").Text()
	if _, row, on := strings.Cut(text, says); on && !strings.HasPrefix(row, strconv.FormatInt(want, 10)+" now") || !on && want > 0 {
		h.Errorf("%s: the page does not say %d:\n%s", k, want, text)
	}
}

// over sees the mails of an alert arrive, and that no more is found stuck of a kind.
func (h *healing) over(k heal.Kind, id, subject string, to []string) {
	h.Helper()
	h.ArriveLater(20*time.Minute, subject, to...)
	h.Settle(id)
	h.Advance(time.Minute)
	h.stuck(k, 0)
}

// try provokes each kind from outside, sees it found, and sees it over.
func (h *healing) try() {
	pupils := h.class(8)
	all := Addresses(pupils...)
	h.Run("accepted, not fanned out", func() { h.fanOut(all) })
	h.Run("claimed, not sent", func() { h.hand(all) })
	h.Run("fell out of the queue", func() { h.lost(all) })
	h.Run("an operator takes nothing", func() { h.lane(all) })
	if h.Events {
		h.Run("sent, no verdict", func() { h.verdict(all) })
	}
	s := h.found()
	if len(s.Stuck) > 0 {
		h.Errorf("at last %v are stuck", s.Stuck)
	}
	h.Logf("put right by itself: %v", s.Healed)
}

// Run names what is tried, as all are of one system.
func (h *healing) Run(name string, f func()) {
	h.Helper()
	if !h.Failed() {
		h.Log(name)
		f()
	}
}

func (h *healing) fanOut(all []string) {
	h.stop("fanout", true)
	id := h.Send(Alert{Subject: "準備が進まない", Useful: 3 * time.Hour})
	h.pass(5)
	h.stuck(heal.FanOut, 1)
	h.stop("fanout", false)
	h.Advance(h.hidden)
	h.over(heal.FanOut, id, "準備が進まない", all)
	h.equal("fan-outs that were begun anew", h.found().Healed[heal.FanOut], int64(1))
	h.close(id)
}

func (h *healing) hand(all []string) {
	asked := make(chan struct{}, len(all))
	release := make(chan struct{})
	h.Operator.Decide(func(string) Verdict {
		asked <- struct{}{}
		<-release
		return Away
	})
	id := h.Send(Alert{Subject: "送信の途中で止まる", Useful: 3 * time.Hour})
	<-asked
	h.die(func() { close(release) })
	h.pass(h.lease + 1)
	n := h.found().Stuck[heal.Hand]
	if n == 0 {
		h.Error("mails in a dead hand were not found")
	}
	h.stuck(heal.Hand, n)
	h.Operator.Decide(nil)
	h.stop("dispatch", false)
	h.Advance(h.hidden)
	h.over(heal.Hand, id, "送信の途中で止まる", all)
	h.close(id)
}

func (h *healing) lost(all []string) {
	h.stop("dispatch", true)
	id := h.Send(Alert{Subject: "列から抜け落ちる", Useful: 3 * time.Hour})
	h.Until("the mails wait", func() bool { s := h.Status(id); return s.FanOutDone && s.Copies["queued"] == int64(len(all)) })
	h.lose()
	h.stop("dispatch", false)
	for range 10 { // they are queued again in the minute in which they are found
		if h.pass(1); h.found().Stuck[heal.Lost] > 0 {
			break
		}
	}
	h.stuck(heal.Lost, int64(len(all)))
	h.over(heal.Lost, id, "列から抜け落ちる", all)
	if n := h.found().Healed[heal.Lost]; n < int64(len(all)) {
		h.Errorf("%d were queued again, want %d", n, len(all))
	}
	h.close(id)
}

func (h *healing) lane(all []string) {
	verdict := PutOff
	if h.Events {
		verdict = Unkept
	}
	h.Operator.Decide(docomo(verdict))
	id := h.Send(Alert{Subject: "受け付けない会社", Useful: 3 * time.Hour})
	for range 45 {
		h.Advance(time.Minute)
	}
	h.stuck(heal.Lane, 1)
	h.Operator.Decide(nil)
	h.ArriveLater(time.Hour, "受け付けない会社", all...)
	h.Settle(id)
	for range 10 {
		h.Advance(time.Minute)
	}
	h.stuck(heal.Lane, 0)
	h.close(id)
}

func (h *healing) verdict(all []string) {
	h.Operator.Decide(func(string) Verdict { return Unsaid })
	id := h.Send(Alert{Subject: "知らせがない", Useful: 3 * time.Hour})
	h.ArriveLater(20*time.Minute, "知らせがない", all...)
	for range 61 {
		h.Advance(time.Minute)
	}
	h.stuck(heal.Verdict, int64(len(all)))
	told := askSubject(unheardSubject) // of each time without news, which this is not about
	h.expected[envelope{told, manager.Mail}] = max(1, len(h.with(told)))
	h.Operator.Decide(nil)
	h.close(id)
	h.Advance(time.Minute)
	h.stuck(heal.Verdict, 0)
}

// close closes an alert.
func (h *healing) close(id string) {
	h.Helper()
	h.Call(Request{Method: "POST", Path: "/alerts/" + id + "/close"}, http.StatusOK, nil)
}

// TestHeal has one machine get stuck.
func TestHeal(t *testing.T) {
	r := &restartable{}
	h := &healing{
		lease: 60,
		stop:  r.halt,
		lose:  func() { r.crash(func() {}, forgetCopies) },
		die: func(release func()) {
			r.halt("dispatch", true)
			r.crash(release, func(*journal.DB) error { return nil })
		},
	}
	h.Drill = Start(t, r.lane)
	h.AllowErrors("queue: visibility timeout ended before the handler did") // it stands still for an hour
	h.try()
}

// restartable is one machine that dies: another goes on with what was on the disk.
type restartable struct {
	testing.TB
	cfg     machine.Config
	m       *machine.Machine
	stop    func()
	stopped sync.Map // handlers that take nothing, by name

	decide func(to string) Verdict
	before []Mail // that earlier machines sent
}

func (r *restartable) lane(t testing.TB, w World) System {
	r.TB, r.cfg = t, machineConfig(t, w)
	r.cfg.Misbehave = false
	r.cfg.Addr, _ = FreeAddress(t) // where the next machine listens, too
	r.cfg.Fault = func(part string) error {
		if stopped, _ := r.stopped.Load(part); stopped == true {
			return errors.New("stopped")
		}
		return nil
	}
	r.open()
	s, err := establish(t.Context(), r.m, w)
	if err != nil {
		t.Fatal(err)
	}
	r.start()
	t.Cleanup(func() { r.stop() })
	s.Operator = r
	s.Waiting = func() (int, int, error) { return waiting(r.m) }
	s.Tick = func() error { return r.m.Tick(context.Background()) }
	s.Items = func(f func(table.Item) error) error { return r.m.Table.Walk(context.Background(), f) }
	return s
}

func (r *restartable) halt(handler string, stopped bool) { r.stopped.Store(handler, stopped) }

func (r *restartable) open() {
	r.Helper()
	m, err := machine.New(r.cfg)
	if err != nil {
		r.Fatal(err)
	}
	r.m = m
}

func (r *restartable) start() {
	ctx, cancel := context.WithCancel(context.Background())
	ended, m := make(chan error, 1), r.m
	go func() { ended <- m.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := errors.Join(<-ended, m.Close()); err != nil {
			r.Errorf("the machine ended with: %v", err)
		}
	}
}

// crash has another machine go on with the disk as it is at this moment, once change has
// changed it. The present one is let go and ended; nothing that it still does counts.
func (r *restartable) crash(release func(), change func(*journal.DB) error) {
	r.Helper()
	disk := r.TempDir()
	journals := journal.Paths(machine.FileName)
	for _, name := range append([]string{machine.FileName}, journals[:]...) {
		b, err := os.ReadFile(filepath.Join(r.cfg.Data, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(disk, name), b, 0o600)
		}
		if err != nil {
			r.Error(err)
		}
	}
	r.m.Inbox.FailWith(func(*mail.Message) error { return replies[Away]() })
	release()
	r.before = r.Mails()
	r.stop()
	db, err := bolttable.Open(filepath.Join(disk, machine.FileName))
	if err == nil {
		err = errors.Join(change(db), db.Close())
	}
	if err != nil {
		r.Fatal(err)
	}
	r.cfg.Data = disk
	r.open()
	r.Decide(r.decide)
	r.start()
}

// forgetCopies takes all messages out of the queue of copies.
func forgetCopies(db *journal.DB) error {
	return db.Update(func(tx *journal.Tx) error {
		for _, name := range []string{"messages", "attempts", "groups", "sent"} {
			b := tx.Bucket([]byte("queue/copies")).Bucket([]byte(name))
			var keys [][]byte
			if err := b.ForEach(func(k, _ []byte) error { keys = append(keys, slices.Clone(k)); return nil }); err != nil {
				return err
			}
			for _, k := range keys {
				if err := b.Delete(k); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Mails implements Operator.
func (r *restartable) Mails() []Mail {
	return slices.Concat(r.before, inboxOperator{r.m.Inbox}.Mails())
}

// Decide implements Operator.
func (r *restartable) Decide(f func(to string) Verdict) {
	r.decide = f
	inboxOperator{r.m.Inbox}.Decide(f)
}

// awsHeal has a deployment get stuck.
func awsHeal(t *testing.T, cfg cloud.Config) {
	var c *cloud.Cloud
	h := &healing{
		lease:  int(plan.Visibility(plan.Copies) / time.Minute),
		hidden: max(plan.Visibility(plan.Jobs), plan.Visibility(plan.Copies)),
		stop:   func(function string, stopped bool) { c.Functions[function].Stop(stopped) },
		lose: func() {
			if err := c.Lose(t.Context(), plan.Copies); err != nil {
				t.Fatal(err)
			}
		},
		die: func(release func()) {
			c.Functions["dispatch"].Stop(true)
			c.Functions["dispatch"].Kill()
			release()
		},
	}
	h.Drill = Start(t, onAWS(cfg, func(made *cloud.Cloud) { c = made }))
	h.try()
}
