package cloud

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/infra/drill/sesfake"
	"github.com/todoku/todoku/shared/bridge"
)

// TestThroughTheBridge sends requests through the gateway's events and the
// functions' bridge: what comes out must be what went in.
func TestThroughTheBridge(t *testing.T) {
	echo := bridge.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, r.Method+" "+r.URL.EscapedPath()+"?"+r.URL.RawQuery+" "+r.Header.Get("Cookie")+" "+r.Host+"\n")
		_, _ = w.Write(body)
	}))
	for name, c := range map[string]struct{ kind, body string }{
		"form":      {"application/x-www-form-urlencoded", "a=%E5%B1%8A&b=2"},
		"JSON":      {"application/json", `{"a":"届く"}`},
		"text":      {"text/csv", "学年,組\r\n"},
		"Shift_JIS": {"text/csv", "\x8aw\x94N,\x91g\r\n"},
		"binary":    {"multipart/form-data; boundary=x", "--x\r\n\x00\xff--x--"},
		"nothing":   {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "http://todoku.test/a/x%2Fy?q=%20z", strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.kind)
			r.Header.Set("Cookie", "s=1; t=2")
			e, err := request(r, "$default")
			if err != nil {
				t.Fatal(err)
			}
			res, err := echo(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			if err := respond(w, res); err != nil {
				t.Fatal(err)
			}
			want := "POST /a/x%2Fy?q=%20z s=1; t=2 todoku.test\n" + c.body
			if diff := cmp.Diff(want, w.Body.String()); diff != "" || w.Code != http.StatusTeapot || len(w.Header()["Set-Cookie"]) != 2 {
				t.Errorf("status %d, cookies %q, body (-want +got):\n%s", w.Code, w.Header()["Set-Cookie"], diff)
			}
		})
	}
}

func TestTooLargeForAnEvent(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "http://todoku.test/", bytes.NewReader(make([]byte, 5<<20)))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	if _, err := request(r, "$default"); err == nil {
		t.Error("5 MB of a file fit into an event of 6 MB, though it grows by a third")
	}
}

func TestPattern(t *testing.T) {
	for key, want := range map[string]string{
		"$default": "/", "ANY /a/{proxy+}": "/a/{proxy...}", "GET /static/{name}": "GET /static/{name}", "ANY /sign-in": "/sign-in",
	} {
		if got := pattern(key); got != want {
			t.Errorf("pattern(%q) = %q, want %q", key, got, want)
		}
	}
}

func TestLogLines(t *testing.T) {
	var out bytes.Buffer
	l := &logLines{log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))}
	for _, part := range []string{`{"time":"x","level":"WARN","msg":"he`, "llo\",\"alert\":\"a1\"}\npanic: ", "no\n"} {
		_, _ = io.WriteString(l, part)
	}
	want := "level=WARN msg=hello alert=a1\nlevel=ERROR msg=\"a function printed\" line=\"panic: no\"\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// TestWaitingFollowsMessages: what goes from queue to queue while they are looked at is seen.
func TestWaitingFollowsMessages(t *testing.T) {
	way := []string{plan.Mails, plan.Jobs, plan.Copies, plan.Events}
	at := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ready := ""
		if strings.HasSuffix(r.URL.Path, "/"+way[at]) {
			ready = "{}"
		}
		_, _ = io.WriteString(w, `{"messages":{"ready":[`+ready+`]}}`)
		at = min(at+1, len(way)-1) // it goes on as soon as a queue was looked at
	}))
	t.Cleanup(server.Close)
	for range 5 * len(way) {
		at = 0
		c := &Cloud{SES: sesfake.New(sesfake.Config{}), lines: map[string]*line{}}
		for _, name := range way {
			c.lines[name] = &line{endpoint: server.URL}
			c.lines[name].QueueURL = "/" + name
		}
		now, later, err := c.Waiting(t.Context())
		if now == 0 || later != 0 || err != nil {
			t.Fatalf("%d wait, %d later, %v", now, later, err)
		}
	}
}

// TestConflicts has a write meet a transaction that is not done yet.
func TestConflicts(t *testing.T) {
	send := func(h http.Handler, action, body string) string {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", dynamoTarget+"."+action)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Body.String()
	}
	const one, other = `{"pk":{"S":"p"},"sk":{"S":"1"}}`, `{"pk":{"S":"p"},"sk":{"S":"2"}}`
	refused := 0
	c := &conflicts{refuse: func(*http.Request) { refused++ }, written: map[string]bool{}}
	passes := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "done") })
	type call struct{ action, body string }
	met := map[call]string{
		{"TransactWriteItems", `{"TransactItems":[{"Put":{"Item":` + other + `}},{"Delete":{"Key":` + one + `}}]}`}: `"CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict"}]`,
		{"TransactWriteItems", `{"TransactItems":[{"Update":{"Key":` + other + `}}]}`}:                              "done",
		{"UpdateItem", `{"Key":` + one + `}`}:                                                                       "#TransactionConflictException",
		{"PutItem", `{"Item":` + other + `}`}:                                                                       "done",
		{"GetItem", `{"Key":` + one + `}`}:                                                                          "done",
	}
	c.next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.next = passes
		for call, want := range met {
			if got := send(c, call.action, call.body); !strings.Contains(got, want) {
				t.Errorf("%v meanwhile: %s, want %s", call, got, want)
			}
		}
		passes(w, r)
	})
	first := `{"TransactItems":[{"ConditionCheck":{"Key":` + one + `}}]}`
	for range 2 { // the second time nothing is under way any more
		if got := send(c, "TransactWriteItems", first); got != "done" {
			t.Error(got)
		}
	}
	if refused != 2 {
		t.Errorf("%d refusals were told of", refused)
	}
}
