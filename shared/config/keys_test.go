package config_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/config"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/link"
)

// generated is a secret as Secrets Manager makes it for the stack: 44 letters
// and digits are base64 of 33 bytes.
const generated = `{"ID":1,"Secret":"AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGh"}`

func TestParseKeys(t *testing.T) {
	key := func(n byte) link.Key { return link.Key{ID: n, Secret: bytes.Repeat([]byte{n}, 32)} }
	two, err := config.FormatKeys([]link.Key{key(2), key(1)})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, secret string
		ids          []byte // nil: refused
	}{
		{"as generated", generated, []byte{1}},
		{"list", string(two), []byte{2, 1}},
		{"surrounded by blanks", "\n " + generated + "\n", []byte{1}},
		{"empty", "", nil},
		{"empty list", "[]", nil},
		{"text", "hunter2", nil},
		{"short key", `{"ID":1,"Secret":"AAAA"}`, nil},
		{"same id twice", "[" + generated + "," + generated + "]", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := config.ParseKeys([]byte(tt.secret))
			if (err != nil) != (tt.ids == nil) {
				t.Fatalf("error is %v", err)
			}
			if err != nil && tt.secret != "" && strings.Contains(err.Error(), tt.secret) {
				t.Errorf("the error tells the secret: %v", err)
			}
			var ids []byte
			for _, k := range keys {
				ids = append(ids, k.ID)
			}
			if d := cmp.Diff(tt.ids, ids); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// TestReplaceKey goes through the steps and, after each, opens with the keys of
// the step before and of this one what either signs: functions read the secret at
// different times.
func TestReplaceKey(t *testing.T) {
	keys, err := config.ParseKeys([]byte(generated))
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name string
		do   func([]link.Key) ([]link.Key, error)
		ids  []byte
	}{
		{"add", addKey, []byte{1, 2}},
		{"promote", config.PromoteKey, []byte{2, 1}},
		{"drop", config.DropKeys, []byte{2}},
	}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			next, err := s.do(keys)
			if err != nil {
				t.Fatal(err)
			}
			if next[0].ID != s.ids[0] || len(next) != len(s.ids) {
				t.Errorf("keys are %d, first %d; want the ids %v", len(next), next[0].ID, s.ids)
			}
			opens(t, keys, next)
			opens(t, next, keys)
			if _, err := s.do(next); !errors.Is(err, config.ErrKeys) {
				t.Errorf("done twice: error is %v", err)
			}
			keys = next
		})
	}
}

// TestReplaceKeyAfter255 lets the id, one byte, begin anew.
func TestReplaceKeyAfter255(t *testing.T) {
	keys := []link.Key{{ID: 255, Secret: make([]byte, 32)}}
	for _, step := range []func([]link.Key) ([]link.Key, error){addKey, config.PromoteKey, config.DropKeys} {
		next, err := step(keys)
		if err != nil {
			t.Fatal(err)
		}
		keys = next
	}
	if keys[0].ID != 0 {
		t.Errorf("the key after 255 is %d, want 0", keys[0].ID)
	}
}

func TestAddKeyNeedsRandomness(t *testing.T) {
	keys := []link.Key{{ID: 1, Secret: make([]byte, 32)}}
	if _, err := config.AddKey(keys, strings.NewReader("short")); err == nil {
		t.Error("a key was made of five bytes")
	}
}

func addKey(keys []link.Key) ([]link.Key, error) {
	return config.AddKey(keys, bytes.NewReader(bytes.Repeat([]byte{7}, 32)))
}

// opens checks that what signer's first key signs, reader's keys open.
func opens(t *testing.T, signer, reader []link.Key) {
	t.Helper()
	s, err := link.NewSigner(signer...)
	if err != nil {
		t.Fatal(err)
	}
	r, err := link.NewSigner(reader...)
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	token, err := s.Sign(link.Link{
		Kind: link.Answer, Alert: id.NewSource(now, bytes.NewReader(make([]byte, 64))).New(), Expires: now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Parse(token); err != nil {
		t.Errorf("keys that begin with %d do not open what key %d signed", reader[0].ID, signer[0].ID)
	}
}
