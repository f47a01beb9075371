package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/drill"
	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mailhost/dnstest"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

// begin is a Monday in April, 8:30 in Japan: the first lesson.
var begin = time.Date(2026, time.April, 6, 8, 30, 0, 0, time.FixedZone("JST", 9*60*60))

// inboundDomain is where the demo school takes empty mail.
const inboundDomain = "in.demo.example.jp"

// office is a machine with the demo school.
type office struct {
	testing.TB
	*machine.Machine
	clock   *drill.Clock
	manager staff.Staff
	token   string // for the API
}

// newOffice starts a machine that ends with the test. An error in its log fails
// the test.
func newOffice(t testing.TB) *office {
	t.Helper()
	return newOfficeAt(t, "127.0.0.1:0", "")
}

// newOfficeAt starts a machine at an address, which people know by another.
func newOfficeAt(t testing.TB, addr, baseURL string) *office {
	t.Helper()
	return newOfficeWith(t, func(c *machine.Config) { c.Addr, c.BaseURL = addr, baseURL })
}

// newOfficeWith starts a machine with something out of the ordinary about it.
func newOfficeWith(t testing.TB, change func(c *machine.Config)) *office {
	t.Helper()
	o := &office{TB: t, clock: drill.NewClock(begin)}
	errs := &errorLog{}
	cfg := machine.Config{
		Addr: "127.0.0.1:0", Data: t.TempDir(), Now: o.clock.Now, Tick: time.Hour, // Advance ticks
		Inbound: "127.0.0.1:0", InboundDomain: inboundDomain, Resolver: dnstest.Start(t).Resolver(),
		Log: slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelError})),
	}
	change(&cfg)
	m, err := machine.New(cfg)
	o.must(err)
	o.Machine = m
	o.manager, err = m.FoundDemo(t.Context())
	o.must(err)
	o.token, err = m.DemoToken(t.Context(), o.manager)
	o.must(err)
	o.run()
	t.Cleanup(func() { errs.check(t) })
	return o
}

func (o *office) run() {
	ctx, stop := context.WithCancel(context.WithoutCancel(o.Context()))
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	o.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, o.Close()); err != nil {
			o.Errorf("the machine ended with: %v", err)
		}
	})
}

func (o *office) must(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

// errorLog keeps what is logged as an error.
type errorLog struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *errorLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(b)
}

func (l *errorLog) check(t testing.TB) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines.Len() > 0 {
		t.Errorf("errors in the log:\n%s", &l.lines)
	}
}

// advance moves the machine's clock and does what has become due.
func (o *office) advance(by time.Duration) {
	o.Helper()
	o.clock.Advance(by)
	o.must(o.Tick(o.Context()))
	o.quiet()
}

// quiet waits until all handlers have done all that they have to do.
func (o *office) quiet() {
	o.Helper()
	for range patience / step {
		if o.waiting() == 0 {
			return
		}
		time.Sleep(step)
	}
	o.Fatal("the handlers do not come to an end")
}

// waiting returns how many messages the queues have for handlers: all jobs, and the
// copies of this time. What a paused lane has postponed waits for the clock.
func (o *office) waiting() int {
	o.Helper()
	jobs, err := o.Jobs.Stats()
	o.must(err)
	copies, err := o.Copies.Stats()
	o.must(err)
	return jobs.Visible + jobs.Hidden + jobs.InFlight + copies.Visible - copies.Behind + copies.InFlight
}

// newSchool founds a school without a roster and returns its manager.
func (o *office) newSchool() staff.Staff {
	o.Helper()
	s := roster.School{
		ID: o.Alerts.IDs.New(), Name: "見本市立はじめて小学校", Mail: "renraku@hajimete.example.jp",
		Phone: "03-0000-0002", Zone: "Asia/Tokyo",
	}
	o.must(o.Roster.PutSchool(o.Context(), s))
	m, err := o.Staff.PutStaff(o.Context(), staff.Staff{
		School: s.ID, Role: staff.Manager, Name: "校長 見本 次郎", Mail: "kocho@hajimete.example.jp",
	})
	o.must(err)
	return m
}

// newOfficer makes somebody who looks after the district, of which the demo school is one.
func (o *office) newOfficer() staff.Staff {
	o.Helper()
	school, err := o.Roster.School(o.Context(), o.manager.School)
	o.must(err)
	school.District = "見本市"
	o.must(o.Roster.PutSchool(o.Context(), school))
	m, err := o.Staff.PutStaff(o.Context(), staff.Staff{
		School: school.ID, District: school.District, Role: staff.District, Name: "指導主事 見本", Mail: "shido@city.example.jp",
	})
	o.must(err)
	return m
}

