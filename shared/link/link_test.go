package link_test

import (
	"bytes"
	"errors"
	mathrand "math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/link"
)

func key(n byte) link.Key { return link.Key{ID: n, Secret: bytes.Repeat([]byte{n}, 32)} }

func newSigner(t *testing.T, keys ...link.Key) *link.Signer {
	t.Helper()
	s, err := link.NewSigner(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sample() link.Link {
	ids := id.NewSource(func() time.Time { return time.Unix(1_800_000_000, 0) }, mathrand.NewChaCha8([32]byte{1})) // the same in every process that fuzzes
	return link.Link{
		Kind: link.Answer, Alert: ids.New(), Class: "class-1-1", Family: ids.New(), Contact: ids.New(),
		Expires: time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC),
	}
}

func TestRoundTrip(t *testing.T) {
	s := newSigner(t, key(1))
	longest := sample()
	longest.Class = strings.Repeat("x", link.MaxClass)
	for name, want := range map[string]link.Link{
		"answer":        sample(),
		"read":          {Kind: link.Read, Alert: sample().Alert, Expires: sample().Expires},
		"longest class": longest,
	} {
		t.Run(name, func(t *testing.T) {
			token, err := s.Sign(want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Parse(token)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestPaths: the mails that are out lead to the same pages for good.
func TestPaths(t *testing.T) {
	for kind, want := range map[link.Kind]string{
		link.Answer: "/a/", link.Read: "/r/", link.Wait: "/register/wait/", link.Confirm: "/register/confirm/",
		link.Own: "/register/own/", link.Leave: "/register/leave/",
	} {
		if got := kind.Path(); got != want {
			t.Errorf("links of kind %d lead to %q, want %q", kind, got, want)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	s := newSigner(t, key(1))
	long, other := sample(), sample()
	long.Class = strings.Repeat("x", link.MaxClass+1)
	other.Contact = "somebody"
	for name, l := range map[string]link.Link{"class too long": long, "no identifier": other} {
		if _, err := s.Sign(l); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

// TestEveryChangeIsNoticed changes each character of a token to each other one.
func TestEveryChangeIsNoticed(t *testing.T) {
	s := newSigner(t, key(1))
	token, err := s.Sign(sample())
	if err != nil {
		t.Fatal(err)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range token {
		for _, c := range alphabet {
			forged := token[:i] + string(c) + token[i+1:]
			if _, err := s.Parse(forged); forged != token && !errors.Is(err, link.ErrInvalid) {
				t.Fatalf("character %d changed to %c: %v", i, c, err)
			}
		}
	}
	for _, forged := range []string{"", "x", token[:len(token)-1], token + "A", token + "=", token + "\n", strings.Repeat("A", 100_000)} {
		if _, err := s.Parse(forged); !errors.Is(err, link.ErrInvalid) {
			t.Errorf("Parse(%.20q...) = %v, want ErrInvalid", forged, err)
		}
	}
}

func TestKeysAreReplaced(t *testing.T) {
	before, after, later := newSigner(t, key(1)), newSigner(t, key(2), key(1)), newSigner(t, key(2))
	token, err := before.Sign(sample())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := after.Parse(token); err != nil {
		t.Errorf("a link of the old key, while that is accepted: %v", err)
	}
	if _, err := later.Parse(token); !errors.Is(err, link.ErrInvalid) {
		t.Errorf("a link of a key that is gone: %v, want ErrInvalid", err)
	}
}

// TestSignerOf has a Signer whose keys come late, change and go away.
func TestSignerOf(t *testing.T) {
	away := errors.New("away")
	keys, err := []link.Key(nil), away
	s := link.NewSignerOf(func() ([]link.Key, error) { return keys, err })
	if _, got := s.Sign(sample()); !errors.Is(got, away) {
		t.Errorf("Sign without keys: %v", got)
	}
	keys, err = []link.Key{key(1)}, nil
	token, got := s.Sign(sample())
	if got != nil {
		t.Fatal(got)
	}
	keys = []link.Key{key(2), key(1)}
	if _, got := s.Parse(token); got != nil {
		t.Errorf("Parse with a new key before the old one: %v", got)
	}
	token, got = s.Sign(sample())
	if got != nil {
		t.Fatal(got)
	}
	keys = []link.Key{key(2)}
	if _, got := s.Parse(token); got != nil {
		t.Errorf("what was signed after the keys were replaced is not of the new one: %v", got)
	}
	keys, err = nil, away
	if _, got := s.Parse(token); !errors.Is(got, away) || errors.Is(got, link.ErrInvalid) {
		t.Errorf("Parse without keys: %v", got)
	}
}

func TestNewSignerRefuses(t *testing.T) {
	for name, keys := range map[string][]link.Key{
		"no key":          nil,
		"short secret":    {{ID: 1, Secret: make([]byte, 31)}},
		"one id for both": {key(1), key(1)},
	} {
		if _, err := link.NewSigner(keys...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	s, err := link.NewSigner(key(1))
	if err != nil {
		f.Fatal(err)
	}
	token, err := s.Sign(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Fuzz(func(t *testing.T, in string) {
		if _, err := s.Parse(in); err == nil && in != token {
			t.Errorf("a token that was never signed was accepted: %q", in)
		}
	})
}
