package incoming

import (
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// header is the header of a mail or of one of its parts.
type header map[string][]string

func (h header) get(name string) string { return textproto.MIMEHeader(h).Get(name) }

// reader walks over the parts of a mail.
type reader struct {
	parts int
	plain string
	html  string
	found struct{ plain, html bool }
}

// result returns what the mail says.
func (r *reader) result() string {
	text := r.plain
	if strings.TrimSpace(text) == "" {
		text = strip(r.html)
	}
	return clip(tidy(text), MaxText)
}

// tidy ends lines in \n and drops the control characters of old.
func tidy(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r == '\uFFFE' || r == '\uFFFF' {
			return -1
		}
		return r
	}, s)
}

// part reads one part. What cannot be read counts as empty.
func (r *reader) part(h header, body io.Reader, depth int) {
	if r.parts++; r.parts > maxParts || depth > maxDepth {
		return
	}
	kind, params, err := mime.ParseMediaType(h.get("Content-Type"))
	if err != nil || h.get("Content-Type") == "" {
		kind, params = "text/plain", nil // RFC 2045, section 5.2
	}
	disposition, _, _ := strings.Cut(h.get("Content-Disposition"), ";")
	switch {
	case strings.EqualFold(strings.TrimSpace(disposition), "attachment"):
	case strings.HasPrefix(kind, "multipart/"):
		r.multi(multipart.NewReader(body, params["boundary"]), depth)
	case kind == "text/plain" && !r.found.plain:
		r.plain, r.found.plain = text(h, params, body), true
	case kind == "text/html" && !r.found.html:
		r.html, r.found.html = text(h, params, body), true
	}
}

func (r *reader) multi(parts *multipart.Reader, depth int) {
	for r.parts < maxParts && !(r.found.plain && r.found.html) {
		p, err := parts.NextRawPart()
		if err != nil {
			return
		}
		r.part(header(p.Header), p, depth+1)
	}
}

// text reads the text of a part, as much of it as could be wanted.
func text(h header, params map[string]string, body io.Reader) string {
	switch strings.ToLower(strings.TrimSpace(h.get("Content-Transfer-Encoding"))) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	const most = 4 * MaxText // markup, and charsets that take more
	raw, _ := io.ReadAll(io.LimitReader(body, most))
	for i := 0; len(raw) == most-i && i < utf8.UTFMax && !utf8.Valid(raw); i++ {
		raw = raw[:len(raw)-1] // the end of what was cut within a character
	}
	return decode(string(raw), params["charset"])
}

// strip returns the text of HTML: a line for each block, and nothing of what is not
// shown.
func strip(s string) string {
	var b strings.Builder
	hidden := 0
	for z := html.NewTokenizer(strings.NewReader(s)); ; {
		kind := z.Next()
		if kind == html.ErrorToken {
			return collapse(b.String())
		}
		name, _ := z.TagName()
		switch tag := string(name); {
		case kind == html.TextToken && hidden == 0:
			b.WriteString(strings.Join(strings.Fields(string(z.Text())), " "))
			b.WriteString(" ")
		case kind == html.StartTagToken && unseen[tag]:
			hidden++
		case kind == html.EndTagToken && unseen[tag]:
			hidden = max(hidden-1, 0)
		case block[tag]:
			b.WriteString("\n")
		}
	}
}

var (
	unseen = map[string]bool{"script": true, "style": true, "head": true, "title": true}
	block  = map[string]bool{"br": true, "p": true, "div": true, "tr": true, "li": true, "blockquote": true, "h1": true, "h2": true, "h3": true}
)

// collapse drops the blanks at the ends of lines, and empty lines beyond one.
func collapse(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		if line != "" || len(lines) > 0 && lines[len(lines)-1] != "" {
			lines = append(lines, line)
		}
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
