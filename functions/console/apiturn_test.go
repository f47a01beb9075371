package console

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/functions/console/imports"
	"github.com/todoku/todoku/shared/staff"
)

// asks sends a request to the API, fails unless it is answered as wanted and as
// openapi.json says, and decodes the answer.
func asks[T any](o *office, token, method, path, kind, body string, want int) (v T, a answer) {
	o.t.Helper()
	header := []string{"Authorization", "Bearer " + token, "Content-Type", kind}
	a = o.send(method, apiPath+path, strings.NewReader(body), header...)
	described(o.t, method, path, a)
	if a.StatusCode != want {
		o.t.Fatalf("%s %s: status %d, want %d: %.400s", method, path, a.StatusCode, want, a.body)
	}
	o.must(json.Unmarshal([]byte(a.body), &v))
	return v, a
}

const asJSON, asCSV = "application/json", "text/csv"

// TestTurnByAPI: a program prepares the turn, sees what it would do, confirms just that,
// and takes it back.
func TestTurnByAPI(t *testing.T) {
	o := newOffice(t)
	o.load(turnRoster)
	made, _ := asks[apiTurn](o, o.token, "POST", "/roster/turns", asCSV, turnList, 201)
	p := made.Preview
	if made.State != imports.Waits || p == nil || !p.Ready || p.Rise != 1 || p.Moved != 1 || p.New != 1 || p.Graduates != 2 || len(p.Leavers) != 1 || p.Leavers[0].Name != "転出 太郎" {
		t.Fatalf("%+v, %+v", made, p)
	}
	path := "/roster/turns/" + made.ID
	for name, tt := range map[string]struct {
		body string
		want int
	}{
		"without the leavers":  {`{"seen":"` + p.Seen + `"}`, 422},
		"of another preview":   {`{"seen":"x","leavers_confirmed":true}`, 409},
		"kept for ever":        {`{"seen":"` + p.Seen + `","leavers_confirmed":true,"keep_days":365}`, 422},
		"a member that is not": {`{"seen":"` + p.Seen + `","sure":true}`, 422},
		"no object":            {`[]`, 422},
	} {
		if _, a := asks[map[string]any](o, o.token, "POST", path+"/confirm", asJSON, tt.body, tt.want); o.children() != 4 {
			t.Errorf("%s: done: %s", name, a.body)
		}
	}
	confirm := `{"seen":"` + p.Seen + `","leavers_confirmed":true,"keep_days":14}`
	for range 2 { // a program tries again
		asks[apiTurn](o, o.token, "POST", path+"/confirm", asJSON, confirm, 202)
	}
	done, _ := asks[apiTurn](o, o.token, "GET", path, "", "", 200)
	if done.State != imports.Done || done.Preview != nil || done.Left != 3 || done.Added != 1 || !done.Until.Equal(o.clock().Add(14*day)) || o.children() != 2 {
		t.Errorf("done: %+v, %d children", done, o.children())
	}
	for range 2 {
		asks[apiTurn](o, o.token, "POST", path+"/undo", asJSON, "", 202)
	}
	undone, _ := asks[apiTurn](o, o.token, "GET", path, "", "", 200)
	if undone.State != imports.Undone || undone.Back != 4 || o.children() != 4 {
		t.Errorf("undone: %+v, %d children", undone, o.children())
	}
}

// TestTurnByAPIRefused: what is no list, what has errors, another school's, what is no
// turn, and what is too late.
func TestTurnByAPIRefused(t *testing.T) {
	o := newOffice(t)
	o.load(turnRoster)
	asks[map[string]any](o, o.token, "POST", "/roster/turns", asCSV, "%PDF-1.7\n\x00", 422)
	faulty, _ := asks[apiTurn](o, o.token, "POST", "/roster/turns", asCSV, turnList+"99,1,誤 記\n", 201)
	if faulty.Preview.Ready || len(faulty.Preview.Errors) != 1 || faulty.Preview.Errors[0].Row != 4 {
		t.Errorf("%+v", faulty.Preview)
	}
	asks[map[string]any](o, o.token, "POST", "/roster/turns/"+faulty.ID+"/confirm", asJSON, `{"seen":"`+faulty.Preview.Seen+`","leavers_confirmed":true}`, 422)

	good, _ := asks[apiTurn](o, o.token, "POST", "/roster/turns", asCSV, turnList, 201)
	_, foreign := o.hire("s2", staff.Manager)
	for _, path := range []string{"", "/undo", "/confirm"} {
		method := map[string]string{"": "GET"}[path]
		if method == "" {
			method = "POST"
		}
		asks[map[string]any](o, foreign, method, "/roster/turns/"+good.ID+path, asJSON, `{}`, 404)
	}
	asks[apiTurn](o, o.token, "POST", "/roster/turns/"+good.ID+"/confirm", asJSON, `{"seen":"`+good.Preview.Seen+`","leavers_confirmed":true}`, 202)
	o.pass(31 * day)
	asks[map[string]any](o, o.token, "POST", "/roster/turns/"+good.ID+"/undo", asJSON, "", 410)
	if o.children() != 2 {
		t.Errorf("%d children", o.children())
	}
}

// TestTurnByAPINeedsItsScope: a token that is not for the roster cannot turn the year.
func TestTurnByAPINeedsItsScope(t *testing.T) {
	o := newOffice(t)
	_, token, err := o.server.Staff.NewToken(t.Context(), o.me.ID, "alerts only", time.Hour, "send", "see")
	o.must(err)
	asks[map[string]any](o, token, "POST", "/roster/turns", asCSV, turnList, http.StatusForbidden)
}
