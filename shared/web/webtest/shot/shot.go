// Package shot takes pictures of pages with a real browser, on a small telephone,
// on a desktop and on a projector, for people to look at.
package shot

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Page is a page to take pictures of.
type Page struct {
	Name string // of the files
	Path string
	HTML string // if set, it is shown instead of what the handler answers
	// Print has a picture taken as it is printed, too: as wide as A4, in grey.
	Print bool
}

// screen is a size to take pictures at, in CSS pixels.
type screen struct {
	name          string
	width, height int64
	mobile        bool
}

var screens = []screen{{"phone", 360, 740, true}, {"desktop", 1280, 900, false}, {"projector", 1920, 1080, false}}

// Take writes PNG files of whole pages into dir; cookies go with every request. It fails
// if a page is wider than the screen.
func Take(t *testing.T, h http.Handler, dir string, cookies map[string]string, pages []Page) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	byPath := map[string]string{}
	for _, p := range pages {
		if p.HTML != "" {
			byPath[p.Path] = p.HTML
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if page, ok := byPath[r.URL.Path]; ok {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte(page))
			return
		}
		r.Header.Set("Accept-Language", "ja")
		for name, value := range cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	browser, end := start(t)
	defer end()
	for _, p := range pages {
		for _, s := range screens {
			take(t, browser, server.URL+p.Path, s, filepath.Join(dir, p.Name+"-"+s.name+".png"))
		}
		if p.Print {
			onPaper(t, browser, server.URL+p.Path, filepath.Join(dir, p.Name+"-print.png"))
		}
	}
}

func start(t *testing.T) (context.Context, func()) {
	t.Helper()
	// In a container the browser is root and has no user namespaces to sandbox with.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Flag("lang", "ja"))
	all, endAll := chromedp.NewExecAllocator(t.Context(), options...)
	browser, end := chromedp.NewContext(all)
	if err := chromedp.Do(browser); err != nil { // it lives as long as the context of its first use
		t.Fatal(err)
	}
	return browser, func() { end(); endAll() }
}

// patience is how long a page may take.
const patience = 30 * time.Second

func take(t *testing.T, browser context.Context, url string, s screen, file string) {
	t.Helper()
	browser, cancel := context.WithTimeout(browser, patience)
	defer cancel()
	var options []chromedp.EmulateViewportOption
	if s.mobile {
		options = append(options, chromedp.EmulateMobile)
	}
	err := chromedp.Do(browser,
		chromedp.EmulateViewport(s.width, s.height, options...),
		chromedp.Navigate(url),
		chromedp.WaitReady("main"),
	)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	width, err := chromedp.Run(browser, chromedp.Evaluate[int64]("document.documentElement.scrollWidth"))
	if err != nil || width > s.width {
		t.Errorf("%s is %d pixels wide, on a screen of %d: %v", url, width, s.width, err)
	}
	const lossless = 100
	picture, err := chromedp.Run(browser, chromedp.FullScreenshot(lossless))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, picture, 0o600); err != nil {
		t.Fatal(err)
	}
}

// a4 is the width of A4 less the margins of the style sheet, at 96 pixels an inch.
const a4 = 718

// onPaper takes a picture of a page as it is printed without colour.
func onPaper(t *testing.T, browser context.Context, url, file string) {
	t.Helper()
	const grey = `document.documentElement.style.filter = "grayscale(1)"; document.documentElement.scrollWidth`
	err := chromedp.Do(browser,
		chromedp.EmulateViewport(a4, 1000),
		chromedp.Navigate(url),
		chromedp.WaitReady("main"),
	)
	if err != nil {
		t.Fatal(err)
	}
	media := func(name string) {
		t.Helper()
		if _, err := chromedp.Call(browser, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: name}); err != nil {
			t.Fatal(err)
		}
	}
	media("print")
	defer media("")
	width, err := chromedp.Run(browser, chromedp.Evaluate[int64](grey))
	if err != nil || width > a4 {
		t.Errorf("%s is %d pixels wide on paper of %d: %v", url, width, a4, err)
	}
	const lossless = 100
	picture, err := chromedp.Run(browser, chromedp.FullScreenshot(lossless))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, picture, 0o600); err != nil {
		t.Fatal(err)
	}
}
