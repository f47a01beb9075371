package lanesim

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/lane"
)

func recipients(n, from int, unknown float64, r *rand.Rand) []*Recipient {
	var rs []*Recipient
	for i := range n {
		rs = append(rs, &Recipient{ID: from + i, Unknown: r.Float64() < unknown})
	}
	return rs
}

func TestExplore(t *testing.T) {
	n := 24
	if v, err := strconv.Atoi(os.Getenv("N")); err == nil {
		n = v
	}
	ps, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	lanes, _ := lane.Load(nil)
	only := os.Getenv("P")
	for _, name := range ps.Names() {
		if only != "" && only != name {
			continue
		}
		base := ps.ByName[name]
		type res struct {
			seed     int
			inf, tod [3]Times
			b1, bh   int
			att      float64
			p        Profile
		}
		out := make([]res, n)
		var wg sync.WaitGroup
		sem := make(chan int, 2)
		for v := range n {
			wg.Add(1)
			go func() {
				defer wg.Done()
				sem <- 1
				defer func() { <-sem }()
				r := rand.New(rand.NewPCG(uint64(v), 1))
				p := base.Vary(r)
				if v == 0 {
					p = base
				}
				to := recipients(1400, 0, 0.005, r)
				w := World{Profiles: []Profile{p}, Offset: time.Duration(r.Float64() * float64(time.Hour)), End: 24 * time.Hour}
				for a := range 3 {
					w.Alerts = append(w.Alerts, Alert{At: time.Duration(a) * 3 * time.Hour, To: [][]*Recipient{to}})
				}
				o := res{seed: v, p: p}
				for _, how := range []Scheduler{Informed, Todoku} {
					run := RunWorld(w, how, lanes, uint64(v))
					for a := range 3 {
						ti := run.Times(func(c *Copy) bool { return c.Alert == a })
						if how == Informed {
							o.inf[a] = ti
						} else {
							o.tod[a] = ti
						}
					}
					if how == Todoku {
						o.b1 = len(run.Receivers[0].Blocks) - run.Blocks(3*time.Hour)
						o.bh = run.BlocksAnHour(3 * time.Hour)
						o.att = run.Attempts()
					} else if len(run.Receivers[0].Blocks) > 0 {
						fmt.Println("informed blocked", name, v, len(run.Receivers[0].Blocks))
					}
				}
				out[v] = o
			}()
		}
		wg.Wait()
		ratio := func(a int) []float64 {
			var rs []float64
			for _, o := range out {
				rs = append(rs, float64(o.tod[a].T99)/float64(o.inf[a].T99))
			}
			return rs
		}
		for a := range 3 {
			rs := ratio(a)
			worst := 0
			for i := range rs {
				if rs[i] > rs[worst] {
					worst = i
				}
			}
			s := slices.Sorted(slices.Values(rs))
			o := out[worst]
			fmt.Printf("%-10s alert %d nominal %.2f median %.2f p90 %.2f worst %.2f (seed %d: inf %v tod %v, blocks %d)\n", name, a+1, rs[0], quantile(s, .5), quantile(s, .9), s[len(s)-1], worst, o.inf[a].T99.Round(time.Second), o.tod[a].T99.Round(time.Second), o.b1)
		}
		b1, bh, att := 0, 0, 0.0
		for _, o := range out {
			b1 += o.b1
			bh = max(bh, o.bh)
			att += o.att
		}
		fmt.Printf("%-10s blocks in first %.2f, most an hour later %d, attempts %.2f\n", name, float64(b1)/float64(n), bh, att/float64(n))
	}
}
