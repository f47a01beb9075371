package mail_test

import (
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/mail"
)

func TestWords(t *testing.T) {
	for _, tt := range []struct{ name, said, want string }{
		{"plain", "User unknown", "User unknown"},
		{"addresses", "<taro@docomo.ne.jp>... unknown: taro＠docomo", "(address) unknown: (address)"},
		{"known words", "Missing final '@domain' of taro@docomo", "Missing final '@domain' of (address)"},
		{"control and invisible characters", "a\x00b\x1b[31mc\u202ed\u200be\r\n\tf", "a b [31mc d e f"},
		{"not UTF-8", "a\xffb", "a?b"},
		{"as long as may be", strings.Repeat("長", mail.MaxWords), strings.Repeat("長", mail.MaxWords)},
		{"long", strings.Repeat("長", mail.MaxWords+1), strings.Repeat("長", mail.MaxWords-1) + "…"},
	} {
		if got := mail.Words(tt.said, "'@domain'"); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
