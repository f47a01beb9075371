package drill

import (
	"math/rand/v2"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/infra/drill/cloud"
	"github.com/todoku/todoku/infra/drill/sesfake"
)

const (
	// killedContacts is how many the school of the test of crashes has.
	killedContacts = 150
	// soon is the visibility timeout of all queues there: how long a crash holds up.
	soon = 2 * time.Second
)

// awsKills is how many kills there are: AWS_KILLS, or 12, or 200 with STRICT=1. Each
// takes about a second, for which the queue hides what the dead instance had.
func awsKills(t testing.TB) int {
	kills := uint64(12)
	if os.Getenv("STRICT") == "1" {
		kills = 200
	}
	return int(env(t, "AWS_KILLS", kills))
}

// awsKill kills functions at random moments in the middle of what they do and
// looks at what is left. It draws from KILL_SEED.
func awsKill(t *testing.T, cfg cloud.Config) {
	cfg.Visibility = map[string]time.Duration{plan.Jobs: soon, plan.Copies: soon, plan.Events: soon}
	cfg.SES = sesfake.Config{
		Latency: func(string) time.Duration { return 10 * time.Millisecond },
		Fate:    func(string) []sesfake.Step { return []sesfake.Step{{Kind: sesfake.Delivery}} },
	}
	k := &awsKiller{deployment: deploy(t, cfg, killedContacts), Rand: dice(t), killed: map[string]int{}}
	go k.ticks()
	for left := awsKills(t); left > 0 && !t.Failed(); {
		n := min(left, 1+k.IntN(10))
		k.disturb(n)
		left -= n
	}
	t.Logf("kills in the middle of an event: %v; %d alerts of %d copies, 0 lost; %d duplicates, at most %d of one alert, %d said to be sent again",
		k.killed, k.alerts, killedContacts, k.duplicates, k.worst, k.again)
}

// awsKiller sends alerts and kills functions under them.
type awsKiller struct {
	*deployment
	*rand.Rand
	killed                           map[string]int
	alerts, duplicates, worst, again int
}

// ticks runs the function of the clock every second, as the rule does every minute.
func (k *awsKiller) ticks() {
	for k.Context().Err() == nil {
		_ = k.Cloud.Tick(k.Context()) // it may be killed, too
		time.Sleep(time.Second)
	}
}

// disturb sends an alert, kills so many functions while it is on its way, and
// checks what became of it.
func (k *awsKiller) disturb(kills int) {
	k.Helper()
	alert := k.sendThroughKills()
	victims := []string{"fanout", "dispatch", "dispatch", "feedback", "tick"}
	for range kills {
		time.Sleep(time.Duration(k.Int64N(int64(200 * time.Millisecond))))
		k.kill(victims[k.IntN(len(victims))])
	}
	k.check(alert)
}

// kill kills a function once it is at work, or after a while if it has no work.
func (k *awsKiller) kill(victim string) {
	f := k.Functions[victim]
	for range 100 {
		if f.Busy() > 0 {
			time.Sleep(time.Duration(k.Int64N(int64(50 * time.Millisecond))))
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if f.Busy() > 0 {
		k.killed[victim]++
	}
	f.Kill()
}

// sendThroughKills kills the console while it accepts the alert, in one case of
// two, and asks again, as a browser and a program do.
func (k *awsKiller) sendThroughKills() (alert string) {
	k.Helper()
	k.alerts++
	subject := "disturbed-" + k.IDs.New()
	a := Alert{Subject: subject}
	post := Request{Method: "POST", Path: "/alerts", Key: subject, Body: a.body(time.Now())}
	if k.IntN(2) == 0 {
		moment := time.Duration(k.Int64N(int64(60 * time.Millisecond)))
		time.AfterFunc(moment, func() { k.Functions["console"].Kill() })
	}
	var got struct{ ID string }
	(&Drill{TB: k.TB}).Until("the alert is accepted", func() bool { return k.ask(post, http.StatusCreated, &got) == nil })
	return got.ID
}

// check waits until an alert is settled, and fails if a copy is lost or more came
// twice than were claimed twice.
func (k *awsKiller) check(alert string) {
	k.Helper()
	var s Status
	d := &Drill{TB: k.TB}
	d.Until("all copies are delivered", func() bool {
		err := k.ask(Request{Method: "GET", Path: "/alerts/" + alert}, http.StatusOK, &s)
		return err == nil && s.FanOutDone && s.Copies["delivered"] == killedContacts
	})
	r := outcomeOf(k.SES.Sent(), alert)
	duplicates := r.total - len(r.copies)
	if len(r.copies) != killedContacts || s.Copies["total"] != killedContacts {
		k.Errorf("%d of %d copies left; the status says %v", len(r.copies), killedContacts, s.Copies)
	}
	if int64(duplicates) > s.SentAgain {
		k.Errorf("%d copies left twice, but only %d were claimed twice", duplicates, s.SentAgain)
	}
	k.duplicates += duplicates
	k.worst = max(k.worst, duplicates)
	k.again += int(s.SentAgain)
}
