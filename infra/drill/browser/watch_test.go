package browser

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// watch notes what the browser reports of a page since forget.
type watch struct {
	mu       sync.Mutex
	asked    map[network.RequestID]string // addresses, of all requests
	own      map[network.RequestID]bool   // of those, what this document is made of
	open     map[network.RequestID]string // of those of this document, the addresses of those that are not through
	loader   cdp.LoaderID                 // of the document
	loaded   bool                         // the document is; what it asks for later is news
	bytes    float64                      // that came for this document, with their headers
	status   int64                        // of the document
	document string                       // its address
	trouble  []string
}

func (w *watch) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.own, w.open = map[network.RequestID]string{}, map[network.RequestID]bool{}, map[network.RequestID]string{}
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
	case *page.EventLifecycleEvent:
		w.loaded = w.loaded || e.Name == "load" && e.LoaderID == w.loader
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			w.status, w.document = e.Response.Status, e.Response.URL
		}
	case *network.EventLoadingFinished:
		if w.own[e.RequestID] {
			w.bytes += e.EncodedDataLength
		}
		delete(w.open, e.RequestID)
	case *network.EventLoadingFailed:
		delete(w.open, e.RequestID)
	default:
		w.hearConsole(event)
	}
}

// hearRequest notes what the document asks for and waits for. What the one before it
// asked for at its end may come after it, and may never be told to be through.
func (w *watch) hearRequest(e *network.EventRequestWillBeSent) {
	if e.Type == network.ResourceTypeDocument && e.LoaderID != w.loader {
		w.loader, w.loaded, w.bytes = e.LoaderID, false, 0
		clear(w.own)
		clear(w.open)
	}
	if e.LoaderID == w.loader && !w.loaded {
		w.own[e.RequestID] = true
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

// TestWatch has what a page asked for at its end come after the next one was asked for,
// as a list that keeps itself up to date does, and has the next one look for news, which
// is no part of what it costs to open it.
func TestWatch(t *testing.T) {
	var w watch
	document := func(id network.RequestID, loader cdp.LoaderID) {
		w.hear(&network.EventRequestWillBeSent{RequestID: id, LoaderID: loader, Type: network.ResourceTypeDocument, Request: &network.Request{}})
	}
	part := func(id network.RequestID, loader cdp.LoaderID) {
		w.hear(&network.EventRequestWillBeSent{RequestID: id, LoaderID: loader, Type: network.ResourceTypeFetch, Request: &network.Request{}})
	}
	came := func(id network.RequestID, kilobytes float64) {
		w.hear(&network.EventLoadingFinished{RequestID: id, EncodedDataLength: kilobytes * 1024})
	}
	w.forget()
	document("1", "one")
	part("1.1", "one")
	came("1", 30)
	w.forget()
	part("1.2", "one")
	came("1.1", 20)
	document("2", "two")
	part("2.1", "two")
	came("1.2", 20)
	came("2", 30)
	if w.kilobytes() != 30 || len(w.waiting()) != 1 {
		t.Errorf("%v KB came and %d requests are under way, not the 30 KB of the document and the part of it", w.kilobytes(), len(w.waiting()))
	}
	came("2.1", 5)
	if w.kilobytes() != 35 || len(w.waiting()) != 0 {
		t.Errorf("%v KB came and %d requests are under way, not 35 and none", w.kilobytes(), len(w.waiting()))
	}
	w.hear(&page.EventLifecycleEvent{LoaderID: "one", Name: "load"})
	part("2.2", "two")
	came("2.2", 5)
	w.hear(&page.EventLifecycleEvent{LoaderID: "two", Name: "load"})
	part("2.3", "two")
	if w.kilobytes() != 40 || len(w.waiting()) != 1 {
		t.Errorf("%v KB came and %d requests are under way, not 40 and one", w.kilobytes(), len(w.waiting()))
	}
	came("2.3", 20)
	if w.kilobytes() != 40 || len(w.waiting()) != 0 {
		t.Errorf("%v KB came with the news and %d requests are under way, not 40 and none", w.kilobytes(), len(w.waiting()))
	}
}
