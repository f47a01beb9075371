package console

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/functions/fanout"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/doctor"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/mail/inbox"
	"github.com/todoku/todoku/shared/proof"
	"github.com/todoku/todoku/shared/queue"
	boltqueue "github.com/todoku/todoku/shared/queue/bbolt"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
	"github.com/todoku/todoku/shared/web"
)

// office is a school with its console, on the embedded adapters, with a clock that
// goes on when the test says so.
type office struct {
	t       testing.TB
	server  *Server
	handler http.Handler
	fanout  *fanout.Handler
	table   *switched
	me      staff.Staff
	token   string
	log     *logs

	mu  sync.Mutex
	now time.Time
}

var monday = time.Date(2026, 4, 6, 3, 0, 0, 0, time.UTC) // noon in Japan

func newOffice(t testing.TB) *office {
	t.Helper()
	o := &office{t: t, now: monday, log: &logs{}}
	db, tb := bbolttest.OpenFile(t, o.clock)
	o.table = &switched{Table: tb}
	log := slog.New(slog.NewTextHandler(o.log, nil))
	ids := id.NewSource(o.clock, rand.Reader)
	jobs, err := boltqueue.New(db, boltqueue.Config{Name: "jobs", Now: o.clock, Log: log, Update: tb.Update})
	o.must(err)
	copies, err := boltqueue.New(db, boltqueue.Config{Name: "copies", Now: o.clock, Log: log, Update: tb.Update})
	o.must(err)
	lanes, err := lane.Load(nil)
	o.must(err)
	app := &App{
		Audit:  &audit.Log{Table: o.table, Now: o.clock},
		Doctor: &doctor.Records{Table: o.table, Now: o.clock},
		Dead:   map[string]queue.DeadLetters{"copies": copies},
		Proof:  &proof.Records{Table: o.table, Now: o.clock, Every: time.Hour, Started: o.clock()},
		Alerts: &alert.Store{Table: o.table, IDs: ids, Now: o.clock}, Roster: &roster.Store{Table: o.table, IDs: ids, Now: o.clock},
		Jobs: jobs, Mail: inbox.New(0, o.clock), BaseURL: "http://127.0.0.1:8080", Now: o.clock, Log: log,
	}
	app.Enrol = &enrol.Store{Table: o.table, Roster: app.Roster, IDs: ids, Now: o.clock, Random: rand.Reader}
	app.Gate = &gate.Gate{Table: o.table, Lanes: lanes, Alone: true, Now: o.clock, Dice: func() float64 { return 0.5 }, Log: log}
	app.Docket = &docket.Store{Table: o.table, Alerts: app.Alerts, Roster: app.Roster, Now: o.clock}
	o.server = &Server{
		App: app, Staff: &staff.Store{Table: o.table, IDs: ids, Now: o.clock, Random: rand.Reader}, Lanes: lanes,
		Background: func(work func(context.Context)) { work(context.Background()) },
	}
	o.fanout = &fanout.Handler{Alerts: app.Alerts, Roster: app.Roster, Lanes: lanes, Jobs: jobs, Copies: copies, Now: o.clock, Log: log}
	o.handler, err = o.server.Handler()
	o.must(err)
	o.me, o.token = o.hire("s1", staff.Manager)
	return o
}

// hire makes a school with a member of staff and an API token of theirs.
func (o *office) hire(school string, role staff.Role) (staff.Staff, string) {
	o.t.Helper()
	ctx := o.t.Context()
	o.must(o.server.Roster.PutSchool(ctx, roster.School{ID: school, Name: "見本小学校", Mail: "renraku@school.example", Phone: "03-0000-0000", Zone: "Asia/Tokyo"}))
	m, err := o.server.Staff.PutStaff(ctx, staff.Staff{School: school, Name: "山田 花子", Mail: "hanako@school.example", Role: role})
	o.must(err)
	_, token, err := o.server.Staff.NewToken(ctx, m.ID, "test", 0)
	o.must(err)
	return m, token
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) clock() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

func (o *office) pass(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = o.now.Add(d)
}

// switched is the table, or a store that is busy, or that cannot write some partitions.
type switched struct {
	table.Table
	busy      bool
	busyQuery bool
	worn      string // how the names of partitions begin that cannot be written; "": none's
}

var errWorn = errors.New("the disk is worn")

func (s *switched) Write(ctx context.Context, token string, ops ...table.Op) error {
	for _, op := range ops {
		if s.worn != "" && strings.HasPrefix(op.OpKey().Partition, s.worn) {
			return errWorn
		}
	}
	return s.Table.Write(ctx, token, ops...)
}

