package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"sluice/gateway/hub"
	"sluice/gateway/protocol"
)

// How many entries a list has at most: by itself, and when asked for more.
const (
	defaultLimit = 100
	maxLimit     = 10_000
)

// parameters are those of a call's query. What was not given is zero, and limit defaultLimit.
type parameters struct {
	channel, prefix, node string
	since                 hub.Position
	limit                 int
}

// readQuery reads a query that may have some parameters, strictly: what is unknown,
// or given twice, is refused. Where there may be a channel, there has to be one.
func readQuery(r *http.Request, names ...string) (q parameters, p *problem) {
	q.limit = defaultLimit
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, fail(invalidRequest, "the query is not well-formed")
	}
	for name, list := range values {
		switch {
		case len(list) > 1:
			return q, fail(invalidRequest, "the query has %s twice", quoted(name))
		case !slices.Contains(names, name):
			return q, fail(invalidRequest, "the query has the unknown parameter %s", quoted(name))
		}
		if p := q.set(name, list[0]); p != nil {
			return q, p
		}
	}
	if slices.Contains(names, "channel") && !values.Has("channel") {
		return q, fail(invalidRequest, `the query lacks "channel"`)
	}
	return q, nil
}

func (q *parameters) set(name, value string) *problem {
	switch name {
	case "channel":
		q.channel = value
	case "node":
		q.node = value
	case "prefix":
		q.prefix = value
	case "since":
		at, err := protocol.ParsePosition(value)
		if err != nil {
			return fail(invalidRequest, `"since" must be EPOCH:OFFSET, as an answer or a message gave it`)
		}
		q.since = hub.Position(at)
	case "limit":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > maxLimit {
			return fail(invalidRequest, `"limit" must be from 1 to %d`, maxLimit)
		}
		q.limit = n
	}
	return nil
}
