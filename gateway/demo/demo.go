// Package demo is the page that a plain GET of an endpoint answers with: a
// small chat over the raw protocol with a live picture of the node.
//
// The sources are separate files for their readers; what is served is one
// HTML document that asks for nothing else. Its content security policy names
// the one script and the one style by hash, so that nothing else can run.
package demo

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"strings"
)

// ContentType is the media type of Page.
const ContentType = "text/html; charset=utf-8"

//go:embed page.html
var document string

//go:embed page.css
var style string

// The script's parts, in the order in which they build on each other.
var (
	//go:embed js/line.js
	line string
	//go:embed js/note.js
	note string
	//go:embed js/feed.js
	feed string
	//go:embed js/picture.js
	picture string
	//go:embed js/burst.js
	burst string
	//go:embed js/app.js
	app string
)

// Page returns the document. Each call assembles it anew and the caller owns
// the result, so a server calls it once and keeps it.
func Page() []byte {
	css := "\n" + style
	js := "\n" + strings.Join([]string{line, note, feed, picture, burst, app}, "\n")
	return []byte(strings.NewReplacer(
		"{{policy}}", policy(css, js),
		"{{style}}", css,
		"{{script}}", js,
	).Replace(document))
}

// policy allows the page's own script and style, the data: icon, and sockets.
// connect-src names ws: and wss: beside 'self', since browsers before CSP 3
// do not count a WebSocket to the page's own host as 'self'; with the script
// pinned by hash, the page's own code alone decides where it connects to.
func policy(css, js string) string {
	return strings.Join([]string{
		"default-src 'none'",
		"script-src '" + digest(js) + "'",
		"style-src '" + digest(css) + "'",
		"img-src data:",
		"connect-src 'self' ws: wss:",
		"base-uri 'none'",
		"form-action 'none'",
	}, "; ")
}

// digest is a CSP hash source: the hash covers every byte between the tags.
func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
