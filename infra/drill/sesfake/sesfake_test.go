package sesfake_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/drill/sesfake"
)

// post sends a message to the server itself, without a network, so that the tests
// can be in a bubble.
func post(t *testing.T, s *sesfake.Server, to string) (status int, errorType string) {
	t.Helper()
	body := `{"FromEmailAddress":"alert@midori.example.jp","Destination":{"ToAddresses":["` + to + `"]},
		"Content":{"Raw":{"Data":"RnJvbTogYUBleGFtcGxlLmpwDQoNCmhpDQo="}},"ConfigurationSetName":"todoku","EmailTags":[{"Name":"copy","Value":"1"}]}`
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v2/email/outbound-emails", strings.NewReader(body)))
	return w.Code, w.Header().Get("X-Amzn-ErrorType")
}

// TestRate offers ten times what the account may send, for ten seconds.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, seconds = 20, 10
		s := sesfake.New(sesfake.Config{Rate: rate})
		defer s.Close()
		for range rate * 10 * seconds {
			if status, kind := post(t, s, "a@example.jp"); status != http.StatusOK && kind != "TooManyRequestsException" {
				t.Fatalf("status %d, %s", status, kind)
			}
			time.Sleep(time.Second / (rate * 10))
		}
		got := s.Stats()
		if got.Accepted < rate*seconds-1 || got.Accepted > rate*seconds+2 || got.Accepted+got.Throttled != rate*10*seconds {
			t.Errorf("%+v, want about %d accepted", got, rate*seconds)
		}
	})
}

func TestHighWater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sesfake.New(sesfake.Config{Latency: func(string) time.Duration { return time.Second }})
		defer s.Close()
		var all sync.WaitGroup
		for i, lane := range []string{"docomo.ne.jp", "docomo.ne.jp", "docomo.ne.jp", "gmail.com", "gmail.com"} {
			all.Go(func() {
				time.Sleep(time.Duration(i%2) * 2 * time.Second)
				post(t, s, fmt.Sprintf("g%d@%s", i, lane))
			})
		}
		all.Wait()
		want := map[string]sesfake.LaneStats{"docomo.ne.jp": {Accepted: 3, HighWater: 2}, "gmail.com": {Accepted: 2, HighWater: 1}}
		if diff := cmp.Diff(want, s.Stats().Lanes); diff != "" {
			t.Errorf("lanes (-want +got):\n%s", diff)
		}
	})
}

// told collects events.
type told struct {
	mu   sync.Mutex
	list []string // kind and recipient
	raw  [][]byte
}

