package api

import "net/http"

type aliveView struct {
	Alive bool `json:"alive"`
}

// alive says that the process answers. It looks at nothing else: a node that
// drains, or is overloaded, must not be restarted for it.
func alive(*http.Request) (any, *problem) { return aliveView{true}, nil }

type readyView struct {
	Ready bool `json:"ready"`
}

// ready says whether a load balancer should send new clients.
func (s *Server) ready(*http.Request) (any, *problem) {
	ok, why := s.options.Ready()
	if !ok {
		return nil, fail(notReady, "%s", why)
	}
	return readyView{true}, nil
}
