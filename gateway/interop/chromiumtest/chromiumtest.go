// Package chromiumtest starts a headless Chromium for tests. It needs one on the PATH.
package chromiumtest

import (
	"context"
	"testing"

	"github.com/chromedp/chromedp"
)

// Launch starts a browser with a profile of its own, which lives until the test ends. Pages are opened in
// tabs: chromedp.NewContext of what it returns. Chromedp removes the profile, and not the test: the
// browser's last process may still write there when the test has ended.
func Launch(t testing.TB, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
	)
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), append(options, more...)...)
	t.Cleanup(cancel)
	// A Chromium newer than the protocol's Go types sends events that those do
	// not know; what a test relies on is checked where it relies on it.
	browser, cancel := chromedp.NewContext(allocator, chromedp.WithErrorf(func(string, ...any) {}))
	t.Cleanup(func() { _ = chromedp.Cancel(browser); cancel() })
	if err := chromedp.Run(browser); err != nil {
		t.Fatalf("%v: a chromium is needed on the PATH (make browser installs Debian's as root)", err)
	}
	return browser
}
