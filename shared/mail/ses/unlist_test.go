package ses_test

import (
	"testing"

	"github.com/todoku/todoku/infra/drill/sesfake"
)

// TestUnlist: an address is taken off the list, and one that is not on it is no error.
func TestUnlist(t *testing.T) {
	s, fake := open(t, sesfake.Config{})
	fake.List("a.b@docomo.ne.jp")
	for range 2 {
		if err := s.Unlist(t.Context(), "a.b@docomo.ne.jp"); err != nil {
			t.Error(err)
		}
	}
	if fake.Listed("a.b@docomo.ne.jp") {
		t.Error("it is still on the list")
	}
}
