package queuetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/queue"
)

const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

func testLimits(t *testing.T, s Subject) {
	want := []queue.Message{
		{Group: "a", ID: "b", Body: "c"},
		{Group: strings.Repeat("g", queue.MaxIDBytes), ID: strings.Repeat("i", queue.MaxIDBytes), Body: "longest names"},
		{Group: punctuation, ID: punctuation, Body: "punctuation"},
		{Group: "large", ID: "ascii", Body: strings.Repeat("x", queue.MaxMessageBytes)},
		{Group: "large", ID: "kanji", Body: strings.Repeat("届", queue.MaxMessageBytes/3)},
		{Group: "large", ID: "text", Body: "tab\tline\nreturn\r\u0085\u2028\ufffd\U0001F4EE "},
	}
	var ids []string
	for _, m := range want {
		s.send(t, m)
		ids = append(ids, m.ID)
	}
	h := s.consume(t, succeed).awaitHandled(ids...)
	for _, m := range want {
		d := of(h.delivered, m.ID)[0]
		if diff := cmp.Diff(m, queue.Message{Group: d.group(), ID: d.id(), Body: d.Body}); diff != "" {
			t.Errorf("(-sent +delivered):\n%.300s", diff)
		}
	}
}

func testBeyondLimits(t *testing.T, s Subject) {
	good := queue.Message{Group: "g", ID: "good", Body: "good"}
	long := strings.Repeat("x", queue.MaxIDBytes+1)
	for name, bad := range map[string]queue.Message{
		"no group":          {ID: "i", Body: "x"},
		"no id":             {Group: "g", Body: "x"},
		"no body":           {Group: "g", ID: "i"},
		"long group":        {Group: long, ID: "i", Body: "x"},
		"long id":           {Group: "g", ID: long, Body: "x"},
		"space in group":    {Group: "g g", ID: "i", Body: "x"},
		"control in id":     {Group: "g", ID: "i\x00", Body: "x"},
		"kanji in group":    {Group: "組", ID: "i", Body: "x"},
		"long body":         {Group: "g", ID: "i", Body: strings.Repeat("x", queue.MaxMessageBytes+1)},
		"body not UTF-8":    {Group: "g", ID: "i", Body: "\xff"},
		"NUL in body":       {Group: "g", ID: "i", Body: "a\x00b"},
		"noncharacter body": {Group: "g", ID: "i", Body: "\uffff"},
	} {
		err := s.Send(t.Context(), good, bad)
		if !errors.Is(err, queue.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	last := queue.Message{Group: "g", ID: "last", Body: "x"}
	s.send(t, last)
	h := s.consume(t, succeed).awaitHandled("last")
	if slices.ContainsFunc(h.delivered, func(d delivery) bool { return d.id() != "last" }) {
		t.Errorf("something of a refused Send was accepted: %s", summary(h.delivered))
	}
}

func testSendNothing(t *testing.T, s Subject) {
	s.send(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Send(ended, queue.Message{Group: "g", ID: "i", Body: "x"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Send with a context that has ended: %v", err)
	}
	c := s.consume(t, succeed)
	time.Sleep(time.Second)
	if h := c.history(); len(h.delivered) > 0 {
		t.Errorf("delivered %s", summary(h.delivered))
	}
}
