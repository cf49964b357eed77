//go:build browser

package report

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
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"sluice/gateway/interop/chromiumtest"
)

// The page in a real browser: whole on a desk and on a phone, by day and by
// night, silent on the console, and asking nobody for anything. With SHOTS set,
// pictures of it go there.
func TestPageInABrowser(t *testing.T) {
	r := sample(t)
	path := filepath.Join(t.TempDir(), "report.html")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := HTML(f, Named{"before", r}, Named{"after", r}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	address := (&url.URL{Scheme: "file", Path: path}).String()
	browser := chromiumtest.Launch(t)
	paper := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{360, 1200} {
			t.Run(fmt.Sprintf("%s, %d wide", scheme, width), func(t *testing.T) {
				s := visit(t, browser, address, width, scheme)
				if s.Scroll > float64(width) {
					t.Errorf("the page is %v wide", s.Scroll)
				}
				if s.Pictures < 6 || s.Smallest < 140 {
					t.Errorf("%d pictures, the smallest %v high", s.Pictures, s.Smallest)
				}
				if s.Outside > 0 {
					t.Errorf("%d texts stick out of their pictures", s.Outside)
				}
				paper[scheme] = s.Paper
			})
		}
	}
	if paper["light"] == paper["dark"] {
		t.Errorf("the paper is %s by day and by night", paper["light"])
	}
}

// sight is what a visitor sees.
type sight struct {
	Scroll   float64 // width of what can be scrolled
	Pictures int
	Smallest float64 // height
	Outside  int
	Paper    string
}

const look = `(() => {
  const pictures = [...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect());
  let outside = 0;
  for (const svg of document.querySelectorAll('svg')) {
    const frame = svg.getBoundingClientRect();
    for (const text of svg.querySelectorAll('text')) {
      const box = text.getBoundingClientRect();
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1) outside++;
    }
  }
  return {
    Scroll: document.documentElement.scrollWidth, Pictures: pictures.length,
    Smallest: Math.min(...pictures.map(p => p.height)), Outside: outside,
    Paper: getComputedStyle(document.body).backgroundColor,
  };
})()`

func visit(t *testing.T, browser context.Context, address string, width int64, scheme string) (s sight) {
	t.Helper()
	tab, cancel := chromedp.NewContext(browser)
	defer cancel()
	var mu sync.Mutex
	requests := 0
	chromedp.ListenTarget(tab, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown, *runtime.EventConsoleAPICalled:
			t.Errorf("the console says %+v", e)
		case *log.EventEntryAdded:
			t.Errorf("the log says %s", e.Entry.Text)
		case *network.EventRequestWillBeSent:
			if requests++; e.Request.URL != address && e.Request.URL != "data:," {
				t.Errorf("a request to %s", e.Request.URL)
			}
		}
	})
	if err := chromedp.Run(tab); err != nil { // attaches the tab under its own context
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(tab, 30*time.Second)
	defer stop()
	var shot []byte
	err := chromedp.Run(ctx,
		network.Enable(), log.Enable(),
		chromedp.EmulateViewport(width, 900),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
		chromedp.Navigate(address),
		chromedp.Evaluate(look, &s),
		chromedp.FullScreenshot(&shot, 100),
	)
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("SHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("report-%s-%d.png", scheme, width)), shot, 0o644); err != nil {
			t.Error(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if requests == 0 {
		t.Error("not even the page was asked for: the watch does not work with this Chromium")
	}
	return s
}
