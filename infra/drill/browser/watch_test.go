package browser

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// watch notes what the browser reports of a page since forget.
type watch struct {
	mu       sync.Mutex
	asked    map[network.RequestID]string // addresses, of all requests
	open     map[network.RequestID]string // and of those of this document that are not through
	loader   cdp.LoaderID                 // of the document
	bytes    float64                      // that came, with their headers
	status   int64                        // of the document
	document string                       // its address
	trouble  []string
}

func (w *watch) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.open = map[network.RequestID]string{}, map[network.RequestID]string{}
	w.bytes, w.status, w.document, w.trouble = 0, 0, "", nil
}

// waiting returns what the page asked for that has not come.
func (w *watch) waiting() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Values(w.open))
}

// answered returns the status of the document.
func (w *watch) answered() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int(w.status)
}

// hear takes an event of the browser.
func (w *watch) hear(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked == nil {
		return // before the first page
	}
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		w.asked[e.RequestID] = e.Request.URL
		w.hearRequest(e)
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			w.status, w.document = e.Response.Status, e.Response.URL
		}
	case *network.EventLoadingFinished:
		w.bytes += e.EncodedDataLength
		delete(w.open, e.RequestID)
	case *network.EventLoadingFailed:
		delete(w.open, e.RequestID)
	default:
		w.hearConsole(event)
	}
}

// hearRequest notes what the document waits for. What the one before it asked for at its
// end may never be told to be through.
func (w *watch) hearRequest(e *network.EventRequestWillBeSent) {
	if e.Type == network.ResourceTypeDocument && e.LoaderID != w.loader {
		w.loader = e.LoaderID
		clear(w.open)
	}
	if e.Type != network.ResourceTypeOther && e.LoaderID == w.loader { // the icon, which nobody waits for
		w.open[e.RequestID] = e.Request.Method + " " + e.Request.URL
	}
}

// hearConsole notes errors and warnings. That a document has a status such as 404
// is for the test of the page to judge.
func (w *watch) hearConsole(event any) {
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Source == "network" && e.Entry.URL == w.document {
			return
		}
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			w.trouble = append(w.trouble, fmt.Sprintf("%s %s: %s", e.Entry.Source, e.Entry.Level, e.Entry.Text))
		}
	case *runtime.EventConsoleAPICalled:
		w.trouble = append(w.trouble, fmt.Sprintf("console.%s", e.Type))
	case *runtime.EventExceptionThrown:
		w.trouble = append(w.trouble, "exception: "+e.ExceptionDetails.Text)
	}
}

// kilobytes returns how much came over the line.
func (w *watch) kilobytes() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bytes / 1024
}

// maxPage is how much of a telephone's line a page may use: CSS, scripts and
// headers included, from an empty cache. Only the static files come compressed.
const maxPage = 50 << 10

// problems returns what a page did that none may do.
func (w *watch) problems(base string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := append([]string(nil), w.trouble...)
	if w.bytes >= maxPage {
		found = append(found, fmt.Sprintf("%.1f KB came over the line, the limit is %d", w.bytes/1024, maxPage>>10))
	}
	for _, address := range w.asked {
		if !strings.HasPrefix(address, base+"/") && !strings.HasPrefix(address, "data:") {
			found = append(found, "it asked another host: "+hostOf(address))
		}
	}
	return found
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Host
}
