package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"

	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/dead"
	"github.com/todoku/todoku/shared/doctor"
	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/mailhost/dnstest"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

type backend struct{}

func (backend) NewSession(*smtp.Conn) (smtp.Session, error) {
	return nil, &smtp.SMTPError{Code: 421, Message: "too busy"}
}

// busy is a relay that takes nobody.
func busy(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(backend{})
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String()
}

func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	err := Program{Stdout: &out, Stderr: &errs}.Run(t.Context(), args)
	return out.String() + errs.String(), err
}

// TestDoctorBefore looks at a school that is to be.
func TestDoctorBefore(t *testing.T) {
	dns := dnstest.Start(t, "school.example.jp. MX 10 mx.school.example.jp.", "mx.school.example.jp. A 192.0.2.1")
	relay := busy(t)
	out, err := run(t, "doctor", "-data", t.TempDir(), "-from", "anzen@school.example.jp", "-smtp", "smtp://"+relay, "-dns", dns.Addr, "-ntp", "", "-json")
	if code := exit(0); !errors.As(err, &code) || code != exitFail {
		t.Errorf("%v, not exit status %d", err, exitFail)
	}
	var rep doctor.Report
	if err := json.Unmarshal([]byte(out), &rep); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got []string
	for _, f := range rep.Findings {
		got = append(got, f.ID)
		if f.ID == "spf-missing" && (f.Record != "" || !strings.Contains(f.Fix.EN, "--send-ip")) { // from where a relay here sends is not known
			t.Errorf("the record %q, which permits nobody: %s", f.Record, f.Fix.EN)
		}
	}
	slices.Sort(got)
	want := []string{"backup-none", "dkim-unknown", "dmarc-missing", "dmarc-unaligned", "relay-greeting", "spf-missing"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if out, _ := run(t, "doctor", "-data", t.TempDir()); out != "" {
		t.Errorf("without a database: %s", out)
	}
}

// TestDoctorOfRunning asks a machine that runs, before and after its first backup.
func TestDoctorOfRunning(t *testing.T) {
	data := running(t)
	out, err := run(t, "doctor", "-data", data, "-lang", "en")
	if code := exit(0); !errors.As(err, &code) || code != exitWarn || !strings.Contains(out, "[WARN] There is no backup yet. (backup-none)") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := run(t, "backup", "-data", data, filepath.Join(t.TempDir(), "copy.db")); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err = run(t, "doctor", "-data", data, "-lang", "ja")
	if err != nil || !strings.Contains(out, "問題は見つかりませんでした。") {
		t.Errorf("%v: %s", err, out)
	}
}

// running returns the folder of a demo that runs until the test ends.
func running(t *testing.T) string {
	t.Helper()
	data := t.TempDir()
	m, err := machine.New(machine.Config{Addr: "127.0.0.1:0", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.FoundDemo(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, m.Close()); err != nil {
			t.Error(err)
		}
	})
	waitFor(t, filepath.Join(data, machine.SocketName))
	return data
}

// TestRefused: what a machine that runs refuses it says in the command's language.
func TestRefused(t *testing.T) {
	data := running(t)
	_, school := roster.Demo(1)
	for _, tt := range []struct {
		name   string
		args   []string
		ja, en string
	}{
		{"an address that is none", []string{"sign-in", "-school", school.Name, "-manager-mail", "yamada"}, "--manager-mail: 「@」がありません", "--manager-mail: There is no @ sign."},
		{"no such school", []string{"sign-in", "-school", "別の学校", "-manager-mail", "y@school.example.jp"}, "「別の学校」という学校はありません", `There is no school "別の学校"`},
		{"no such person", []string{"sign-in", "-school", school.Name, "-manager-mail", "y@school.example.jp"}, "アドレスが y@school.example.jp の人はいません", "Nobody at the school has the address y@school.example.jp."},
		{"no such queue", []string{"dead", "events"}, "events というキューはありません", "There is no queue events: name one of jobs, copies, mails."},
		{"no letter of no such school", []string{"redrive", "copies", "-school", "別の学校"}, "「別の学校」という学校はありません", `There is no school "別の学校"`},
		{"no letter of that number", []string{"redrive", "copies", "999"}, "その番号のものはありません", "There is none of that number."},
		{"no such letter", []string{"redrive", "copies", "zz"}, "その番号のものはありません", "There is none of that number."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := run(t, append(tt.args, "-data", data)...)
			if err == nil || !strings.Contains(say(err, lang.JA), tt.ja) || !strings.HasPrefix(say(err, lang.EN), tt.en) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestOfSchool asks a machine that runs for what is of its school.
func TestOfSchool(t *testing.T) {
	data := running(t)
	_, school := roster.Demo(1)
	if out, err := run(t, "dead", "copies", "-school", school.Name, "-data", data); err != nil || out != "" {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := run(t, "redrive", "copies", "-school", school.Name, "-data", data, "-lang", "en"); err != nil || out != "0 put back\n" {
		t.Errorf("%v: %s", err, out)
	}
}

func waitFor(t *testing.T, socket string) {
	t.Helper()
	for range 12_000 { // minutes: a machine that is busy takes its time
		if conn, err := net.Dial("unix", socket); err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the machine does not run")
}

// TestOnAWS gives commands to a table: the doctor has the clock look, dead letters are
// listed and put back.
func TestOnAWS(t *testing.T) {
	tab := bbolttest.Open(t, time.Now)
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		p := Program{Stdout: &out, Stderr: &out, Cloud: func(context.Context, string) (format.Store, error) { return tab, nil }}
		err := p.Run(t.Context(), append(args, "-table", "t", "-lang", "en"))
		return out.String(), err
	}
	tick := &doctor.Daily{Records: doctor.Records{Table: tab, Now: time.Now}, Log: slog.New(slog.DiscardHandler), Setup: func(context.Context) (doctor.Setup, error) {
		return doctor.Setup{Backup: func() (time.Time, error) { return time.Time{}, nil }}, nil
	}}
	go func() {
		for t.Context().Err() == nil {
			_ = tick.Run(t.Context())
			time.Sleep(10 * time.Millisecond)
		}
	}()
	out, err := run("doctor")
	if code := exit(0); !errors.As(err, &code) || code != exitWarn || !strings.Contains(out, "(backup-none)") {
		t.Errorf("%v: %s", err, out)
	}
	letters := &dead.Store{Table: tab, Now: time.Now}
	for _, id := range []string{"m1", "m2"} {
		if err := letters.Bury(t.Context(), "copies", id, queue.DeadLetter{Message: queue.Message{Group: "docomo#1", ID: id, Body: `{"a":"a1"}`}, Died: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []roster.School{{ID: "s1", Name: "見本小学校"}, {ID: "s2", Name: "別の学校"}} {
		if err := (&roster.Store{Table: tab}).PutSchool(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		memo := queue.DeadLetter{Message: queue.Message{Body: `{"memo":{"school":"` + s.ID + `","staff":"p"}}`}, Died: time.Now()}
		if err := letters.Bury(t.Context(), "copies", "memo of "+s.ID, memo); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := run("dead", "copies", "-school", "見本小学校"); err != nil || strings.Count(out, "\n") != 1 || !strings.Contains(out, "school s1") {
		t.Errorf("of one school: %v: %s", err, out)
	}
	if out, err := run("redrive", "copies", "-school", "もう一つの学校"); err == nil {
		t.Errorf("of no school: %s", out)
	}
	for _, tt := range []struct{ school, want string }{{"見本小学校", "1 put back"}, {"s1", "0 put back"}, {"s2", "1 put back"}} {
		if out, err := run("redrive", "copies", "-school", tt.school); err != nil || !strings.Contains(out, tt.want) {
			t.Errorf("redrive of %s: %v: %s", tt.school, err, out)
		}
	}
	out, err = run("dead", "copies")
	if lines := strings.Count(out, "alert a1"); err != nil || lines != 2 {
		t.Fatalf("%v: %s", err, out)
	}
	first, _, _ := strings.Cut(out, "\t")
	for _, tt := range []struct{ args, want string }{{"redrive copies " + first, "1 put back"}, {"redrive copies", "1 put back"}, {"redrive copies", "0 put back"}} {
		if out, err := run(strings.Fields(tt.args)...); err != nil || !strings.Contains(out, tt.want) {
			t.Errorf("%s: %v: %s", tt.args, err, out)
		}
	}
	if _, err := run("dead", "nonsense"); err == nil {
		t.Error("a queue that is not there")
	}
}

// TestSending reads lists with blanks after their commas, as people write them.
func TestSending(t *testing.T) {
	var got machine.Sending
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&Program{}).sending(f, &got)
	if err := f.Parse([]string{"--dkim", "s1, s2", "--send-ip", "192.0.2.1, 2001:db8::1,"}); err != nil {
		t.Fatal(err)
	}
	want := machine.Sending{DKIM: []string{"s1", "s2"}, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, NTP: "ntp.nict.jp"}
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Error(d)
	}
}
