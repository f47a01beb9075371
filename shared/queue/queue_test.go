package queue_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/queue"
)

func TestCheck(t *testing.T) {
	good := queue.Message{Group: "lane#1", ID: "id", Body: "secret"}
	for _, test := range []struct {
		name string
		msgs []queue.Message
		want string // "" if nothing is wrong
	}{
		{"none", nil, ""},
		{"good", []queue.Message{good, good}, ""},
		{"second is bad", []queue.Message{good, {Group: "lane#1", Body: "secret"}}, "message 1: id"},
		{"group", []queue.Message{{Group: "ａ", ID: "id", Body: "secret"}}, "message 0: group"},
		{"DEL", []queue.Message{{Group: "a\x7f", ID: "id", Body: "secret"}}, "message 0: group"},
		{"body", []queue.Message{{Group: "a", ID: "id", Body: "secret\x1b"}}, "message 0: body"},
	} {
		err := queue.Check(test.msgs...)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (!errors.Is(err, queue.ErrInvalid) || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, want ErrInvalid with %q", test.name, err, test.want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: the error holds the body", test.name)
		}
	}
}
