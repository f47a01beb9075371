package drill

import (
	"iter"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/drill/cloud"
	"github.com/todoku/todoku/infra/drill/sesfake"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/roster"
)

// deployment is the AWS mode in real time, with a school of any size.
type deployment struct {
	testing.TB
	*cloud.Cloud
	System
	lanes     *lane.Lanes
	log       *logbook
	addresses map[string]bool // of all contacts
}

// deploy starts a deployment of a school with so many contacts.
func deploy(t testing.TB, cfg cloud.Config, contacts int) *deployment {
	t.Helper()
	lanes, err := lane.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &deployment{TB: t, lanes: lanes, log: &logbook{}}
	t.Cleanup(d.checkLog)
	cfg.SES.Lane = d.lane
	cfg.Name, cfg.Phone = school.Name, school.Phone
	cfg.Log = slog.New(d.log)
	d.Cloud, err = cloud.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	w := World{Clock: NewClock(time.Now()), School: school, Manager: manager}
	d.System, err = foundOnAWS(t.Context(), d.Cloud, w)
	if err != nil {
		t.Fatal(err)
	}
	d.load(contacts)
	return d
}

func (d *deployment) load(contacts int) {
	d.Helper()
	store := &roster.Store{Table: d.Table, IDs: d.IDs, Now: time.Now}
	schools, err := store.Schools(d.Context())
	if err != nil {
		d.Fatal(err)
	}
	groups, families := roster.Big(1, contacts, d.IDs)
	if err := store.Load(d.Context(), schools[0].ID, groups, d.noting(families)); err != nil {
		d.Fatal(err)
	}
}

// noting passes families on and keeps their addresses.
func (d *deployment) noting(families iter.Seq[roster.Family]) iter.Seq[roster.Family] {
	d.addresses = map[string]bool{}
	return func(yield func(roster.Family) bool) {
		for f := range families {
			for _, g := range f.Guardians {
				for _, c := range g.Contacts {
					d.addresses[c.Address] = true
				}
			}
			if !yield(f) {
				return
			}
		}
	}
}

// checkLog fails for errors, and for personal data at any level.
func (d *deployment) checkLog() {
	book := &Drill{TB: d.TB, log: d.log}
	book.checkLog()
	book.report()
}

// lane returns the name of an address's lane.
func (d *deployment) lane(to string) string {
	return d.lanes.Of(to[strings.LastIndexByte(to, '@')+1:]).Name
}

// ask sends a request to the API.
func (d *deployment) ask(r Request, status int, v any) error {
	p := &process{url: d.System.URL, token: d.Token}
	return p.ask(r, status, v)
}

// send sends an alert to the whole school and returns its id.
func (d *deployment) send(subject string) string {
	d.Helper()
	var got struct{ ID string }
	a := Alert{Subject: subject}
	err := d.ask(Request{Method: "POST", Path: "/alerts", Key: subject, Body: a.body(time.Now())}, http.StatusCreated, &got)
	if err != nil {
		d.Fatal(err)
	}
	return got.ID
}

// accepted waits until SES has accepted so many different copies of an alert.
func (d *deployment) accepted(alert string, copies int, patience time.Duration) outcome {
	d.Helper()
	var r outcome
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if r = outcomeOf(d.SES.Sent(), alert); len(r.copies) >= copies {
			return r
		}
	}
	d.Fatalf("%d of %d copies have left; %+v", len(r.copies), copies, d.SES.Stats())
	return r
}

// outcome is what SES saw of an alert.
type outcome struct {
	copies      map[string]int // how often each copy came
	total       int
	first, last time.Time
	at          []time.Time // of each, in order
	to          []string    // and for whom it was
}

func outcomeOf(sent []sesfake.Message, alert string) outcome {
	r := outcome{copies: map[string]int{}}
	for _, m := range sent {
		if m.Tags["alert"] != alert {
			continue
		}
		if r.total++; r.total == 1 {
			r.first = m.At
		}
		r.copies[m.To]++
		r.at, r.to = append(r.at, m.At), append(r.to, m.To)
		r.last = m.At
	}
	return r
}

func (r outcome) took() time.Duration { return r.last.Sub(r.first) }
