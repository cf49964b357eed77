//go:build browser

package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds one wait for the page.
const patience = 20 * time.Second

// A view is how a visitor looks at the page.
type view struct {
	width, height int64
	scheme        string // light or dark
}

// A tab is one page of a browser.
type tab struct {
	t    *testing.T
	ctx  context.Context
	host string // host:port that the page may talk to

	// Guarded by mu.
	mu       sync.Mutex
	requests int      // to host
	troubles []string // console errors, exceptions, requests to elsewhere
}

// open opens the page in a new tab.
func open(t *testing.T, browser context.Context, host, query string, v view) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, host: host}
	chromedp.ListenTarget(ctx, b.watch)
	b.do(
		network.Enable(),
		chromedp.EmulateViewport(v.width, v.height),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.scheme}}),
		chromedp.Navigate("http://"+host+"/"+query),
	)
	return b
}

// watch notes what a visitor would not want. It runs in chromedp's goroutine.
func (b *tab) watch(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.troubles = append(b.troubles, "exception: "+e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		b.troubles = append(b.troubles, fmt.Sprintf("console.%s: %v", e.Type, e.Args))
	case *log.EventEntryAdded:
		b.troubles = append(b.troubles, fmt.Sprintf("%s: %s", e.Entry.Level, e.Entry.Text))
	case *network.EventRequestWillBeSent:
		b.request(e.Request.URL)
	case *network.EventWebSocketCreated:
		b.request(e.URL)
	}
}

func (b *tab) request(address string) {
	u, err := url.Parse(address)
	switch {
	case err == nil && u.Scheme == "data":
	case err == nil && u.Host == b.host:
		b.requests++
	default:
		b.troubles = append(b.troubles, "request to "+address)
	}
}

// calm fails the test if anything went wrong in the tab so far.
func (b *tab) calm() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, trouble := range b.troubles {
		b.t.Error(trouble)
	}
	if b.requests < 3 { // the document, one channel, the statistics
		b.t.Errorf("saw %d requests: the watch does not work with this Chromium", b.requests)
	}
}

func (b *tab) do(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Run(b.ctx); err != nil { // attaches the tab under its own context
		b.t.Fatal(err)
	}
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// front brings the tab to the front: a hidden page is not drawn.
func (b *tab) front() {
	b.t.Helper()
	b.do(page.BringToFront())
}

// text is the value of a JavaScript expression, as text.
func (b *tab) text(expression string) string {
	b.t.Helper()
	var s string
	b.do(chromedp.Evaluate("String("+expression+")", &s))
	return s
}

// number is the value of a JavaScript expression; a promise is waited for.
func (b *tab) number(expression string) float64 {
	b.t.Helper()
	var f float64
	b.do(chromedp.Evaluate(expression, &f, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return f
}

// until waits for a JavaScript condition.
func (b *tab) until(condition string) {
	b.t.Helper()
	for end := time.Now().Add(patience); b.text("Boolean("+condition+")") != "true"; {
		if time.Now().After(end) {
			b.shoot("failed.png")
			b.t.Fatalf("in vain: %s\nthe page says: %s", condition, b.text("document.body.innerText"))
		}
		select {
		case <-b.ctx.Done():
			b.t.Fatal(b.ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// click clicks the middle of an element, as a mouse does. (chromedp's own
// Click wants to know all of the DOM, pseudo-elements newer than it included.)
func (b *tab) click(selector string) {
	b.t.Helper()
	b.front()
	var at []float64
	b.do(chromedp.Evaluate(fmt.Sprintf(`(() => {
		const el = document.querySelector(%q);
		el.scrollIntoView({ block: 'nearest' });
		const r = el.getBoundingClientRect();
		return [r.x + r.width / 2, r.y + r.height / 2];
	})()`, selector), &at))
	b.do(chromedp.MouseClickXY(at[0], at[1]))
}

// fill replaces what an input holds, and presses Enter if told to.
func (b *tab) fill(selector, text string, enter bool) {
	b.t.Helper()
	b.click(selector)
	b.do(chromedp.Evaluate(fmt.Sprintf(`document.querySelector(%q).select()`, selector), nil), input.InsertText(text))
	if enter {
		b.do(chromedp.KeyEvent("\r"))
	} else {
		b.do(chromedp.Evaluate(`document.activeElement.blur()`, nil))
	}
}

// shoot keeps a picture among the test's artifacts (go test -artifacts).
func (b *tab) shoot(name string) {
	b.t.Helper()
	b.front()
	var png []byte
	b.do(chromedp.CaptureScreenshot(&png))
	if err := os.WriteFile(filepath.Join(b.t.ArtifactDir(), name), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
