package smtp

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
)

// Limits of a reply. RFC 5321, 4.5.3.1.5 allows 512 octets a line; a relay may
// exceed that a little, and must not fill the memory.
const (
	maxReplyLines  = 128
	maxReplyOctets = 64 << 10
)

// reply is what a relay says to one command.
type reply struct {
	code int    // 0: not heard
	text string // lines separated by \n, without codes
}

func (r reply) good() bool    { return r.code/100 == 2 }
func (r reply) refused() bool { return r.code/100 == 4 || r.code/100 == 5 }

var errGarbage = errors.New("smtp: not a reply")

// readReply reads one reply. A line longer than the reader's buffer is cut.
func readReply(r *bufio.Reader) (reply, error) {
	var got reply
	octets := 0
	for range maxReplyLines {
		line, n, err := readLine(r, maxReplyOctets-octets)
		if err != nil {
			return reply{}, err
		}
		octets += n
		code, text, more, ok := parseLine(line)
		if !ok || got.code != 0 && code != got.code {
			return reply{}, errGarbage
		}
		if got.code != 0 {
			text = got.text + "\n" + text
		}
		got = reply{code, text}
		if !more {
			return got, nil
		}
	}
	return reply{}, errGarbage
}

// readLine returns a line without its end, at most as much of it as r buffers,
// and how many octets it had, which may be at most limit.
func readLine(r *bufio.Reader, limit int) (string, int, error) {
	line, err := r.ReadSlice('\n')
	n, kept := len(line), string(bytes.TrimRight(line, "\r\n"))
	for errors.Is(err, bufio.ErrBufferFull) && n <= limit {
		line, err = r.ReadSlice('\n')
		n += len(line)
	}
	if n > limit {
		return "", n, errGarbage
	}
	return kept, n, err
}

// parseLine splits "250-text": more is true for the hyphen.
func parseLine(line string) (code int, text string, more, ok bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' {
		return 0, "", false, false
	}
	for i := range 3 {
		if line[i] < '0' || line[i] > '9' {
			return 0, "", false, false
		}
		code = code*10 + int(line[i]-'0')
	}
	if len(line) == 3 {
		return code, "", false, true
	}
	return code, line[4:], line[3] == '-', line[3] == '-' || line[3] == ' '
}

// enhanced returns the RFC 3463 status code that begins the reply's text, and
// the text without it in each line. A relay that never promised
// ENHANCEDSTATUSCODES may still send them, so that is not asked.
func (r reply) enhanced() (status, text string) {
	lines := strings.Split(r.text, "\n")
	first, _, _ := strings.Cut(lines[0], " ")
	if !isStatus(first) || int(first[0]-'0') != r.code/100 {
		return "", r.text
	}
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], first)
	}
	return first, strings.Join(lines, "\n")
}

// isStatus reports whether s is class.subject.detail of RFC 3463, section 2.
func isStatus(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || len(parts[0]) != 1 {
		return false
	}
	for _, p := range parts {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}
