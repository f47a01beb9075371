package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/roster"
)

const eventsDir = "../../events"

// samples are the events of queues and clock, in an order in which they make
// sense on the folder of sampleFolder, and what each function hands back.
var samples = []struct {
	file, function string
	failed         []string // ends of message ids
}{
	{"fanout.json", "fanout", nil},
	{"fanout-again.json", "fanout", nil},
	{"dispatch.json", "dispatch", nil},
	{"dispatch-again.json", "dispatch", nil},
	{"dispatch-after-delay.json", "dispatch", nil},
	{"dispatch-mixed-groups.json", "dispatch", nil},
	{"fanout-remind.json", "fanout", nil},
	{"fanout-mixed-groups.json", "fanout", []string{"06", "07"}},
	{"dispatch-reminder.json", "dispatch", nil},
	{"fanout-cancel.json", "fanout", nil},
	{"fanout-unknown-job.json", "fanout", []string{"08"}},
	{"fanout-malformed.json", "fanout", []string{"09"}},
	{"dispatch-malformed.json", "dispatch", nil},
	{"tick.json", "tick", nil},
}

// target returns what an event of a function is decoded into.
func target(function string) any {
	if function == "tick" {
		return &events.CloudWatchEvent{}
	}
	return &events.SQSEvent{}
}

// TestSamplesDecode decodes every sample strictly, and gets it back by encoding it.
func TestSamplesDecode(t *testing.T) {
	for _, s := range samples {
		raw, err := os.ReadFile(filepath.Join(eventsDir, s.file))
		if err != nil {
			t.Fatal(err)
		}
		event := target(s.function)
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(event); err != nil {
			t.Errorf("%s: %v", s.file, err)
		}
		again, err := json.Marshal(event)
		if err != nil {
			t.Errorf("%s: %v", s.file, err)
		}
		if diff := cmp.Diff(generic(t, raw), generic(t, again)); diff != "" {
			t.Errorf("%s (-file +encoded again):\n%s", s.file, diff)
		}
	}
}

func generic(t *testing.T, raw []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSamplesListed fails for a sample that no test looks at.
func TestSamplesListed(t *testing.T) {
	for _, function := range []string{"fanout", "dispatch", "tick"} {
		files, err := filepath.Glob(filepath.Join(eventsDir, function+"*.json"))
		if err != nil || len(files) == 0 {
			t.Errorf("no samples of %s: %v", function, err)
		}
		for _, f := range files {
			if !listed(filepath.Base(f)) {
				t.Errorf("%s is in no test", f)
			}
		}
	}
}

func listed(file string) bool {
	for _, s := range samples {
		if s.file == file {
			return true
		}
	}
	return false
}

// TestInvoke has the program call the functions with the samples.
func TestInvoke(t *testing.T) {
	program := build(t)
	data := sampleFolder(t)
	for _, s := range samples {
		t.Run(s.file, func(t *testing.T) {
			var out, log bytes.Buffer
			cmd := exec.Command(program, "invoke", "-data", data, s.function, filepath.Join(eventsDir, s.file))
			cmd.Stdout, cmd.Stderr = &out, &log
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v\n%s", err, log.String())
			}
			var answer events.SQSEventResponse
			if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
				t.Fatalf("%v in %s", err, out.String())
			}
			checkFailures(t, answer, s.failed)
		})
	}
	// A round of reminders goes to one operator of each family: of two reminders one has left,
	// and the other was cancelled with the alert, which counts nowhere.
	want := map[string]int64{"sent": 4}
	if diff := cmp.Diff(want, sampleCopies(t, data)); diff != "" {
		t.Errorf("copies in the end (-want +got):\n%s", diff)
	}
}

func checkFailures(t *testing.T, answer events.SQSEventResponse, want []string) {
	t.Helper()
	if len(answer.BatchItemFailures) != len(want) {
		t.Fatalf("handed back: %v, want %v", answer.BatchItemFailures, want)
	}
	for i, f := range answer.BatchItemFailures {
		if !strings.HasSuffix(f.ItemIdentifier, want[i]) {
			t.Errorf("handed back: %v, want %v", answer.BatchItemFailures, want)
		}
	}
}

