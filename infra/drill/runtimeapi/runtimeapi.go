// Package runtimeapi plays AWS Lambda for built functions: it starts the
// `bootstrap` program as Lambda does, hands it events through the Runtime API,
// and takes its answers. Instances are started as they are needed, kept for the
// next event, killed when they run into the timeout, and can be killed by a test
// in the middle of an event.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
package runtimeapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config says what to run.
type Config struct {
	Name        string
	Program     string        // path of bootstrap, built for this machine
	Env         []string      // NAME=value; the program sees these and Lambda's own, nothing else
	Concurrency int           // most instances at once; 0: 10
	Timeout     time.Duration // of one event; 0: 30 s
	Log         io.Writer     // what instances write to standard output and error
}

// Function is a function that can be invoked.
type Function struct {
	cfg    Config
	places chan struct{}

	mu      sync.Mutex
	idle    []*instance
	all     map[*instance]bool
	closed  bool
	stopped bool
	stats   Stats
}

// Stats counts what a function did.
type Stats struct {
	Invocations int
	Starts      int           // instances started: cold starts
	Killed      int           // instances that Kill ended, busy or not
	Billed      time.Duration // time that instances were at work
	CPU         time.Duration // what the processors gave to instances that Close ended
	Memory      int64         // the most bytes that one of them had resident; 0: the system does not say
}

// New returns a Function. Nothing is started before the first event.
func New(cfg Config) *Function {
	cfg.Concurrency = cmp.Or(cfg.Concurrency, 10)
	cfg.Timeout = cmp.Or(cfg.Timeout, 30*time.Second)
	cfg.Log = &shared{w: cfg.Log}
	return &Function{cfg: cfg, places: make(chan struct{}, cfg.Concurrency), all: map[*instance]bool{}}
}

// shared is a log that several instances write to.
type shared struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w == nil {
		return len(p), nil
	}
	return s.w.Write(p)
}

// Errors of Invoke.
var (
	ErrKilled  = errors.New("runtimeapi: the instance ended in the middle of an event")
	ErrTimeout = errors.New("runtimeapi: the event ran into the timeout")
	errClosed  = errors.New("runtimeapi: closed")
)

// HandlerError is what a handler returned as its error.
type HandlerError struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

func (e *HandlerError) Error() string { return e.Type + ": " + e.Message }

// Invoke hands an event to an instance and returns the handler's answer as JSON.
// It waits while all instances are at work. It fails with a *HandlerError,
// ErrKilled, ErrTimeout or the context's error.
func (f *Function) Invoke(ctx context.Context, event any) ([]byte, error) {
	payload, err := json.Marshal(event)
	if err != nil {
		return nil, err
	}
	select {
	case f.places <- struct{}{}:
		defer func() { <-f.places }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	in, err := f.take(ctx)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	out, err := in.run(payload, f.cfg.Timeout)
	f.give(in, err, time.Since(begin))
	return out, err
}

// take returns an idle instance, or starts one.
func (f *Function) take(ctx context.Context) (*instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.stopped {
		return nil, errClosed
	}
	f.stats.Invocations++
	for len(f.idle) > 0 {
		in := f.idle[len(f.idle)-1]
		f.idle = f.idle[:len(f.idle)-1]
		if in.alive() {
			return in, nil
		}
	}
	f.stats.Starts++
	in, err := start(ctx, f.cfg)
	if err == nil {
		f.all[in] = true
	}
	return in, err
}

// give puts an instance back, unless it is of no more use.
func (f *Function) give(in *instance, err error, worked time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Billed += worked
	if f.closed || !f.all[in] || errors.Is(err, ErrKilled) || errors.Is(err, ErrTimeout) {
		delete(f.all, in)
		in.end()
		return
	}
	f.idle = append(f.idle, in)
}

// Kill ends all instances with SIGKILL, wherever they are, and returns how many.
func (f *Function) Kill() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.all)
	for in := range f.all {
		in.kill()
	}
	f.idle, f.all = nil, map[*instance]bool{}
	f.stats.Killed += n
	return n
}

// Deploy has new events handled by another program, as a new version of a function's
// code does: instances of the old one end, those at work when they have done it.
func (f *Function) Deploy(program string) {
	f.mu.Lock()
	old := f.idle
	f.cfg.Program = program
	f.idle, f.all = nil, map[*instance]bool{}
	f.mu.Unlock()
	for _, in := range old {
		in.end()
	}
}

// Busy returns how many instances have an event in hand.
func (f *Function) Busy() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.all) - len(f.idle)
}

// Stats returns what the function did so far.
func (f *Function) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

