//go:build interop

package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"sluice/gateway/interop/chromiumtest"
)

// chromium starts a browser for all runs, where one of the chosen clients is
// one. It trusts the node's certificate, and that alone.
func chromium(t *testing.T, chosen []client, files certificates) context.Context {
	t.Helper()
	if !slices.ContainsFunc(chosen, func(c client) bool { return c.ecosystem == "browser" }) {
		return nil
	}
	return chromiumtest.Launch(t, chromedp.Flag("ignore-certificate-errors-spki-list", files.pin))
}

// pageScript runs the steps with the browser's own WebSocket and prints to the
// console, at last how it ended.
const pageScript = `
steps({
	url: location.origin.replace('http', 'ws') + '/',
	dial: (url) => new WebSocket(url),
	say: (object) => console.log(JSON.stringify(object)),
	extras: {},
}).then((ok) => console.log(JSON.stringify({ ask: ok ? 'passed' : 'failed' }))) && 0`

// page is the client that a page of the node's own origin is. It always offers permessage-deflate.
func page(ctx context.Context, r *run, _ string, say func(line)) error {
	script, err := os.ReadFile("clients/js/steps.js")
	if err != nil {
		return err
	}
	tab, cancel := chromedp.NewContext(r.browser)
	defer cancel()
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	lines := make(chan line)
	chromedp.ListenTarget(tab, func(event any) {
		if e, ok := event.(*runtime.EventConsoleAPICalled); ok {
			select {
			case lines <- console(e):
			case <-tab.Done():
			}
		}
	})
	begun := make(chan error, 1)
	go func() {
		begun <- chromedp.Run(tab, chromedp.Navigate(r.node.http+"/"), chromedp.Evaluate(string(script)+pageScript, nil))
	}()
	for {
		select {
		case l := <-lines:
			switch l.Ask {
			case "passed":
				return nil
			case "failed":
				return errors.New("a step failed")
			}
			say(l)
		case err := <-begun:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// console is what the page printed.
func console(e *runtime.EventConsoleAPICalled) (l line) {
	var text string
	if len(e.Args) == 1 && json.Unmarshal(e.Args[0].Value, &text) == nil && json.Unmarshal([]byte(text), &l) == nil {
		return l
	}
	return line{Step: "?", Detail: fmt.Sprintf("the page printed %v", e.Args)}
}