func (c *told) emit(b []byte) {
	var e struct {
		EventType string
		Mail      struct {
			Destination []string
			Tags        map[string][]string
		}
	}
	if err := json.Unmarshal(b, &e); err != nil {
		panic(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, e.EventType+" "+e.Mail.Destination[0]+" "+e.Mail.Tags["copy"][0])
	c.raw = append(c.raw, b)
}

func TestSimulatorEvents(t *testing.T) {
	for to, want := range map[string][]string{
		"a@example.jp":                              {"Send", "Delivery"},
		"success@simulator.amazonses.com":           {"Send", "Delivery"},
		"bounce+1@simulator.amazonses.com":          {"Send", "Bounce"},
		"ooto@simulator.amazonses.com":              {"Send", "Delivery", "Bounce"},
		"complaint@simulator.amazonses.com":         {"Send", "Delivery", "Complaint"},
		"suppressionlist+a@simulator.amazonses.com": {"Send", "Bounce"},
	} {
		t.Run(to, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got told
				s := sesfake.New(sesfake.Config{Emit: got.emit})
				defer s.Close()
				post(t, s, to)
				s.Drain()
				for i, kind := range want {
					want[i] = kind + " " + to + " 1"
				}
				if diff := cmp.Diff(want, got.list); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestEveryKindIsJSONOfItsKind makes one event of each kind.
func TestEveryKindIsJSONOfItsKind(t *testing.T) {
	members := map[sesfake.Kind]string{
		sesfake.Send: "send", sesfake.Delivery: "delivery", sesfake.DeliveryDelay: "deliveryDelay", sesfake.Bounce: "bounce",
		sesfake.Complaint: "complaint", sesfake.Reject: "reject", sesfake.RenderingFailure: "failure",
	}
	for kind, member := range members {
		var got told
		s := sesfake.New(sesfake.Config{Emit: got.emit, Fate: func(string) []sesfake.Step { return []sesfake.Step{{Kind: kind}} }})
		post(t, s, "a@example.jp")
		s.Drain()
		s.Close()
		var e map[string]json.RawMessage
		if err := json.Unmarshal(got.raw[0], &e); err != nil || len(e) != 3 || e[member] == nil {
			t.Errorf("%s: %s, %v", kind, got.raw[0], err)
		}
	}
}

func TestChaos(t *testing.T) {
	const n = 300
	run := func(t *testing.T, c sesfake.Chaos) []string {
		var got told
		synctest.Test(t, func(t *testing.T) {
			s := sesfake.New(sesfake.Config{Emit: got.emit, Chaos: c, Fate: func(string) []sesfake.Step { return []sesfake.Step{{Kind: sesfake.Send}} }})
			defer s.Close()
			for i := range n {
				post(t, s, fmt.Sprintf("%03d@example.jp", i))
				time.Sleep(time.Millisecond)
			}
			s.Drain()
		})
		return got.list
	}
	all := run(t, sesfake.Chaos{})
	if len(all) != n || !slices.IsSorted(all) {
		t.Errorf("without chaos: %d events, sorted %t", len(all), slices.IsSorted(all))
	}
	if got := len(run(t, sesfake.Chaos{Drop: 0.5})); got < n/3 || got > n*2/3 {
		t.Errorf("half dropped: %d events are left", got)
	}
	if got := len(run(t, sesfake.Chaos{Duplicate: 1})); got != 2*n {
		t.Errorf("all twice: %d events", got)
	}
	late := run(t, sesfake.Chaos{Jitter: time.Minute})
	if slices.IsSorted(late) || len(late) != n {
		t.Errorf("late by up to a minute: %d events, in order %t", len(late), slices.IsSorted(late))
	}
	if diff := cmp.Diff(late, run(t, sesfake.Chaos{Jitter: time.Minute})); diff != "" {
		t.Errorf("the same seed (-once +again):\n%s", diff)
	}
}

// TestClose drops what is not due.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got told
		s := sesfake.New(sesfake.Config{Emit: got.emit})
		post(t, s, "a@example.jp")
		time.Sleep(500 * time.Millisecond)
		s.Close()
		time.Sleep(time.Hour)
		if diff := cmp.Diff([]string{"Send a@example.jp 1"}, got.list); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestRefusals(t *testing.T) {
	s := sesfake.New(sesfake.Config{})
	defer s.Close()
	s.AnswerWith("bad@example.jp", &sesfake.BadAddress)
	if status, kind := post(t, s, "bad@example.jp"); status != http.StatusBadRequest || kind != "BadRequestException" {
		t.Errorf("bad address: %d %s", status, kind)
	}
	s.Pause(true)
	if status, kind := post(t, s, "a@example.jp"); status != http.StatusBadRequest || kind != "SendingPausedException" {
		t.Errorf("paused: %d %s", status, kind)
	}
	s.Pause(false)
	s.AnswerWith("bad@example.jp", nil)
	if status, _ := post(t, s, "bad@example.jp"); status != http.StatusOK {
		t.Errorf("after all: %d", status)
	}
	for name, body := range map[string]string{"no JSON": "x", "nothing": "{}", "two recipients": `{"Content":{"Raw":{"Data":"eA=="}},"Destination":{"ToAddresses":["a","b"]}}`} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v2/email/outbound-emails", strings.NewReader(body)))
		if answer, _ := io.ReadAll(w.Body); w.Code != http.StatusBadRequest || !json.Valid(answer) {
			t.Errorf("%s: %d %s", name, w.Code, answer)
		}
	}
	if got := s.Stats(); got.Accepted != 1 || got.Refused != 2 {
		t.Errorf("%+v", got)
	}
}

func TestNotification(t *testing.T) {
	at := time.Date(2026, 4, 7, 3, 0, 0, 0, time.UTC)
	var got map[string]string
	if err := json.Unmarshal(sesfake.Notification([]byte(`{"a":"b"}`), "arn:aws:sns:us-east-1:1:t", "id", at), &got); err != nil {
		t.Fatal(err)
	}
	if got["Type"] != "Notification" || got["Message"] != `{"a":"b"}` || got["Timestamp"] != "2026-04-07T03:00:00.000Z" || got["TopicArn"] != "arn:aws:sns:us-east-1:1:t" {
		t.Errorf("%v", got)
	}
}
