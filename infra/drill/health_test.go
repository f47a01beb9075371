package drill

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/drill/cloud"
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
	status, report := health(d.TB, d.URL)
	want := map[string]any{"status": "ok", "checks": map[string]any{"store": "ok", "queue": "ok", "mail": "ok"}}
	if diff := cmp.Diff(want, report); status != http.StatusOK || diff != "" {
		d.Errorf("status %d (-want +got):\n%s", status, diff)
	}
}

// awsHealth stops one part after the other, and looks whether /healthz says which.
func awsHealth(t *testing.T, cfg cloud.Config) {
	d := deploy(t, cfg, 0)
	failing := func(part string) {
		t.Helper()
		var report map[string]any
		(&Drill{TB: t}).Until("/healthz says that "+part+" fails", func() bool {
			var status int
			status, report = d.health()
			checks, _ := report["checks"].(map[string]any)
			return status == http.StatusServiceUnavailable && checks[part] != "ok"
		})
		t.Logf("%v", report)
	}
	d.SES.Pause(true)
	failing("mail")
	d.SES.Pause(false)
	d.Functions["fanout"].Close() // nobody takes what the queue has
	failing("queue")
}