// Stop has the function take no events, or take them again, as its reserved concurrency
// of none does.
func (f *Function) Stop(stopped bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped = stopped
}

// Close ends all instances.
func (f *Function) Close() {
	f.mu.Lock()
	f.closed = true
	instances := f.all
	f.idle, f.all = nil, nil
	f.mu.Unlock()
	for in := range instances {
		memory := resident(in.cmd.Process.Pid)
		in.end()
		f.mu.Lock()
		f.stats.CPU += in.cmd.ProcessState.UserTime() + in.cmd.ProcessState.SystemTime()
		f.stats.Memory = max(f.stats.Memory, memory)
		f.mu.Unlock()
	}
}

// instance is one running program with a Runtime API of its own.
type instance struct {
	cmd    *exec.Cmd
	server *http.Server
	exited chan struct{}
	next   chan event
	mu     sync.Mutex
	asked  map[string]chan answer // by request id
	last   int
}

type event struct {
	id       string
	payload  []byte
	deadline time.Time
}

type answer struct {
	body []byte
	err  error
}

func start(ctx context.Context, cfg Config) (*instance, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	in := &instance{exited: make(chan struct{}), next: make(chan event), asked: map[string]chan answer{}}
	in.server = &http.Server{Handler: in.routes(), ReadHeaderTimeout: time.Second}
	go func() { _ = in.server.Serve(l) }()
	in.cmd = exec.Command(cfg.Program)
	in.cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + l.Addr().String(),
		"AWS_LAMBDA_FUNCTION_NAME=" + cfg.Name,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
		"_HANDLER=bootstrap",
	}, cfg.Env...)
	in.cmd.Stdout, in.cmd.Stderr = cfg.Log, cfg.Log
	if err := in.cmd.Start(); err != nil {
		return nil, errors.Join(err, in.server.Close())
	}
	go func() {
		_ = in.cmd.Wait()
		close(in.exited)
	}()
	return in, nil
}

func (in *instance) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", in.serveNext)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", in.serveAnswer(func(body []byte) answer { return answer{body: body} }))
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", in.serveAnswer(func(body []byte) answer { return answer{err: handlerError(body)} }))
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	return mux
}

func (in *instance) serveNext(w http.ResponseWriter, r *http.Request) {
	select {
	case e := <-in.next:
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", e.id)
		w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(e.deadline.UnixMilli(), 10))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:ap-northeast-1:000000000000:function:drill")
		_, _ = w.Write(e.payload)
	case <-r.Context().Done():
	case <-in.exited:
	}
}

func (in *instance) serveAnswer(read func([]byte) answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		in.mu.Lock()
		c := in.asked[r.PathValue("id")]
		delete(in.asked, r.PathValue("id"))
		in.mu.Unlock()
		if err != nil || c == nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c <- read(body)
		w.WriteHeader(http.StatusAccepted)
	}
}

func handlerError(body []byte) error {
	e := &HandlerError{}
	if err := json.Unmarshal(body, e); err != nil {
		return fmt.Errorf("runtimeapi: error answer %q: %w", body, err)
	}
	return e
}

// run hands the instance an event and waits for its answer, its end, or the
// timeout. An instance that has not come up within the timeout is as good as dead.
func (in *instance) run(payload []byte, timeout time.Duration) ([]byte, error) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	c := make(chan answer, 1)
	in.mu.Lock()
	in.last++
	id := fmt.Sprintf("00000000-0000-0000-0000-%012d", in.last)
	in.asked[id] = c
	in.mu.Unlock()
	select {
	case in.next <- event{id, payload, time.Now().Add(timeout)}:
	case <-in.exited:
		return nil, ErrKilled
	case <-deadline.C:
		return nil, ErrTimeout
	}
	select {
	case a := <-c:
		return a.body, a.err
	case <-in.exited:
		return nil, ErrKilled
	case <-deadline.C:
		return nil, ErrTimeout
	}
}

func (in *instance) alive() bool {
	select {
	case <-in.exited:
		return false
	default:
		return true
	}
}

func (in *instance) kill() {
	_ = in.cmd.Process.Kill()
	<-in.exited
	_ = in.server.Close()
}

// end ends an instance that has nothing to do; Lambda, too, gives no notice.
func (in *instance) end() { in.kill() }

// resident is the most memory that a process has had, in bytes; 0 where the system has
// no such file (https://man7.org/linux/man-pages/man5/proc_pid_status.5.html).
func resident(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	var kilobytes int64
	_, _ = fmt.Sscan(peak, &kilobytes)
	return kilobytes << 10
}
