package settings_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/settings"
)

// environment is that of a Lambda function whose AWS is at endpoint.
func environment(t *testing.T, endpoint string) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_REGION": "ap-northeast-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "",
		"AWS_ENDPOINT_URL": endpoint, "AWS_PROFILE": "", "AWS_MAX_ATTEMPTS": "1",
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
	} {
		t.Setenv(name, value)
	}
}

// secrets answers GetSecretValue.
func secrets(t *testing.T, status int, answer string) (asked *string, endpoint string) {
	t.Helper()
	asked = new(string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ SecretId string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" {
			t.Errorf("asked for %s, %v", r.Header.Get("X-Amz-Target"), err)
		}
		*asked = in.SecretId
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return asked, server.URL
}

func TestSecret(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		answer string
		want   string
		err    string // in the error, "" if there is none
	}{
		{"text", 200, `{"SecretString":"[{\"ID\":1}]"}`, `[{"ID":1}]`, ""},
		{"binary", 200, `{"SecretBinary":"aGk="}`, "hi", ""},
		{"none", 400, `{"__type":"ResourceNotFoundException","message":"arn:secret"}`, "", "ResourceNotFoundException"},
		{"denied", 400, `{"__type":"AccessDeniedException","message":"arn:secret"}`, "", "AccessDeniedException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked, endpoint := secrets(t, tt.status, tt.answer)
			environment(t, endpoint)
			cfg, err := settings.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, err := settings.NewSecret(cfg, "arn:secret").Read(t.Context())
			if string(got) != tt.want || *asked != "arn:secret" {
				t.Errorf("read %q of %q, want %q", got, *asked, tt.want)
			}
			switch {
			case tt.err == "" && err != nil:
				t.Error(err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "arn:secret")):
				t.Errorf("error %v, want the code %s and no words", err, tt.err)
			}
		})
	}
}

func TestLoadWithoutARegion(t *testing.T) {
	environment(t, "")
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	if _, err := settings.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("got %v, want an error that names AWS_REGION", err)
	}
}
