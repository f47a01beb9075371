package command

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/todoku/todoku/shared/lang"
)

// TestSaySystem: what the operating system refuses is said with what to do, in both languages.
func TestSaySystem(t *testing.T) {
	listen := func(why error) error {
		return &net.OpError{Op: "listen", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4zero, Port: 25}, Err: why}
	}
	for _, tt := range []struct {
		name   string
		err    error
		ja, en string
	}{
		{"port in use", fmt.Errorf("cannot listen: %w", listen(syscall.EADDRINUSE)), "0.0.0.0:25 は、ほかのプログラムが使っています", "Another program uses 0.0.0.0:25."},
		{"small port", errors.Join(listen(syscall.EACCES), nil), "0.0.0.0:25 で待ち受ける権限がありません", "There is no permission to listen on 0.0.0.0:25."},
		{"no colon", fmt.Errorf("cannot listen: %w", &net.OpError{Op: "listen", Net: "tcp", Err: &net.AddrError{Err: "missing port in address", Addr: "8080"}}), "「8080」は、待ち受けるアドレスとして読めません", `"8080" cannot be read as an address`},
		{"no file", &fs.PathError{Op: "open", Path: "lanes.json", Err: syscall.ENOENT}, "lanes.json がありません", "There is no lanes.json."},
		{"not for us", &fs.PathError{Op: "open", Path: "data", Err: syscall.EACCES}, "data を読み書きする権限がありません", "There is no permission for data."},
		{"full disk", &fs.PathError{Op: "write", Path: "data", Err: syscall.ENOSPC}, "ディスクがいっぱいです", "The disk is full."},
		{"anything else", errors.New("strange"), "strange", "strange"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if ja, en := say(tt.err, lang.JA), say(tt.err, lang.EN); !strings.HasPrefix(ja, tt.ja) || !strings.HasPrefix(en, tt.en) {
				t.Errorf("%q, %q", ja, en)
			}
		})
	}
}