func (s *switched) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if s.busyQuery {
		return table.Page{}, table.ErrBusy
	}
	return s.Table.Query(ctx, q)
}

func (s *switched) Get(ctx context.Context, key table.Key) (table.Item, error) {
	if s.busy {
		return table.Item{}, table.ErrBusy
	}
	return s.Table.Get(ctx, key)
}

func (s *switched) GetMany(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	if s.busy {
		return nil, table.ErrBusy
	}
	return s.Table.GetMany(ctx, keys...)
}

// logs keeps the log, to be searched for what must not be there.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logs) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

// answer is what the handler answered.
type answer struct {
	*http.Response
	body string
}

// send sends a request to the handler; header holds names and values in turn.
func (o *office) send(method, path string, body io.Reader, header ...string) answer {
	o.t.Helper()
	r := httptest.NewRequest(method, path, body)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	return answer{w.Result(), w.Body.String()}
}

// api calls the API with the manager's token and holds the answer against
// openapi.json.
func (o *office) api(method, path, body string, header ...string) answer {
	o.t.Helper()
	header = append([]string{"Authorization", "Bearer " + o.token}, header...)
	a := o.send(method, apiPath+path, strings.NewReader(body), header...)
	described(o.t, method, path, a)
	return a
}

// ok calls the API, and decodes an answer with the status into v.
func (o *office) ok(status int, v any, method, path, body string, header ...string) answer {
	o.t.Helper()
	a := o.api(method, path, body, header...)
	if a.StatusCode != status {
		o.t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.StatusCode, status, a.body)
	}
	if v != nil {
		o.must(json.Unmarshal([]byte(a.body), v))
	}
	return a
}

// mustDecode decodes an answer with status 200 into v.
func (o *office) mustDecode(a answer, v any) {
	o.t.Helper()
	if a.StatusCode != http.StatusOK {
		o.t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	o.must(json.Unmarshal([]byte(a.body), v))
}

// problem decodes a problem document and checks its form.
func (o *office) problem(a answer) web.Document {
	o.t.Helper()
	var doc web.Document
	d := json.NewDecoder(strings.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		o.t.Fatalf("status %d, not a problem document: %v: %.300s", a.StatusCode, err, a.body)
	}
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		o.t.Errorf("the problem has type %q", got)
	}
	if doc.Status != a.StatusCode || doc.Title == "" || doc.Detail == "" {
		o.t.Errorf("status %d with the document %+v", a.StatusCode, doc)
	}
	return doc
}

// load imports a sheet.
func (o *office) load(csv string) {
	o.t.Helper()
	o.ok(http.StatusOK, nil, "POST", "/roster", csv)
}

// runJob makes the records and copies of an alert, as the queue would have it
// done.
func (o *office) runJob(alertID string, job alert.Job) {
	o.t.Helper()
	m := alert.JobMessage(alertID, job, 0)
	e := events.SQSEvent{Records: []events.SQSMessage{{MessageId: m.ID, Body: m.Body, Attributes: map[string]string{"MessageGroupId": m.Group}}}}
	res, err := o.fanout.Handle(o.t.Context(), e)
	o.must(err)
	if len(res.BatchItemFailures) > 0 {
		o.t.Fatalf("%s failed: %s", job, o.log)
	}
}

// smallRoster is two families: siblings in two classes with two guardians, and a
// child without an address.
const smallRoster = "学年,組,番号,氏名,ふりがな,保護者1氏名,保護者1電話,保護者1メール,保護者2氏名,保護者2メール\n" +
	"1,1,1,見本 一郎,みほん いちろう,見本 花子,090-0000-0001,hanako@example.jp,見本 太郎,taro@example.com\n" +
	"2,1,1,見本 二葉,みほん ふたば,見本 花子,090-0000-0001,hanako@example.jp,見本 太郎,taro@example.com\n" +
	"2,1,2,例 四季,れい しき,例 陽子,090-0000-0004,,,\n"

// formBody returns a multipart form with a file.
func formBody(name string, file []byte) (body io.Reader, contentType string) {
	const boundary = "----xyz"
	var b bytes.Buffer
	b.WriteString("--" + boundary + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + name + "\"\r\nContent-Type: text/csv\r\n\r\n")
	b.Write(file)
	b.WriteString("\r\n--" + boundary + "--\r\n")
	return &b, "multipart/form-data; boundary=" + boundary
}
