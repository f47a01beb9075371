// Package browser tries Todoku out as people do: a whole machine with the demo
// school, and a real browser with a finger, a mouse or a keyboard.
//
// There is one browser process for all tests. Every person has a browser context
// of his or her own, so no cookie is shared; the machine's clock stands still
// until a test moves it, and so do the seconds that a page counts. Only what the
// browser itself counts, such as the time until a page looks for news, is real.
package browser

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/todoku/todoku/infra/drill/peers"
)

// browser is the one process. The first test that needs it starts it.
var browser struct {
	once sync.Once
	ctx  context.Context
	end  func()
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if browser.end != nil {
		browser.end()
	}
	os.Exit(code)
}

// start returns the browser's context. A machine without a browser skips the test
// by name, or fails it with STRICT=1.
func start(t testing.TB) context.Context {
	t.Helper()
	path := peers.Chromium(t)
	browser.once.Do(func() { browser.ctx, browser.end, browser.err = launch(path) })
	if browser.err != nil {
		t.Fatalf("the browser does not start: %v", browser.err)
	}
	return browser.ctx
}

// launch starts a browser that speaks Japanese, with a new profile.
func launch(path string) (context.Context, func(), error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // in a container it is root and has no user namespaces
		chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("lang", "ja"),
		chromedp.Flag("accept-lang", "ja"),
	)
	all, endAll := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(all)
	return ctx, func() { end(); endAll() }, chromedp.Do(ctx)
}
