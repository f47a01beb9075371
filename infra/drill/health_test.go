package drill

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// health asks for /healthz.
func (d *deployment) health() (status int, report map[string]any) {
	d.Helper()
	return health(d.TB, d.System.URL)
}

func health(t testing.TB, base string) (status int, report map[string]any) {
	t.Helper()
	res, err := http.Get(base + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &report); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return res.StatusCode, report
}

// healthy is a scenario: a system that works says so.
func healthy(d *Drill) {
	want := map[string]any{"status": "ok", "checks": map[string]any{"store": "ok", "queue": "ok", "mail": "ok"}}
	said := ""
	d.Until("the system says that it works", func() bool { // which it cannot while the machine stands still
		status, report := health(d.TB, d.URL)
		diff := cmp.Diff(want, report)
		if diff != said {
			said = diff
			d.Logf("status %d (-want +got):\n%s", status, diff)
		}
		return status == http.StatusOK && diff == ""
	})
}
