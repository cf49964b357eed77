package api

import (
	"encoding/json"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"sluice/gateway/metrics"
)

type channelView struct {
	Channel     string `json:"channel"`
	Subscribers int    `json:"subscribers"`
}

type channelList struct {
	Channels  []channelView `json:"channels"`
	Total     int           `json:"total"`
	Truncated bool          `json:"truncated"`
}

// channels lists the channels that have subscribers on this node, by name.
func (s *Server) channels(r *http.Request) (any, *problem) {
	q, p := readQuery(r, "prefix", "limit")
	if p != nil {
		return nil, p
	}
	infos, total := s.options.Hub.Channels(q.prefix, q.limit)
	list := make([]channelView, len(infos))
	for i, c := range infos {
		list[i] = channelView{Channel: c.Name, Subscribers: c.Subscribers}
	}
	slices.SortFunc(list, func(a, b channelView) int { return strings.Compare(a.Channel, b.Channel) })
	return channelList{Channels: list, Total: total, Truncated: total > len(list)}, nil
}

type connectionView struct {
	Connection   string   `json:"connection"`
	RemoteAddr   string   `json:"remote_addr"`
	Channels     []string `json:"channels"`
	QueuedBytes  int      `json:"queued_bytes"`
	QueuedFrames int      `json:"queued_frames"`

	// What the client's token says; absent without one.
	User    string          `json:"user,omitempty"`
	Meta    json.RawMessage `json:"meta,omitempty"`
	Expires string          `json:"expires,omitempty"`
}

// identified is a connection that knows who its client is.
type identified interface {
	// Who is zero for a client without a token.
	Who() (user string, meta []byte, expires time.Time)
}

type connectionList struct {
	Connections []connectionView `json:"connections"`
	Total       int              `json:"total"`
	Truncated   bool             `json:"truncated"`
}

// connections lists open connections of this node, in no particular order.
func (s *Server) connections(r *http.Request) (any, *problem) {
	q, p := readQuery(r, "limit")
	if p != nil {
		return nil, p
	}
	infos := s.options.Hub.Connections(q.limit)
	list := make([]connectionView, len(infos))
	for i, c := range infos {
		list[i] = connectionView{
			Connection:   c.ID.String(),
			Channels:     c.Channels,
			QueuedBytes:  c.QueuedBytes,
			QueuedFrames: c.QueuedFrames,
		}
		if c.Channels == nil {
			list[i].Channels = []string{}
		}
		if c.Conn != nil {
			list[i].RemoteAddr = c.Conn.RemoteAddr()
		}
		if who, ok := c.Conn.(identified); ok {
			user, meta, expires := who.Who()
			list[i].User, list[i].Meta = user, meta
			if !expires.IsZero() {
				list[i].Expires = expires.UTC().Format(time.RFC3339)
			}
		}
	}
	// Connections come and go between the list and the count of all.
	total := s.options.Hub.Stats().Connections
	if len(list) < q.limit {
		total = len(list)
	}
	total = max(total, len(list))
	return connectionList{Connections: list, Total: total, Truncated: total > len(list)}, nil
}

type nodeView struct {
	Node           string    `json:"node"`
	Version        string    `json:"version"`
	GoVersion      string    `json:"go_version"`
	Started        time.Time `json:"started"`
	Uptime         float64   `json:"uptime_seconds"`
	Ready          bool      `json:"ready"`
	Why            string    `json:"why,omitempty"`
	Draining       bool      `json:"draining"`
	Connections    int       `json:"connections"`
	MaxConnections int       `json:"max_connections"`
	Channels       int       `json:"channels"`
	Shards         int       `json:"shards"`
	Inbox          int       `json:"inbox_publications"`
	QueuedBytes    int64     `json:"queued_bytes"`
	MessageSize    int       `json:"message_size"`
	Goroutines     int       `json:"goroutines"`
	RSSAnon        uint64    `json:"rss_anon_bytes"`

	// Nodes of the fleet; absent on a node alone.
	Nodes []Node `json:"nodes,omitempty"`
	// Unheard: the link to them is down.
	Unheard bool `json:"nodes_unheard,omitempty"`
}

// Node is one of a fleet, as it said itself within the last seconds.
type Node struct {
	Node           string    `json:"node"`
	Version        string    `json:"version"`
	Started        time.Time `json:"started"`
	Ready          bool      `json:"ready"`
	Why            string    `json:"why,omitempty"`
	Draining       bool      `json:"draining"`
	Connections    int       `json:"connections"`
	MaxConnections int       `json:"max_connections"`
	AcceptRate     int       `json:"accept_rate"`
	Connects       float64   `json:"connects"`
	Releasing      int       `json:"releasing"`
}

// info is this node at this moment.
func (s *Server) info(*http.Request) (any, *problem) {
	o := &s.options
	st := o.Hub.Stats()
	v := nodeView{
		Node:           o.Node,
		Version:        o.Version,
		GoVersion:      runtime.Version(),
		Started:        o.Started.UTC().Truncate(time.Second),
		Uptime:         time.Since(o.Started).Truncate(time.Millisecond).Seconds(),
		Draining:       o.Draining != nil && o.Draining(),
		Connections:    st.Connections,
		MaxConnections: o.MaxConnections,
		Channels:       st.Channels,
		Shards:         st.Shards,
		QueuedBytes:    st.QueuedBytes,
		MessageSize:    o.MessageSize(),
		Goroutines:     runtime.NumGoroutine(),
	}
	v.Ready, v.Why = o.Ready()
	for _, n := range st.InboxDepth {
		v.Inbox += n
	}
	v.RSSAnon, _ = metrics.AnonymousMemory()
	if o.Nodes != nil {
		v.Nodes, v.Unheard = o.Nodes()
	}
	return v, nil
}
