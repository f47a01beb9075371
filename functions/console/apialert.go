package console

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// Texts about requests.
var (
	onlyJSON = lang.T("JSONを「Content-Type: application/json」で送ってください。", "Send JSON, with Content-Type: application/json.")
	badTime  = problem.New(problem.Invalid,
		"時刻は、時差を付けたRFC 3339の形式で送ってください（例: 2026-04-06T17:00:00+09:00）。",
		"Send the time as RFC 3339 with an offset, such as 2026-04-06T17:00:00+09:00.")
	badKey = problem.New(problem.Invalid,
		"Idempotency-Keyは、ASCIIの文字で1から%d文字までにしてください。UUIDをお勧めします。",
		"Idempotency-Key takes 1 to %d visible ASCII characters; a UUID is a good choice.", maxKey).In("Idempotency-Key")
)

// maxKey is the most characters of an Idempotency-Key.
const maxKey = 255

// alertRequest is the body of POST /alerts.
type alertRequest struct {
	Kind        string      `json:"kind"`
	Subject     string      `json:"subject"`
	Body        string      `json:"body"`
	Groups      []string    `json:"groups"`
	All         bool        `json:"all"`
	UsefulUntil string      `json:"useful_until"`
	Answers     []apiChoice `json:"answers"`
	Remind      int64       `json:"remind_after_minutes"`
	RemindTimes int64       `json:"remind_times"`
	RemindEvery int64       `json:"remind_every_minutes"`
	Supersedes  string      `json:"supersedes"`
	Follows     string      `json:"follows"`
	Undo        int64       `json:"undo_seconds"`
}

func (q *alertRequest) members() members {
	return members{
		"kind": &q.Kind, "subject": &q.Subject, "body": &q.Body, "groups": &q.Groups, "all": &q.All,
		"useful_until": &q.UsefulUntil, "answers": &q.Answers, "remind_after_minutes": &q.Remind,
		"remind_times": &q.RemindTimes, "remind_every_minutes": &q.RemindEvery,
		"supersedes": &q.Supersedes, "follows": &q.Follows, "undo_seconds": &q.Undo,
	}
}

