package web

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"time"
)

// Response is what a Handler answers with: a Page, JSON, Redirect, Bytes or
// Download. Everything that can fail is done before the first byte is written.
type Response interface {
	render(s *Site, r *http.Request) (rendered, error)
}

// Page is an HTML page in the language of the person.
type Page struct {
	Status   int         // 0: 200, or what the first of the page's Problems is in HTTP
	Header   http.Header // further fields of the answer; may be nil
	Template string      // file name, such as compose.html
	Data     Data
}

// JSON is a JSON document.
type JSON struct {
	Status int // 0: 200
	Header http.Header
	Value  any
}

// Redirect sends the person on by GET (303 See Other, RFC 9110 15.4.4).
type Redirect struct {
	To     string // a path of this site
	Header http.Header
}

// Bytes is a document that is ready.
type Bytes struct {
	Header http.Header
	Type   string // media type
	Body   []byte
}

// Download is a file for the person to keep. It is streamed: Write is called
// after the head of the answer has left, so what can be refused must be refused
// before. If Write fails the connection is cut, and no half file passes for a
// whole one.
type Download struct {
	Name  string // file name
	Type  string // media type
	Write func(w io.Writer) error
}

// Cookies returns a header that sets cookies.
func Cookies(cookies ...*http.Cookie) http.Header {
	h := http.Header{}
	for _, c := range cookies {
		h.Add("Set-Cookie", c.String())
	}
	return h
}

// RetryAfter returns a header that asks to come again later.
func RetryAfter(d time.Duration) http.Header {
	return http.Header{"Retry-After": {seconds(d)}}
}

// rendered is an answer that only needs to be written.
type rendered struct {
	status int
	header http.Header
	body   []byte
	stream func(w io.Writer) error
}

func (out rendered) write(w http.ResponseWriter, r *http.Request) error {
	for k, values := range out.header {
		w.Header()[k] = append(w.Header()[k][:0:0], values...)
	}
	w.WriteHeader(out.status)
	if r.Method == http.MethodHead {
		return nil
	}
	if out.stream != nil {
		return out.stream(w)
	}
	_, err := w.Write(out.body)
	return err
}

// head returns a copy of h with a content type.
func head(h http.Header, contentType string) http.Header {
	h = h.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Content-Type", contentType)
	return h
}

func status(code int) int {
	if code == 0 {
		return http.StatusOK
	}
	return code
}

func (p Page) render(s *Site, r *http.Request) (rendered, error) {
	b := p.Data.base()
	s.fill(b, r)
	body, err := s.execute(p.Template, p.Data)
	if err != nil {
		return rendered{}, err
	}
	h := head(p.Header, "text/html; charset=utf-8")
	h.Set("Content-Language", string(b.Lang))
	if c := languageCookie(r, s.cfg.Secure); c != nil {
		h.Add("Set-Cookie", c.String())
	}
	return rendered{status: p.status(b), header: h, body: body}, nil
}

func (p Page) status(b *Base) int {
	if p.Status == 0 && len(b.Problems) > 0 {
		return status(Status(b.Problems[0].Kind))
	}
	return status(p.Status)
}

func (s *Site) execute(name string, data Data) ([]byte, error) {
	parse, ok := s.pages[name]
	if !ok {
		return nil, errNoTemplate(name)
	}
	t, err := parse()
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	err = t.ExecuteTemplate(&buf, "layout", data)
	return buf.Bytes(), err
}

func (j JSON) render(*Site, *http.Request) (rendered, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // the type is never sniffed: see secure
	err := enc.Encode(j.Value)
	return rendered{status: status(j.Status), header: head(j.Header, "application/json"), body: buf.Bytes()}, err
}

func (d Redirect) render(*Site, *http.Request) (rendered, error) { //nolint:unparam // as Response wants it
	h := head(d.Header, "text/plain; charset=utf-8")
	h.Set("Location", d.To)
	return rendered{status: http.StatusSeeOther, header: h, body: []byte(d.To + "\n")}, nil
}

func (b Bytes) render(*Site, *http.Request) (rendered, error) { //nolint:unparam // as Response wants it
	return rendered{status: http.StatusOK, header: head(b.Header, b.Type), body: b.Body}, nil
}

func (d Download) render(*Site, *http.Request) (rendered, error) { //nolint:unparam // as Response wants it
	h := head(nil, d.Type)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": d.Name}))
	return rendered{status: http.StatusOK, header: h, stream: d.Write}, nil
}
