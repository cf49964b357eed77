package api

import (
	_ "embed" // the document is a file, so that tools can read it without a node
	"net/http"
)

// openapi is the OpenAPI 3.1 description of everything on this listener. A
// string: nobody can write to it.
//
//go:embed openapi.yaml
var openapi string

// document serves the description.
func document(w http.ResponseWriter, _ *http.Request) {
	// RFC 9512.
	w.Header().Set("Content-Type", "application/yaml")
	// A caller that left is net/http's business.
	_, _ = w.Write([]byte(openapi))
}
