package settings_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/smithy-go/logging"

	"github.com/todoku/todoku/shared/settings"
)

// environment is that of a function whose AWS is a server of the test.
func environment(t *testing.T, endpoint string) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_REGION": "ap-northeast-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key",
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": endpoint, "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		t.Setenv(name, value)
	}
}

func TestSecret(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   string
		err    string
	}{
		{name: "text", status: 200, body: `{"SecretString":"[1]"}`, want: "[1]"},
		{name: "bytes", status: 200, body: `{"SecretBinary":"WzFd"}`, want: "[1]"},
		{name: "not allowed", status: 400, body: `{"__type":"AccessDeniedException","Message":"arn:of:the:secret"}`, err: "AccessDeniedException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				asked = r.Header.Get("X-Amz-Target") + " " + string(body)
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			environment(t, server.URL)
			cfg, err := settings.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, err := settings.NewSecret(cfg, "todoku-keys").Read(t.Context())
			if string(got) != c.want || (err == nil) != (c.err == "") {
				t.Errorf("Read = %q, %v", got, err)
			}
			if err != nil && (!strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "arn:")) {
				t.Errorf("the error should be named by its code and nothing else: %v", err)
			}
			if asked != `secretsmanager.GetSecretValue {"SecretId":"todoku-keys"}` {
				t.Errorf("asked for %s", asked)
			}
		})
	}
}

func TestLoadNeedsARegion(t *testing.T) {
	environment(t, "")
	t.Setenv("AWS_REGION", "")
	if _, err := settings.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("Load = %v", err)
	}
}

// TestLogTo has the SDK say something about somebody.
func TestLogTo(t *testing.T) {
	var log bytes.Buffer
	var cfg settings.AWS
	settings.LogTo(&cfg, slog.New(slog.NewTextHandler(&log, nil)))
	cfg.Logger.Logf(logging.Warn, "failed for %s", "hanako@example.jp")
	if line := log.String(); !strings.Contains(line, "level=WARN") || !strings.Contains(line, "failed for %s") || strings.Contains(line, "hanako") {
		t.Errorf("logged: %s", line)
	}
}
