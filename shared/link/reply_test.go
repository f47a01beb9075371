package link_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/link"
)

func TestReplyAddress(t *testing.T) {
	const alert, family = "01knfzpn600000000000000000", "01knfzpn6000000000000000zz"
	s, err := link.NewSigner(link.Key{ID: 1, Secret: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	local, err := s.SignReply(alert, family)
	if err != nil || len(local) > 64 || !link.IsReply(local) {
		t.Fatalf("%q of %d characters, %v", local, len(local), err)
	}
	for _, as := range []string{local, strings.ToUpper(local)} {
		if a, f, err := s.ParseReply(as); a != alert || f != family || err != nil {
			t.Errorf("%q: %q, %q, %v", as, a, f, err)
		}
	}
	other, err := link.NewSigner(link.Key{ID: 1, Secret: append(make([]byte, 31), 1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := other.ParseReply(local); !errors.Is(err, link.ErrInvalid) {
		t.Errorf("with another key: %v", err)
	}
	for i := range local {
		for _, c := range "09av" {
			wrong := local[:i] + string(c) + local[i+1:]
			if _, _, err := s.ParseReply(wrong); wrong != local && err == nil && i < len(local)-1 { // the last one's bits are not all used
				t.Errorf("%q is taken for %q", wrong, local)
			}
		}
	}
	for _, wrong := range []string{"", "r", "012345678q", strings.Repeat("r", 62), "r" + strings.Repeat("@", 61)} {
		if _, _, err := s.ParseReply(wrong); !errors.Is(err, link.ErrInvalid) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
