package lanesim

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/lane"
)

type tracer struct {
	*todoku
	last time.Duration
}

func (t *tracer) Heard(c *Copy, o Outcome) time.Duration {
	d := t.todoku.Heard(c, o)
	if (o.Reply != OK && o.Reply != Grey && o.Reply != Unknown) || t.sim.Now-t.last > 20*time.Second {
		t.last = t.sim.Now
		s := &t.state
		fmt.Printf("%8.1f a%d reply %d out %d win %.0f/%.0f rate %.2f ceil %.2f depth %.0f tok %.1f passed %d vain %d until %.1f try %.0f\n", t.sim.Now.Seconds(), c.Alert, o.Reply, s.Out, s.Window, s.WindowCeil, s.Rate, s.Ceil, s.Depth, s.Tokens, s.Passed, s.Vain, s.Until.Sub(epoch).Seconds(), s.RateTry.Sub(epoch).Seconds())
	}
	return d
}

func TestTrace(t *testing.T) {
	if os.Getenv("P") == "" {
		t.Skip("P")
	}
	v, _ := strconv.Atoi(os.Getenv("V"))
	ps, _ := Load()
	lanes, _ := lane.Load(nil)
	base := ps.ByName[os.Getenv("P")]
	r := rand.New(rand.NewPCG(uint64(v), 1))
	p := base.Vary(r)
	if v == 0 {
		p = base
	}
	fmt.Printf("%+v\n", p)
	to := recipients(1400, 0, 0.005, r)
	off := time.Duration(r.Float64() * float64(time.Hour))
	s := New(uint64(v))
	rc := NewReceiver(s, p, Fault{})
	rc.Offset = off
	fmt.Println("offset", off)
	snd := &sender{sim: s, lanes: []*line{{Receiver: rc}}, pace: &tracer{todoku: &todoku{sim: s, limits: limitsOf(p, lanes)}}}
	for a := range 3 {
		w := copies(a, Alert{At: time.Duration(a) * 3 * time.Hour, To: [][]*Recipient{to}})
		s.After(time.Duration(a)*3*time.Hour, func() { snd.add(w[0]...) })
	}
	s.Run(24 * time.Hour)
	fmt.Println(rc.Blocks)
}
