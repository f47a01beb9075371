package peers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// PostfixLimits are what a Postfix allows one client address.
type PostfixLimits struct {
	Connections int           // at once; beyond: 421
	Messages    int           // in each Unit; beyond: 450
	Unit        time.Duration // whole seconds
}

// Postfix starts a Postfix (https://www.postfix.org) that takes mail for
// receiver.test and discards it, and returns its address. It is not installed here but
// must be there, and its master runs as root.
func Postfix(t testing.TB, limits PostfixLimits) (address string) {
	t.Helper()
	path, err := exec.LookPath("postfix")
	if err != nil {
		absent(t, "postfix", errors.New("no postfix on this machine; apt-get install postfix"))
	}
	if os.Getuid() != 0 {
		absent(t, "postfix", errors.New("its master runs as root"))
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	address = fmt.Sprintf("127.0.0.1:%d", port)
	dir, err := postfixDir(t, limits, port)
	if err == nil {
		err = runPostfix(t, address, path, dir)
	}
	if err != nil {
		absent(t, "postfix", err)
	}
	return address
}

// postfixDir writes the configuration. Loopback is no exception from the limits, as it
// would be by default.
func postfixDir(t testing.TB, limits PostfixLimits, port int) (string, error) {
	dir, err := os.MkdirTemp("", "todoku-postfix-") // its user must get in, which it may not in the test's own
	if err != nil {
		return "", err
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	main := strings.Join([]string{
		"compatibility_level = 3.6",
		"queue_directory = " + filepath.Join(dir, "queue"),
		"data_directory = " + filepath.Join(dir, "data"),
		"maillog_file = /dev/stdout",
		"inet_interfaces = loopback-only",
		"inet_protocols = ipv4",
		"myhostname = receiver.test",
		"mydestination =",
		"mynetworks = 127.0.0.0/8",
		"relay_domains = receiver.test",
		"relay_transport = discard",
		"default_transport = error:no mail leaves",
		"alias_maps =",
		"smtputf8_enable = no",
		"smtpd_relay_restrictions = reject_unauth_destination",
		"smtpd_peername_lookup = no",
		"smtpd_client_event_limit_exceptions =",
		"smtpd_error_sleep_time = 0", // a client that is refused much is stalled otherwise, whatever the scale of time
		fmt.Sprintf("smtpd_client_connection_count_limit = %d", limits.Connections),
		fmt.Sprintf("smtpd_client_message_rate_limit = %d", limits.Messages),
		fmt.Sprintf("anvil_rate_time_unit = %ds", int(limits.Unit.Seconds())), "",
	}, "\n")
	var master strings.Builder
	for _, service := range []string{
		fmt.Sprintf("127.0.0.1:%d inet n - n - - smtpd", port),
		"cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr", "rewrite unix - - n - - trivial-rewrite",
		"bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce", "trace unix - - n - 0 bounce",
		"discard unix - - n - - discard", "error unix - - n - - error", "anvil unix - - n - 1 anvil",
		"proxymap unix - - n - - proxymap", "postlog unix-dgram n - n - 1 postlogd", "showq unix n - n - - showq",
		"flush unix n - n 1000? 0 flush", "tlsmgr unix - - n 1000? 1 tlsmgr", "verify unix - - n - 1 verify",
	} {
		master.WriteString(service + "\n")
	}
	return dir, errors.Join(
		os.Chmod(dir, 0o755), //nolint:gosec // Postfix's own user reads it
		os.Mkdir(filepath.Join(dir, "queue"), 0o755),
		postfixData(filepath.Join(dir, "data")),
		os.WriteFile(filepath.Join(dir, "main.cf"), []byte(main), 0o644),              //nolint:gosec // as above
		os.WriteFile(filepath.Join(dir, "master.cf"), []byte(master.String()), 0o644), //nolint:gosec // as above
	)
}

// postfixData makes the directory that belongs to Postfix's user.
func postfixData(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return exec.Command("chown", "postfix", dir).Run()
}

// runPostfix starts it, to be ended with the test.
func runPostfix(t testing.TB, address, path, dir string) error {
	cmd := exec.Command(path, "-c", dir, "start-fg")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop := func() {
		_ = exec.Command(path, "-c", dir, "stop").Run() // its master is a grandchild; it may have ended already
		<-ended                                         //nolint:errcheck // stopped, it says so by its exit status
	}
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	for !greets(ctx, address) {
		select {
		case err := <-ended:
			return fmt.Errorf("it ended before it answered: %w: %.500s", err, out.String())
		case <-ctx.Done():
			stop()
			return fmt.Errorf("no answer within %v: %.500s", startLimit, out.String())
		case <-time.After(pollPause):
		}
	}
	t.Cleanup(stop)
	return nil
}

// greets reports whether an SMTP server answers.
func greets(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(answerLimit))
	line, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && strings.HasPrefix(line, "220")
}
