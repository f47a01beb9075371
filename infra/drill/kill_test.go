package drill

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"
)

// contacts is how many the school of these tests has: 34 schools that share a
// system had as many, and waited 40 minutes for it.
const contacts = 1400

// TestKill kills the program at random moments and looks at what is left.
//
// It draws from KILL_SEED and kills KILL_POINTS times: 40, or 200 with STRICT=1.
func TestKill(t *testing.T) {
	program := build(t)
	t.Run("an alert on its way", func(t *testing.T) { killAlert(t, program) })
	t.Run("an alert just accepted", func(t *testing.T) { killAccepted(t, program) })
	t.Run("a class list being imported", func(t *testing.T) { killImport(t, program) })
}

// env returns a number from the environment.
func env(t testing.TB, name string, fallback uint64) uint64 {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return fallback
	}
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// dice returns what the moments are drawn from, and logs how to draw them again.
func dice(t testing.TB) *rand.Rand {
	t.Helper()
	seed := env(t, "KILL_SEED", 1)
	t.Logf("KILL_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, contacts))
}

func killPoints(t testing.TB) int {
	points := uint64(40)
	if os.Getenv("STRICT") == "1" {
		points = 200
	}
	return int(env(t, "KILL_POINTS", points))
}

// tally sums up what became of the alerts.
type tally struct {
	alerts, kills    int
	copies           int // that came, each counted once
	again, duplicate int // said to have been sent again; came more than once
	worst            int // the most duplicates of one alert
	restart          time.Duration
}

// killer sends alerts and kills the program under them.
type killer struct {
	*process
	*rand.Rand
	sink  *sink
	whole time.Duration // of an alert that nobody disturbs
	tally tally
}

func killAlert(t *testing.T, program string) {
	k := &killer{Rand: dice(t), sink: newSink(t)}
	k.process = prepare(t, program, k.sink.URL, contacts)
	k.start()
	began := time.Now()
	k.check(k.process.send("undisturbed"))
	k.whole = time.Since(began)

	points := killPoints(t)
	for k.tally.kills < points && !t.Failed() {
		k.check(k.disturbed(min(points-k.tally.kills, 1+k.IntN(12))))
	}
	t.Logf("%d kills, %d alerts of %d copies (%v undisturbed): %d copies came, 0 lost; %d duplicates, at most %d of one alert, %d in flight at a kill; start takes %v",
		k.tally.kills, k.tally.alerts, contacts, k.whole.Round(time.Millisecond), k.tally.copies,
		k.tally.duplicate, k.tally.worst, k.tally.again, (k.tally.restart / time.Duration(points)).Round(time.Millisecond))
}

// disturbed sends an alert and kills the program up to so many times before all
// of its copies have come.
func (k *killer) disturbed(times int) (alert string) {
	alert = k.process.send(fmt.Sprintf("disturbed-%d", k.tally.alerts))
	for range times {
		k.wait(alert)
		if k.sink.arrived(alert) == contacts {
			return alert // too late for this one
		}
		k.kill()
		k.tally.kills++
		began := time.Now()
		k.start()
		k.tally.restart += time.Since(began)
	}
	return alert
}

// wait waits for the moment of a kill: a while, short of what the copies that are
// left would take undisturbed; or until a number of them have come.
func (k *killer) wait(alert string) {
	here := k.sink.arrived(alert)
	left := contacts - here
	if k.IntN(2) == 0 {
		rest := k.whole * time.Duration(left) / contacts
		time.Sleep(time.Duration(k.Int64N(int64(rest) + 1)))
		return
	}
	goal := here + k.IntN(left+1)
	const step = 200 * time.Microsecond
	for range patience / step {
		if k.sink.arrived(alert) >= goal {
			return
		}
		time.Sleep(step)
	}
	k.giveUp("%d of %d copies have come, and no more do", k.sink.arrived(alert), contacts)
}

// check waits until an alert is settled, and fails if a copy is lost or more came
// twice than were in flight when the program was killed.
func (k *killer) check(alert string) {
	k.Helper()
	s := k.settle(alert)
	came := k.sink.of(alert)
	duplicates := -len(came)
	for _, n := range came {
		duplicates += n
	}
	if len(came) != contacts || s.Copies["total"] != contacts || s.Copies["sent"] != contacts {
		k.Errorf("%d of %d copies came; the status says %v", len(came), contacts, s.Copies)
	}
	if int64(duplicates) > s.SentAgain {
		k.Errorf("%d copies came twice, but only %d were in flight at a kill", duplicates, s.SentAgain)
	}
	k.tally.alerts++
	k.tally.copies += len(came)
	k.tally.again += int(s.SentAgain)
	k.tally.duplicate += duplicates
	k.tally.worst = max(k.tally.worst, duplicates)
}

// killAccepted kills the program the moment it has promised to send an alert.
func killAccepted(t *testing.T, program string) {
	k := &killer{Rand: dice(t), sink: newSink(t)}
	k.process = prepare(t, program, k.sink.URL, contacts)
	for i := range 5 {
		k.start()
		alert := k.process.send(fmt.Sprintf("accepted-%d", i))
		k.kill()
		k.start()
		k.check(alert)
		k.kill()
	}
}

// killImport kills the program while a class list is imported. To import it again
// must bring in the rest and nothing twice.
func killImport(t *testing.T, program string) {
	draw := dice(t)
	list := Request{Method: "POST", Path: "/roster", Type: "text/csv", Body: Sheet(Pupils(contacts))}
	whole := timeImport(t, program, list)
	p := prepare(t, program, newSink(t).URL, 0)
	for range 10 {
		p.start()
		url, ended := p.url, make(chan struct{})
		go func() {
			defer close(ended)
			_, _, _ = call(url, p.token, list) // most often the connection is cut
		}()
		time.Sleep(time.Duration(draw.Int64N(int64(whole))))
		p.kill()
		<-ended
	}
	p.start()
	var first, second Imported
	for _, got := range []*Imported{&first, &second} {
		if err := p.ask(list, http.StatusOK, got); err != nil {
			t.Fatal(err)
		}
	}
	if first.Added+first.Changed+first.Unchanged != contacts || second.Unchanged != contacts {
		t.Errorf("after the kills the import says %+v, then %+v", first, second)
	}
	checkSize(t, p, contacts)
}

// timeImport returns how long an import takes that nobody disturbs.
func timeImport(t *testing.T, program string, list Request) time.Duration {
	t.Helper()
	p := prepare(t, program, newSink(t).URL, 0)
	p.start()
	defer p.kill()
	began := time.Now()
	if err := p.ask(list, http.StatusOK, &Imported{}); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

// checkSize adds up the classes.
func checkSize(t *testing.T, p *process, children int) {
	t.Helper()
	var got struct{ Groups []Group }
	if err := p.ask(Request{Method: "GET", Path: "/groups"}, http.StatusOK, &got); err != nil {
		t.Fatal(err)
	}
	for _, g := range got.Groups {
		if g.Kind == "class" {
			children -= g.Children
		}
	}
	if children != 0 {
		t.Errorf("the classes have %d children too few", children)
	}
}
