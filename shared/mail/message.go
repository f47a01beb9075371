package mail

import (
	"encoding/base64"
	"maps"
	"net/mail"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bytes returns the message as RFC 5322 writes it; see AppendTo.
func (m *Message) Bytes() ([]byte, error) {
	const overhead = 1500 // header fields, boundaries
	return m.AppendTo(make([]byte, 0, overhead+(len(m.Text)+len(m.HTML))*3/2))
}

// AppendTo appends the message as RFC 5322 writes it: lines of at most 998
// octets that end in CRLF, ASCII alone unless an address is not (RFC 6532), and
// a body in base64, so that no relay has a reason to rewrite it. The same
// message always gives the same bytes.
//
// It returns b unchanged and an error that wraps ErrInvalid if a field cannot be
// written; nothing of a field is ever dropped or altered to make it fit. The
// body is more forgiving, because a mail with one odd sign tells more than no
// mail: any line ending will do, and octets that are not UTF-8 become U+FFFD.
func (m *Message) AppendTo(b []byte) ([]byte, error) {
	if err := m.check(); err != nil {
		return b, err
	}
	w := builder{b: b, line: len(b)}
	m.header(&w)
	m.body(&w)
	return w.b, nil
}

func (m *Message) header(w *builder) {
	w.address("From", m.From)
	w.address("To", m.To)
	if m.ReplyTo.Address != "" {
		w.address("Reply-To", m.ReplyTo)
	}
	w.name("Subject")
	w.text(m.Subject, isPlainText)
	w.end()
	w.field("Date", m.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	w.field("Message-ID", "<", m.ID, "@", domain(m.From.Address), ">")
	// RFC 3834: vacation programs do not answer such a mail.
	w.field("Auto-Submitted", "auto-generated")
	if m.Unsubscribe != "" {
		w.field("List-Unsubscribe", "<", m.Unsubscribe, ">")
	}
	if m.OneClick {
		w.field("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
	}
	for _, name := range slices.Sorted(maps.Keys(m.Tags)) {
		w.name(TagHeader + name)
		w.fold(len(m.Tags[name]))
		w.put(m.Tags[name])
		w.end()
	}
	w.field("MIME-Version", "1.0")
}

// TagHeader begins the names of the header fields that carry Tags.
const TagHeader = "X-Todoku-"

func (m *Message) body(w *builder) {
	if m.HTML == "" {
		w.part("text/plain", m.Text)
		return
	}
	boundary := m.boundary()
	w.put("Content-Type: multipart/alternative;\r\n boundary=\"", boundary, "\"\r\n\r\n")
	w.put("--", boundary, "\r\n")
	w.part("text/plain", m.Text)
	w.put("--", boundary, "\r\n")
	w.part("text/html", m.HTML)
	w.put("--", boundary, "--\r\n")
}

// boundary needs no randomness: '=_' cannot stand at the beginning of a line of
// base64 (RFC 2045, 6.7 gives the idea), and a boundary has at most 70 octets.
func (m *Message) boundary() string { return "=_" + m.ID[:min(len(m.ID), 60)] }

// builder writes a message. It keeps where the current line began, to know when
// to fold.
type builder struct {
	b       []byte
	line    int
	scratch []byte
}

// lineGoal is the length after which a line is folded where it can be; RFC 2047
// asks for 76 in a line with an encoded word.
const lineGoal = 76

func (w *builder) put(parts ...string) {
	for _, p := range parts {
		w.b = append(w.b, p...)
	}
}

func (w *builder) name(name string) {
	w.line = len(w.b)
	w.put(name, ": ")
}

func (w *builder) end() { w.put("\r\n") }

func (w *builder) field(name string, value ...string) {
	w.name(name)
	w.put(value...)
	w.end()
}

// room returns how many octets the line has left before it should be folded.
func (w *builder) room() int { return lineGoal - (len(w.b) - w.line) }

// fold begins a continuation line if n octets have no room in this one. What was
// written last must be a space, which moves to the new line.
func (w *builder) fold(n int) {
	if n <= w.room() {
		return
	}
	w.b = w.b[:len(w.b)-1]
	w.put("\r\n ")
	w.line = len(w.b) - 1
}

func (w *builder) address(field string, a mail.Address) {
	w.name(field)
	if a.Name != "" {
		w.text(a.Name, isPhrase)
		w.put(" ")
		w.fold(len(a.Address) + 2)
	}
	w.put("<", a.Address, ">")
	w.end()
}

// text writes s as it is if plain says that it may stand so and it fits, else as
// encoded words (RFC 2047), one a line.
func (w *builder) text(s string, plain func(string) bool) {
	if len(s) <= w.room() && plain(s) {
		w.put(s)
		return
	}
	for first := true; s != "" || first; first = false {
		if !first {
			w.put(" ")
			w.fold(lineGoal)
		}
		s = w.word(s)
	}
}

const wordOpen, wordClose = "=?UTF-8?B?", "?="

// word writes as much of s as one encoded word holds on this line, whole
// characters only, and returns the rest.
func (w *builder) word(s string) string {
	room := (w.room() - len(wordOpen) - len(wordClose)) / 4 * 3
	n := min(room, len(s))
	for n > 0 && n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	w.put(wordOpen)
	w.b = base64.StdEncoding.AppendEncode(w.b, []byte(s[:n]))
	w.put(wordClose)
	return s[n:]
}

// part writes the fields and the body of one text.
func (w *builder) part(mediaType, s string) {
	w.put("Content-Type: ", mediaType, "; charset=utf-8\r\n",
		"Content-Transfer-Encoding: base64\r\n\r\n")
	w.scratch = appendCanonical(w.scratch[:0], s)
	w.base64(w.scratch)
}

// base64 writes s in lines of 76 octets (RFC 2045, 6.8).
func (w *builder) base64(s []byte) {
	const octets = 76 / 4 * 3
	for len(s) > 0 {
		n := min(octets, len(s))
		w.b = base64.StdEncoding.AppendEncode(w.b, s[:n])
		w.end()
		s = s[n:]
	}
}

// appendCanonical appends s as UTF-8 with every line ending as CRLF, the form
// that RFC 2045, 6.8 asks for before base64.
func appendCanonical(b []byte, s string) []byte {
	if strings.IndexByte(s, '\r') >= 0 {
		s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	b = slices.Grow(b, len(s)+strings.Count(s, "\n"))
	for rest := s; rest != ""; {
		var line string
		var ended bool
		line, rest, ended = strings.Cut(rest, "\n")
		b = append(b, line...)
		if ended {
			b = append(b, "\r\n"...)
		}
	}
	return b
}
