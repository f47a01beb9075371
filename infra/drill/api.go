package drill

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Request is one request to the JSON API.
type Request struct {
	Method, Path string // below /api/v1
	Key          string // Idempotency-Key
	Type         string // of the body; "": application/json
	Body         []byte
}

// Call sends a request with the manager's token, fails unless the status is the
// wanted one, and decodes the answer into v unless that is nil.
func (d *Drill) Call(r Request, status int, v any) {
	d.Helper()
	code, body, err := call(d.URL, d.Token, r)
	if err != nil {
		d.Fatal(err)
	}
	if code != status {
		d.Fatalf("%s %s: status %d, not %d: %s", r.Method, r.Path, code, status, body)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal(body, v); err != nil {
		d.Fatalf("%s %s: %v in %s", r.Method, r.Path, err, body)
	}
}

// call sends a request to the API of a system at base.
func call(base, token string, r Request) (status int, body []byte, err error) {
	req, err := http.NewRequest(r.Method, base+"/api/v1"+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", r.contentType())
	if r.Key != "" {
		req.Header.Set("Idempotency-Key", r.Key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

func (r Request) contentType() string {
	if r.Type == "" {
		return "application/json"
	}
	return r.Type
}

// Imported is what the API says of an import.
type Imported struct {
	Children  int       `json:"children"`
	Guardians int       `json:"guardians"`
	Contacts  int       `json:"contacts"`
	Added     int       `json:"added"`
	Changed   int       `json:"changed"`
	Unchanged int       `json:"unchanged"`
	Errors    []RowNote `json:"errors"`
	Warnings  []RowNote `json:"warnings"`
}

// RowNote is what the API says of a row.
type RowNote struct {
	Row     int    `json:"row"`
	Message string `json:"message"`
}

// Import sends a class list to the API; query is "" or "?dry_run=1".
func (d *Drill) Import(csv []byte, query string) (got Imported) {
	d.Helper()
	d.Call(Request{Method: "POST", Path: "/roster" + query, Type: "text/csv", Body: csv}, http.StatusOK, &got)
	return got
}

// Group is a group as the API lists it.
type Group struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Children int    `json:"children"`
}

// Groups lists the school's groups.
func (d *Drill) Groups() []Group {
	d.Helper()
	var got struct{ Groups []Group }
	d.Call(Request{Method: "GET", Path: "/groups"}, http.StatusOK, &got)
	return got.Groups
}

// Alert is an alert to be sent. What is left out is made up.
type Alert struct {
	Kind       string // safety
	Subject    string
	Body       string   // two lines
	Groups     []string // the whole school
	Useful     time.Duration
	Remind     time.Duration
	Times      int // how often; once
	Every      time.Duration
	Undo       time.Duration
	Supersedes string
	Follows    string
}

func (a Alert) body(now time.Time) []byte {
	return encode(map[string]any{
		"kind": cmp.Or(a.Kind, "safety"), "subject": a.Subject, "body": cmp.Or(a.Body, instruction),
		"groups": a.Groups, "all": len(a.Groups) == 0, "supersedes": a.Supersedes, "follows": a.Follows,
		"useful_until": now.Add(cmp.Or(a.Useful, 2*time.Hour)).Format(time.RFC3339),
		"remind_times": a.Times, "remind_every_minutes": int(a.Every / time.Minute),
		"remind_after_minutes": int(a.Remind / time.Minute), "undo_seconds": int(a.Undo / time.Second),
	})
}

// instruction is what alerts say unless a scenario says otherwise.
const instruction = "地震がありました。お子さんは無事です。\n16時までに校庭へ迎えに来てください。"

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of strings and numbers
	}
	return b
}

// Send sends an alert by the API and returns its id.
func (d *Drill) Send(a Alert) string {
	d.Helper()
	d.alerts++
	var got struct{ ID string }
	d.Call(Request{
		Method: "POST", Path: "/alerts", Key: fmt.Sprintf("drill-%d", d.alerts), Body: a.body(d.Clock.Now()),
	}, http.StatusCreated, &got)
	return got.ID
}

// Status is where an alert stands, as the API says.
type Status struct {
	State      string           `json:"state"`
	FanOutDone bool             `json:"fan_out_done"`
	Children   map[string]int64 `json:"children"`
	Copies     map[string]int64 `json:"copies"`
	SentAgain  int64            `json:"sent_again"`
	Returned   int64            `json:"returned"`
	GaveUp     int64            `json:"gave_up"`
	Lanes      []map[string]any `json:"lanes"`
}

// settled reports whether no copy waits any more.
func (s Status) settled() bool {
	return s.FanOutDone && s.Copies["queued"]+s.Copies["sending"]+s.Copies["delayed"] == 0
}

// left returns how many copies have left, as far as the system knows: one machine
// hears no more of what its relay took.
func (s Status) left() int64 { return s.Copies["sent"] + s.Copies["delivered"] }

// Status reads where an alert stands.
func (d *Drill) Status(id string) (s Status) {
	d.Helper()
	d.Call(Request{Method: "GET", Path: "/alerts/" + id}, http.StatusOK, &s)
	return s
}

// Settle waits until every copy of an alert has left or was given up.
func (d *Drill) Settle(id string) (s Status) {
	d.Helper()
	flow := d.flow()
	d.Until("all copies are settled", func() bool {
		flow()
		s = d.Status(id)
		return s.settled()
	})
	return s
}

// Child is a child in an alert, as the API says.
type Child struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Class  string `json:"class"`
	State  string `json:"state"`
	Answer *struct {
		Choice string `json:"choice"`
		Help   bool   `json:"help"`
	} `json:"answer"`
	Guardians []struct {
		ID     string   `json:"id"`
		Phones []string `json:"phones"`
	} `json:"guardians"`
	Copies []struct {
		Guardian string `json:"guardian"`
		Lane     string `json:"lane"`
		Round    int    `json:"round"`
		State    string `json:"state"`
	} `json:"copies"`
}

// Children reads all children of an alert, page by page.
func (d *Drill) Children(id string) []Child {
	d.Helper()
	var all []Child
	for cursor := ""; ; {
		var page struct {
			Children []Child
			Next     string
		}
		path := "/alerts/" + id + "/children?limit=50&cursor=" + url.QueryEscape(cursor)
		d.Call(Request{Method: "GET", Path: path}, http.StatusOK, &page)
		all = append(all, page.Children...)
		if page.Next == "" {
			return all
		}
		cursor = page.Next
	}
}