// signInLink makes a one-time link, as the program prints it.
func (o *office) signInLink(who staff.Staff) string {
	o.Helper()
	l, err := o.SignInLink(o.Context(), who)
	o.must(err)
	return l
}

// signIn signs a person in.
func (o *office) signIn(b *tab, who staff.Staff) {
	b.Helper()
	b.goTo(o.signInLink(who))
	b.leave(func() { b.press(b.at("the button", "document.querySelector('main button')")) })
}

// fields are the members of a JSON object.
type fields map[string]any

// send sends an alert by the API and waits until its mails have left.
func (o *office) send(more fields) (alertID string) {
	o.Helper()
	alertID = o.post(more)
	o.must(o.Tick(o.Context()))
	o.quiet()
	return alertID
}

// post sends an alert by the API: to the whole school, useful for some hours,
// unless it says otherwise.
func (o *office) post(more fields) (alertID string) {
	o.Helper()
	body := fields{
		"kind": "safety", "subject": "震度5強の地震による安否確認", "all": true,
		"body":         "全員、校庭に避難しています。\nお子さんの状況を回答してください。\n\n電話は大変混み合います。お迎えは、次の連絡をお待ちください。",
		"useful_until": o.clock.Now().Add(6 * time.Hour).Format(time.RFC3339),
	}
	for name, value := range more {
		body[name] = value
	}
	if body["groups"] != nil {
		delete(body, "all")
	}
	var made struct{ ID string }
	o.api("POST", "/alerts", body, &made)
	return made.ID
}

// api calls the JSON API as the manager.
func (o *office) api(method, path string, body, result any) {
	o.Helper()
	sent, err := json.Marshal(body)
	o.must(err)
	req, err := http.NewRequest(method, o.URL()+"/api/v1"+path, bytes.NewReader(sent))
	o.must(err)
	req.Header.Set("Authorization", "Bearer "+o.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", o.Alerts.IDs.New())
	res, err := http.DefaultClient.Do(req)
	o.must(err)
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= http.StatusMultipleChoices {
		o.Fatalf("%s %s: %s", method, path, res.Status)
	}
	if result != nil {
		o.must(json.NewDecoder(res.Body).Decode(result))
	}
}

// class returns the id of the class with a name.
func (o *office) class(name string) string {
	o.Helper()
	groups, err := o.Roster.Groups(o.Context(), o.manager.School)
	o.must(err)
	for _, g := range groups {
		if g.Kind == roster.Class && g.Name == name {
			return g.ID
		}
	}
	o.Fatalf("no class %s", name)
	return ""
}

var answerLink = regexp.MustCompile(`/a/([A-Za-z0-9_-]+)`)

// links returns the paths of the answer links of an alert, one a mail, in the
// order of their contacts.
func (o *office) links(alertID string) (paths []string) {
	o.Helper()
	seen := map[string]bool{}
	for _, mail := range o.Inbox.List() {
		m := answerLink.FindStringSubmatch(mail.Text)
		if m == nil || seen[m[0]] {
			continue
		}
		seen[m[0]] = true
		if l, err := o.Links.Parse(m[1]); err == nil && l.Kind == link.Answer && l.Alert == alertID {
			paths = append(paths, m[0])
		}
	}
	if len(paths) == 0 {
		o.Fatal("the alert has no mails")
	}
	return paths
}

// answer answers for all children behind a link.
func (o *office) answer(alertID, path, choice string) {
	o.Helper()
	res, err := http.PostForm(o.URL()+path, url.Values{"alert": {alertID}, "all": {choice}})
	o.must(err)
	o.must(res.Body.Close())
	if res.StatusCode != http.StatusOK {
		o.Fatalf("answering: %s", res.Status)
	}
}

// linkTo returns the first of the links with a page that will do.
func (o *office) linkTo(paths []string, willDo func(page string) bool) string {
	o.Helper()
	for _, p := range paths {
		if willDo(o.get(p)) {
			return p
		}
	}
	o.Fatal("no answer link has such a page")
	return ""
}

// get returns a page for which nobody needs to be signed in.
func (o *office) get(path string) string {
	o.Helper()
	res, err := http.Get(o.URL() + path)
	o.must(err)
	page, err := io.ReadAll(res.Body)
	o.must(errors.Join(err, res.Body.Close()))
	return string(page)
}