// apiChoice is an answer to be offered: {"ja","en","help"}, or a string alone.
type apiChoice struct {
	JA   string `json:"ja"`
	EN   string `json:"en,omitempty"`
	Help bool   `json:"help,omitempty"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *apiChoice) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, &c.JA) == nil {
		return nil
	}
	if wrong := decodeObject(b, members{"ja": &c.JA, "en": &c.EN, "help": &c.Help}); len(wrong) > 0 {
		return wrong[0]
	}
	return nil
}

// draft returns the request as the domain reads it, with what only JSON can get
// wrong; the rest is for the domain to judge.
func (q *alertRequest) draft(me staff.Staff) (alert.Draft, problem.List) {
	d := alert.Draft{
		School: me.School, Kind: alert.Kind(q.Kind), Subject: q.Subject, Body: q.Body,
		Groups: q.Groups, All: q.All, Supersedes: q.Supersedes, Follows: q.Follows,
		Sender: alert.Sender{ID: me.ID, Name: me.Name, Mail: me.Mail},
	}
	for i, c := range q.Answers {
		d.Choices = append(d.Choices, alert.Choice{ID: fmt.Sprintf("c%d", i+1), JA: c.JA, EN: c.EN, Help: c.Help})
	}
	wrong := q.times(&d)
	if q.All && len(q.Groups) > 0 {
		wrong = append(wrong, problem.New(problem.Invalid, "「all」と「groups」は、どちらか一方だけを送ってください。", "Send either all or groups, not both.").In("groups"))
	}
	return d, wrong
}

func (q *alertRequest) times(d *alert.Draft) problem.List {
	var wrong problem.List
	if q.UsefulUntil != "" {
		t, err := time.Parse(time.RFC3339, q.UsefulUntil)
		if err != nil {
			wrong = append(wrong, badTime.In("useful_until"))
		}
		d.UsefulUntil = t
	}
	if q.Remind < 0 || q.Remind > int64(alert.MaxUseful/time.Minute) {
		wrong = append(wrong, outOfRange("remind_after_minutes", int64(alert.MaxUseful/time.Minute)))
		q.Remind = 0
	}
	if q.Undo < 0 || q.Undo > int64(maxUndo/time.Second) {
		wrong = append(wrong, outOfRange("undo_seconds", int64(maxUndo/time.Second)))
		q.Undo = 0
	}
	for field, n := range map[string]*int64{"remind_times": &q.RemindTimes, "remind_every_minutes": &q.RemindEvery} {
		if *n < 0 || *n > int64(alert.MaxUseful/time.Minute) {
			wrong = append(wrong, outOfRange(field, int64(alert.MaxUseful/time.Minute)))
			*n = 0
		}
	}
	d.RemindTimes, d.RemindEvery = int(q.RemindTimes), time.Duration(q.RemindEvery)*time.Minute
	d.RemindAfter, d.Undo = time.Duration(q.Remind)*time.Minute, time.Duration(q.Undo)*time.Second
	return wrong
}

// maxUndo is the longest time in which a program can have an alert taken back.
const maxUndo = 10 * time.Minute

func outOfRange(field string, most int64) *problem.Error {
	return problem.New(problem.Invalid, "0から%dまでの整数を送ってください。", "Send a whole number from 0 to %d.", most).In(field)
}

// apiFields are the names that the domain's fields have in the API.
var apiFields = map[string]string{"choices": "answers", "remind_after": "remind_after_minutes", "remind_every": "remind_every_minutes"}

// apiNames returns err with its fields under their names in the API.
func apiNames(err error) error {
	l := problem.Of(err)
	renamed := false
	for i, e := range l {
		if name, ok := apiFields[e.Field]; ok {
			l[i], renamed = e.In(name), true
		}
	}
	if !renamed {
		return err
	}
	return l
}

// keyed reads a request that does no more when it is sent again with its key.
func keyed(r *http.Request) (key string, body []byte, err error) {
	key = r.Header.Get("Idempotency-Key")
	if _, sent := r.Header["Idempotency-Key"]; !isKey(key) || sent && key == "" {
		return "", nil, badKey // an empty one is meant to keep a retry from sending twice, and does not
	}
	body, err = io.ReadAll(r.Body)
	return key, body, err
}

func (s *Server) apiPostAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	key, body, err := keyed(r)
	if err != nil {
		return nil, err
	}
	var q alertRequest
	if wrong := decodeObject(body, q.members()); len(wrong) > 0 {
		return nil, wrong
	}
	d, wrong := q.draft(me)
	if err := s.follow(r.Context(), &d); err != nil {
		return nil, err
	}
	if len(wrong) > 0 {
		_, more := d.Tidy(s.Now())
		return nil, apiNames(merge(wrong, more))
	}
	if err := s.maySend(r.Context(), me, d); err != nil {
		return nil, err
	}
	al, err := s.Send(r.Context(), me, d, key)
	if err != nil {
		return nil, apiNames(err)
	}
	location := http.Header{"Location": {apiPath + "/alerts/" + al.ID}}
	return web.JSON{Status: http.StatusCreated, Header: location, Value: s.made(al)}, nil
}

// merge adds the problems of fields of which nothing is said yet.
func merge(l, more problem.List) problem.List {
	said := map[string]bool{}
	for _, e := range l {
		said[e.Field] = true
	}
	for _, e := range more {
		if !said[e.Field] {
			l = append(l, e)
		}
	}
	return l
}

// isKey reports whether an Idempotency-Key can be used; none at all can.
func isKey(key string) bool {
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(key) <= maxKey
}

// madeAlert is the answer to a change of an alert.
type madeAlert struct {
	ID    string      `json:"id"`
	State alert.State `json:"state"`
}

func (s *Server) made(al alert.Alert) madeAlert {
	return madeAlert{ID: al.ID, State: al.State(s.Now())}
}

func (s *Server) apiCloseAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	al, err := s.Close(r.Context(), me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return web.JSON{Value: s.made(al)}, nil
}

func (s *Server) apiUndoAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	al, err := s.Undo(r.Context(), me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return web.JSON{Value: s.made(al)}, nil
}
