package runtimeapi_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/todoku/todoku/infra/drill/runtimeapi"
)

// TestMain lets this test program be the function that it invokes.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		lambda.Start(handle)
		return
	}
	os.Exit(m.Run())
}

type request struct{ Say, Do string }

type reply struct{ Said, Environment string }

func handle(ctx context.Context, r request) (reply, error) {
	switch r.Do {
	case "fail":
		return reply{}, errors.New("it failed")
	case "hang":
		select {}
	case "wait":
		<-ctx.Done()
	case "exit":
		os.Exit(1)
	}
	return reply{r.Say, os.Getenv("WHO")}, nil
}

func function(t *testing.T, concurrency int, timeout time.Duration) *runtimeapi.Function {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := runtimeapi.New(runtimeapi.Config{Name: "test", Program: self, Env: []string{"WHO=me"}, Concurrency: concurrency, Timeout: timeout, Log: &bytes.Buffer{}})
	t.Cleanup(f.Close)
	return f
}

func TestInvoke(t *testing.T) {
	f := function(t, 1, time.Minute)
	for range 3 {
		out, err := f.Invoke(t.Context(), request{Say: "届く"})
		if err != nil || string(out) != `{"Said":"届く","Environment":"me"}` {
			t.Fatalf("Invoke = %s, %v", out, err)
		}
	}
	_, err := f.Invoke(t.Context(), request{Do: "fail"})
	var he *runtimeapi.HandlerError
	if !errors.As(err, &he) || he.Message != "it failed" {
		t.Errorf("a failing handler: %v", err)
	}
	if s := f.Stats(); s.Invocations != 4 || s.Starts != 1 {
		t.Errorf("stats = %+v, want 4 invocations of one instance", s)
	}
}

func TestInstanceThatEnds(t *testing.T) {
	f := function(t, 1, time.Minute)
	if _, err := f.Invoke(t.Context(), request{Do: "exit"}); !errors.Is(err, runtimeapi.ErrKilled) {
		t.Errorf("an instance that exits: %v", err)
	}
	if _, err := f.Invoke(t.Context(), request{Say: "again"}); err != nil {
		t.Errorf("after an instance ended: %v", err)
	}
}

func TestTimeout(t *testing.T) {
	f := function(t, 1, time.Second)
	if _, err := f.Invoke(t.Context(), request{Do: "hang"}); !errors.Is(err, runtimeapi.ErrTimeout) {
		t.Errorf("a handler that hangs: %v", err)
	}
}

func TestKillInTheMiddle(t *testing.T) {
	f := function(t, 4, time.Minute)
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	for range 4 {
		wg.Go(func() {
			_, err := f.Invoke(context.Background(), request{Do: "hang"})
			errs <- err
		})
	}
	for f.Stats().Starts < 4 {
		time.Sleep(time.Millisecond)
	}
	if n := f.Kill(); n != 4 {
		t.Errorf("killed %d, want 4", n)
	}
	wg.Wait()
	for range 4 {
		if err := <-errs; !errors.Is(err, runtimeapi.ErrKilled) {
			t.Errorf("a killed instance: %v", err)
		}
	}
}

func TestBadAnswer(t *testing.T) {
	f := function(t, 1, time.Minute)
	if _, err := f.Invoke(t.Context(), func() {}); err == nil || !strings.Contains(err.Error(), "json") {
		t.Errorf("an event that is no JSON: %v", err)
	}
}
