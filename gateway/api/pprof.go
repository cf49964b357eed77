package api

import (
	"net/http"
	"net/http/pprof"
)

// profiles are Go's profiles, on routes of our own. Importing net/http/pprof
// also puts them into http.DefaultServeMux, which nothing here serves.
//
// A CPU profile or a trace may last as long as it is asked to; the write
// timeout begins after it.
func profiles() []route {
	get := func(path string, h http.HandlerFunc) route {
		return route{path: path, method: http.MethodGet, serve: func(w http.ResponseWriter, r *http.Request) {
			// The index is a page with inline style, and links.
			w.Header().Del("Content-Security-Policy")
			h(w, r)
		}}
	}
	return []route{
		get("/debug/pprof/", pprof.Index), // and /debug/pprof/heap and its like
		get("/debug/pprof/cmdline", pprof.Cmdline),
		get("/debug/pprof/profile", pprof.Profile),
		get("/debug/pprof/symbol", pprof.Symbol),
		get("/debug/pprof/trace", pprof.Trace),
	}
}
