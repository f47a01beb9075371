package proof

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSwitches: the lanes' dead man's switches are called side by side, and one that fails
// keeps no other from being called. The server answers none until it was asked by all.
func TestSwitches(t *testing.T) {
	var all sync.WaitGroup
	all.Add(3)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all.Done()
		all.Wait()
		if r.URL.Path == "/secret/au" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	var log bytes.Buffer
	p := &Prover{
		Records: Records{Mailboxes: []Mailbox{{Lane: "docomo"}, {Lane: "au"}}},
		DeadMan: server.URL + "/secret/" + laneMark, Proven: func(string, time.Duration) {}, Log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	var was State
	for _, f := range p.families() {
		was.set(f.lane, Record{Open: true})
	}
	p.tell(t.Context(), was, State{})
	if n := strings.Count(log.String(), "was not called"); n != 1 || strings.Contains(log.String(), "secret") {
		t.Errorf("%d failures in the log: %s", n, &log)
	}
}
