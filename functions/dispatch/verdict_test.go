package dispatch

import (
	"testing"
	"time"
)

func TestAgain(t *testing.T) {
	for _, tt := range []struct {
		words string
		tries int
		want  time.Duration
	}{
		{"mailbox full", 1, time.Minute},
		{"mailbox full", 9, 15 * time.Minute},
		{"Recipient address rejected: Greylisted", 1, 6 * time.Minute},
		{"graylisting in action", 3, 2 * time.Minute},
		{"Greylisted, please try again in 300 seconds", 1, 310 * time.Second},
		{"try again in 10 minutes", 2, 10*time.Minute + 10*time.Second},
		{"wait 1 second", 1, 30 * time.Second},
		{"come back after 500 minutes", 1, time.Hour},
	} {
		if got := again(tt.words, tt.tries); got != tt.want {
			t.Errorf("%q, try %d: after %v, want %v", tt.words, tt.tries, got, tt.want)
		}
	}
}