// TestInvokeRefuses says what happens to what is no event of the function.
func TestInvokeRefuses(t *testing.T) {
	program := build(t)
	data := t.TempDir()
	for name, args := range map[string][]string{
		"an event of another kind": {"tick", filepath.Join(eventsDir, "fanout.json")},
		"a function that is none":  {"fanfare", filepath.Join(eventsDir, "fanout.json")},
		"a file that is not there": {"fanout", filepath.Join(eventsDir, "no.json")},
		"no file":                  {"fanout"},
	} {
		out, err := exec.Command(program, append([]string{"invoke", "-data", data}, args...)...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || !bytes.Contains(out, []byte("todoku: ")) {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// The samples are about this alert, to these two families.
const (
	sampleAlert = "01knfzpn600000000000000000"
	sampleBegin = "01knfzpn60"
)

func sampleFamily(family string, addresses map[string]string) roster.Family {
	f := roster.Family{ID: sampleBegin + "fam000000000000" + family}
	g := roster.Guardian{ID: sampleBegin + "g00000000000000" + family, Name: "見本 幸子"}
	for contact, address := range addresses {
		g.Contacts = append(g.Contacts, roster.Contact{ID: sampleBegin + "k000000000000" + contact, Address: address, State: roster.Verified})
	}
	f.Guardians = []roster.Guardian{g}
	f.Children = []roster.Child{{
		ID: sampleBegin + "c00000000000000" + family, Name: "見本 " + family, Class: "class-1-1", Guardians: []string{g.ID},
	}}
	return f
}

// sampleFolder makes a data folder in which the alert of the samples has just been
// accepted.
func sampleFolder(t *testing.T) string {
	t.Helper()
	data := t.TempDir()
	onFolder(t, data, func(ctx context.Context, m *machine.Machine) error {
		_, demo := roster.Demo(1)
		s := school
		s.ID = demo.ID // on another the program does nothing by hand
		if _, err := m.Found(ctx, s, manager); err != nil {
			return err
		}
		families := []roster.Family{
			sampleFamily("1", map[string]string{"001": "one@gmail.com"}),
			sampleFamily("2", map[string]string{"002": "two@docomo.ne.jp", "003": "three@gmail.com"}),
		}
		err := m.Roster.Load(ctx, s.ID, []roster.Group{roster.NewClass(1, "1")}, func(yield func(roster.Family) bool) {
			_ = yield(families[0]) && yield(families[1])
		})
		if err != nil {
			return err
		}
		m.Alerts.IDs = id.NewSource(NewClock(begin).Now, zeros{})
		a, _, err := m.Alerts.Accept(ctx, alert.Draft{
			School: s.ID, Kind: alert.Safety, Subject: "見本", Body: instruction, All: true, UsefulUntil: time.Now().Add(time.Hour),
		}, "")
		if a.ID != sampleAlert {
			t.Errorf("the alert is %s, not that of the samples", a.ID)
		}
		return err
	})
	return data
}

// zeros makes identifiers that can be known beforehand.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// onFolder opens a data folder on which nothing runs.
func onFolder(t *testing.T, data string, f func(context.Context, *machine.Machine) error) {
	t.Helper()
	m, err := machine.New(machine.Config{Addr: "127.0.0.1:0", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f(t.Context(), m), m.Close()); err != nil {
		t.Fatal(err)
	}
}

func sampleCopies(t *testing.T, data string) (copies map[string]int64) {
	t.Helper()
	onFolder(t, data, func(ctx context.Context, m *machine.Machine) error {
		a, err := m.Alerts.Alert(ctx, sampleAlert)
		if err != nil {
			return err
		}
		s, err := m.Alerts.Status(ctx, a)
		copies = present(s.Copies.By)
		return err
	})
	return copies
}

// TestSampleSlots holds the message groups of the samples against the lanes: a
// copy in another group than its own would say nothing about the order of sending.
func TestSampleSlots(t *testing.T) {
	lanes, err := lane.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for contact, c := range map[string]struct{ domain, group string }{
		"001": {"gmail.com", "google#1!00000000"}, "002": {"docomo.ne.jp", "docomo#0!00000000"}, "003": {"gmail.com", "google#2!00000000"},
	} {
		l := lanes.Of(c.domain)
		place := alert.Copy{Lane: l.Name, Slot: l.Slot(sampleBegin + "k000000000000" + contact)}
		if got := place.Group(alert.Alert{ID: sampleAlert, Kind: alert.Safety}); got != c.group {
			t.Errorf("contact %s is in %s, not %s", contact, got, c.group)
		}
	}
}
