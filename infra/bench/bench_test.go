package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/mail/mailtest"
	"github.com/todoku/todoku/shared/mail/smtp"
	"github.com/todoku/todoku/shared/roster"
)

// testSink is a sink in this process and the two ends of its standard streams.
type testSink struct {
	*remote
	ended chan error
}

func startSink(t *testing.T) testSink {
	t.Helper()
	inRead, in := io.Pipe()
	out, outWrite := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := Sink(inRead, outWrite)
		outWrite.Close()
		ended <- err
	}()
	r := &remote{process: &process{cmd: exec.Command("sink"), in: in, lines: bufio.NewScanner(out)}} // for its name
	line, err := r.line()
	if err != nil {
		t.Fatal(err)
	}
	r.near, r.far, _ = strings.Cut(line, " ")
	return testSink{r, ended}
}

// end has the sink end, and returns how it did.
func (s testSink) end() error {
	_ = s.in.Close()
	for s.lines.Scan() { // what it still has to say
	}
	return <-s.ended
}

func TestSinkCounts(t *testing.T) {
	s := startSink(t)
	for i, addr := range []string{s.near, s.near, s.far} {
		const n = 60 // more than one connection carries
		if err := s.expect(n); err != nil {
			t.Fatal(err)
		}
		msgs := mailtest.Letters(n)
		const again = 3
		msgs = slices.Concat(msgs[:again], msgs) // the same copies once more
		cfg, err := smtp.ParseURL("smtp://" + addr + "?starttls=off&conns=2")
		if err != nil {
			t.Fatal(err)
		}
		relay := smtp.New(cfg)
		for m, err := range mailtest.SendAll(t, t.Context(), relay, msgs) {
			if err != nil {
				t.Errorf("%s: message %d: %v", addr, m, err)
			}
		}
		got, err := s.wait(n, func(int) {})
		if want := (tally{i + 1, n + again, n}); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", addr, got, err, want)
		}
		if err := relay.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := s.end(); err != nil {
		t.Errorf("the sink ended with %v", err)
	}
}

func TestBareLoopSendsEachOnce(t *testing.T) {
	s := startSink(t)
	const n = 130
	loop, err := newBare(n)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.expect(n); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() { sent <- loop.send(t.Context(), "smtp://"+s.near+"?starttls=off&conns=3") }()
	got, err := s.wait(n, func(int) {})
	if err != nil || got != (tally{1, n, n}) {
		t.Errorf("%+v, %v; want %d, each once", got, err, n)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if err := s.end(); err != nil {
		t.Error(err)
	}
}

func TestSchoolIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	const n = 30
	last := 0
	s, err := makeSchool(t.Context(), dir, n, func(done int) { last = done })
	if err != nil || last != n {
		t.Fatalf("%v, %d contacts made; want %d", err, last, n)
	}
	if _, err := makeSchool(t.Context(), dir, n, func(int) { t.Error("made again") }); err != nil {
		t.Fatal(err)
	}
	data, err := s.copy()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := countReads(t.Context(), data, "none"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("the status of an alert that is not there: %v, want 404", err)
	}
}

func TestCountedStopsWithItsReader(t *testing.T) {
	_, families := roster.Big(seed, 100, newIDs())
	done := 0
	for range counted(families, func(n int) { done = n }) {
		if done >= 10 {
			break
		}
	}
	if done < 10 || done > 20 {
		t.Errorf("%d contacts, want it to stop soon after 10", done)
	}
}

func TestStatusBytes(t *testing.T) {
	const status = "Name:\ttodoku\nVmHWM:\t  386084 kB\nRssAnon:\t   21060 kB\nThreads:\t9\n"
	for field, want := range map[string]int64{"VmHWM": 386084 << 10, "RssAnon": 21060 << 10, "Threads": 9 << 10, "VmSwap": 0, "Name": 0} {
		if got := statusBytes(status, field); got != want {
			t.Errorf("%s = %d, want %d", field, got, want)
		}
	}
}

func TestWatchSeesThisProcess(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		const why = "only Linux says so in /proc"
		if os.Getenv("STRICT") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	stop := watch(os.Getpid())
	if m := stop(); m.anonymous < 1<<20 || m.resident < m.anonymous {
		t.Errorf("%+v, want a megabyte and more", m)
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 3}} {
		if got := median(tt.values); got != tt.want {
			t.Errorf("median of %v = %v, want %v", tt.values, got, tt.want)
		}
	}
}

func TestTableIsAligned(t *testing.T) {
	var b strings.Builder
	printTable(&b, [][]any{{"recipients", "rate"}, {100, "7"}})
	if want := "  recipients  rate\n         100     7\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	if got := fmt.Sprint(milliseconds(1500*time.Microsecond), " ", megabytes(2_000_000)); got != "1.50 ms 2 MB" {
		t.Error(got)
	}
}
