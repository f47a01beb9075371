package drill

import (
	"bytes"
	"cmp"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Browser opens pages as a person's does: with cookies, without scripts.
type Browser struct {
	testing.TB
	client *http.Client
	base   string
}

// NewBrowser returns a browser that has been nowhere yet.
func (d *Drill) NewBrowser() *Browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.Fatal(err)
	}
	return &Browser{TB: d.TB, client: &http.Client{Jar: jar}, base: d.URL}
}

// Open opens an address, or a path of the system.
func (b *Browser) Open(address string) *Page {
	b.Helper()
	return b.Do(http.MethodGet, address, nil)
}

// Do sends a request with further headers and without a body, and follows redirects.
func (b *Browser) Do(method, address string, header map[string]string) *Page {
	b.Helper()
	return b.send(method, address, nil, header)
}

func (b *Browser) send(method, address string, body io.Reader, header map[string]string) *Page {
	b.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.base + address
	}
	req, err := http.NewRequest(method, address, body)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Accept-Language", "ja")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	return newPage(b, res, raw)
}

// Page is a page in a browser.
type Page struct {
	*Browser
	Status int
	URL    *url.URL // where redirects led to
	Header http.Header
	Body   string
	root   *html.Node
}

func newPage(b *Browser, res *http.Response, body []byte) *Page {
	b.Helper()
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	return &Page{Browser: b, Status: res.StatusCode, URL: res.Request.URL, Header: res.Header, Body: string(body), root: root}
}

// Says fails unless the page has the status and shows the text.
func (p *Page) Says(status int, text string) *Page {
	p.Helper()
	if p.Status != status || !strings.Contains(p.Text(), text) {
		p.Fatalf("%s: status %d, not %d with %q:\n%s", p.URL.Path, p.Status, status, text, p.Text())
	}
	return p
}

// Text returns what can be read on the page.
func (p *Page) Text() string { return text(p.root) }

func text(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode && c.Parent.Data != "style" && c.Parent.Data != "script" {
			b.WriteString(c.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// Find returns the elements with a name and, unless it is "", a class.
func (p *Page) Find(name, class string) []*html.Node {
	var found []*html.Node
	for n := range p.root.Descendants() {
		if n.Type == html.ElementNode && n.Data == name && (class == "" || hasClass(n, class)) {
			found = append(found, n)
		}
	}
	return found
}

func hasClass(n *html.Node, class string) bool {
	return strings.Contains(" "+attr(n, "class")+" ", " "+class+" ")
}

func attr(n *html.Node, name string) string {
	v, _ := lookup(n, name)
	return v
}

func lookup(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// Form is a form on a page, as far as it is filled in.
type Form struct {
	*Page
	Values url.Values
	node   *html.Node
	file   []byte // of the form's one file field
	upload string // its name
}

// Form returns the form whose action is a path, or begins with it if there is none.
func (p *Page) Form(action string) *Form {
	p.Helper()
	all := p.Find("form", "")
	i := slices.IndexFunc(all, func(n *html.Node) bool { return attr(n, "action") == action })
	if i < 0 {
		i = slices.IndexFunc(all, func(n *html.Node) bool { return strings.HasPrefix(attr(n, "action"), action) })
	}
	if i >= 0 {
		f := &Form{Page: p, node: all[i], Values: url.Values{}}
		f.collect()
		return f
	}
	p.Fatalf("%s (%d) has no form to %s:\n%s", p.URL.Path, p.Status, action, p.Text())
	return nil
}

// collect takes over what the form holds when it is opened (HTML, "constructing
// the entry list").
func (f *Form) collect() {
	for n := range f.node.Descendants() {
		name := attr(n, "name")
		if n.Type != html.ElementNode || name == "" {
			continue
		}
		_, checked := lookup(n, "checked")
		switch {
		case n.Data == "textarea":
			f.Values.Add(name, strings.TrimPrefix(content(n), "\n"))
		case n.Data != "input":
		case attr(n, "type") == "radio" || attr(n, "type") == "checkbox":
			if checked {
				f.Values.Add(name, cmp.Or(attr(n, "value"), "on"))
			}
		case attr(n, "type") != "file":
			f.Values.Add(name, attr(n, "value"))
		}
	}
}

// content returns the text of an element as it stands.
func content(n *html.Node) string {
	if n.FirstChild == nil {
		return ""
	}
	return n.FirstChild.Data
}

// Set fills a field in.
func (f *Form) Set(name, value string) *Form {
	f.Values.Set(name, value)
	return f
}

// Attach chooses a file for the field "file".
func (f *Form) Attach(name string, file []byte) *Form {
	f.upload, f.file = name, file
	return f
}

// Press presses the button that shows the words, the first if they are "", and
// returns the page that it leads to.
func (f *Form) Press(words string) *Page {
	f.Helper()
	button := f.button(words)
	if name := attr(button, "name"); name != "" {
		f.Values.Set(name, attr(button, "value"))
	}
	action := cmp.Or(attr(button, "formaction"), attr(f.node, "action"))
	to, err := f.URL.Parse(action)
	if err != nil {
		f.Fatal(err)
	}
	body, contentType := f.encode()
	return f.send(http.MethodPost, to.String(), body, map[string]string{"Content-Type": contentType})
}

func (f *Form) button(words string) *html.Node {
	f.Helper()
	for n := range f.node.Descendants() {
		if n.Type == html.ElementNode && n.Data == "button" && strings.Contains(text(n), words) {
			return n
		}
	}
	f.Fatalf("%s has no button %q:\n%s", f.URL.Path, words, text(f.node))
	return nil
}

func (f *Form) encode() (io.Reader, string) {
	if attr(f.node, "enctype") != "multipart/form-data" {
		return strings.NewReader(f.Values.Encode()), "application/x-www-form-urlencoded"
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, values := range f.Values {
		for _, v := range values {
			if err := w.WriteField(name, v); err != nil {
				f.Fatal(err)
			}
		}
	}
	part, err := w.CreateFormFile("file", f.upload)
	if err != nil {
		f.Fatal(err)
	}
	_, _ = part.Write(f.file) // into memory
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	return &b, w.FormDataContentType()
}
