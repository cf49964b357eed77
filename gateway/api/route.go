package api

import (
	"encoding/json"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxScrapes is how many scrapes of /metrics run at once; the next gets 503.
const maxScrapes = 4

// A route is one path of the admin listener.
type route struct {
	path   string // a trailing / takes what is below as well
	method string // HEAD goes where GET goes
	open   bool   // no key needed
	serve  http.HandlerFunc
}

// table is every path there is.
func (s *Server) table() []route {
	routes := []route{
		{path: "/api/publish", method: http.MethodPost, serve: s.command(s.publish, single)},
		{path: "/api/broadcast", method: http.MethodPost, serve: s.command(s.broadcast, single)},
		{path: "/api/batch", method: http.MethodPost, serve: s.command(s.batch, bulk)},
		{path: "/api/disconnect", method: http.MethodPost, serve: s.command(s.disconnect, single)},
		{path: "/api/revoke", method: http.MethodPost, serve: s.command(s.revoke, single)},
		{path: "/api/drain", method: http.MethodPost, serve: s.command(s.startDrain, single)},
		{path: "/api/drain", method: http.MethodGet, serve: s.query(s.drain)},
		{path: "/api/drain", method: http.MethodDelete, serve: s.query(s.abortDrain)},
		{path: "/api/channels", method: http.MethodGet, serve: s.query(s.channels)},
		{path: "/api/history", method: http.MethodGet, serve: s.query(s.history)},
		{path: "/api/presence", method: http.MethodGet, serve: s.query(s.presence)},
		{path: "/api/presence_stats", method: http.MethodGet, serve: s.query(s.presenceStats)},
		{path: "/api/connections", method: http.MethodGet, serve: s.query(s.connections)},
		{path: "/api/info", method: http.MethodGet, serve: s.query(s.info)},
		{path: "/api/openapi.yaml", method: http.MethodGet, serve: document},
		{path: "/healthz", method: http.MethodGet, open: true, serve: s.query(alive)},
		{path: "/readyz", method: http.MethodGet, open: true, serve: s.query(s.ready)},
		{path: "/metrics", method: http.MethodGet, serve: promhttp.HandlerFor(s.options.Metrics, promhttp.HandlerOpts{
			MaxRequestsInFlight: maxScrapes,
			Timeout:             writeTimeout / 2,
		}).ServeHTTP},
	}
	if s.options.Pprof {
		routes = append(routes, profiles()...)
	}
	return routes
}

// find is the route of a path and a method: exact ones first, then the longest
// above the path. One of another method is found when there is none of this; and
// allowed are the methods that the path has.
func (s *Server) find(path, method string) (found *route, allowed []string) {
	var above *route
	for i := range s.routes {
		rt := &s.routes[i]
		switch {
		case rt.path == path:
			if found == nil || rt.allows(method) {
				found = rt
			}
			allowed = append(allowed, rt.allowed()...)
		case strings.HasSuffix(rt.path, "/") && strings.HasPrefix(path, rt.path):
			above = rt
		}
	}
	if found == nil && above != nil {
		found, allowed = above, above.allowed()
	}
	return found, allowed
}

// Handler is everything the server answers, for tests and for listeners of
// one's own. A handler's panic is answered with 500, logged and counted.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w := &writer{ResponseWriter: rw}
		defer s.recovered(w, r)
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'")

		rt, allowed := s.find(r.URL.Path, r.Method)
		if rt == nil || !rt.open {
			// Before the 404, so that a stranger does not learn which paths exist.
			if p := s.guard.check(r); p != nil {
				refuse(w, p)
				return
			}
		}
		switch {
		case rt == nil:
			refuse(w, fail(notFound, "there is no %s; /api/openapi.yaml lists what there is", quoted(r.URL.Path)))
		case !rt.allows(r.Method):
			h.Set("Allow", strings.Join(allowed, ", "))
			refuse(w, fail(methodNotAllowed, "%s takes %s", rt.path, strings.Join(allowed, " or ")))
		default:
			rt.serve(w, r)
		}
	})
}

func (rt *route) allowed() []string {
	if rt.method == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{rt.method}
}

func (rt *route) allows(method string) bool { return slices.Contains(rt.allowed(), method) }

// recovered ends a handler that panicked: with an answer while there is none
// yet, else by cutting the connection, so that half an answer is not taken for
// a whole one.
func (s *Server) recovered(w *writer, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	s.options.Cell.Panics.Add(1)
	s.log.Error().Str("path", r.URL.Path).Interface("err", v).Bytes("stack", debug.Stack()).Msg("handler panicked")
	if w.began {
		panic(http.ErrAbortHandler)
	}
	refuse(w, fail(internalError, "the node failed to answer; its log says why"))
}

// writer knows whether the answer has begun.
type writer struct {
	http.ResponseWriter
	began bool
}

func (w *writer) WriteHeader(status int) {
	w.began = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(p []byte) (int, error) {
	w.began = true
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find the connection's deadlines.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// resultAnswer is the form of every success but that of a batch.
type resultAnswer struct {
	Result any `json:"result"`
}

// query makes a handler of a call without a body.
func (s *Server) query(call func(r *http.Request) (any, *problem)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		result, p := call(r)
		if p != nil {
			refuse(w, p)
			return
		}
		answer(w, http.StatusOK, resultAnswer{result})
	}
}

// command makes a handler of a call with a JSON body. The call gets the body
// until it returns, and returns the whole answer.
func (s *Server) command(call func(body []byte) (any, *problem), k kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, p := s.bodies.read(w, r, k, s.options.MessageSize())
		if p != nil {
			refuse(w, p)
			return
		}
		defer s.bodies.done(body, k)
		result, p := call(body.Bytes())
		if p != nil {
			refuse(w, p)
			return
		}
		answer(w, http.StatusOK, result)
	}
}

// refuse answers with a problem.
func refuse(w http.ResponseWriter, p *problem) {
	if wait := p.retryAfter(); wait != "" {
		w.Header().Set("Retry-After", wait)
	}
	if p.code == unauthorized {
		// RFC 9110 section 11.6.1 wants a challenge in every 401.
		w.Header().Set("WWW-Authenticate", `ApiKey realm="sluice"`)
	}
	answer(w, codes[p.code].status, errorAnswer{p.body()})
}

// answer writes v as JSON. v is a struct of this package, which always encodes.
func answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A caller that left is net/http's business.
	_, _ = w.Write(append(body, '\n'))
}
