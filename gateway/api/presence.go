package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"sluice/gateway/hub"
)

// ErrNoPresence: the channel's namespace does not show who is there.
var ErrNoPresence = errors.New("api: the channel has no presence")

// Member is a subscriber of a channel.
type Member struct {
	Node string
	ID   hub.ID
	// User and Meta are what its token says; empty without one.
	User string
	Meta []byte
}

// Presence is who is subscribed to a channel.
type Presence struct {
	Members []Member
	// Total is how many there are.
	Total int
	// Missing are nodes that did not answer: there may be more on them.
	Missing []string
}

// maxMembers is how many members are looked at to count users.
const maxMembers = 100_000

type memberView struct {
	Node       string          `json:"node"`
	Connection string          `json:"connection"`
	User       string          `json:"user,omitempty"`
	Meta       json.RawMessage `json:"meta,omitempty"`
}

type presenceView struct {
	Channel   string       `json:"channel"`
	Members   []memberView `json:"members"`
	Total     int          `json:"total"`
	Truncated bool         `json:"truncated"`
	Missing   []string     `json:"missing,omitempty"`
}

type presenceStats struct {
	Channel     string   `json:"channel"`
	Connections int      `json:"connections"`
	Users       int      `json:"users"`
	Truncated   bool     `json:"truncated"`
	Missing     []string `json:"missing,omitempty"`
}

// presence lists who is subscribed to a channel.
func (s *Server) presence(r *http.Request) (any, *problem) {
	q, p := readQuery(r, "channel", "limit")
	if p != nil {
		return nil, p
	}
	who, p := s.present(r, q.channel, q.limit, true)
	if p != nil {
		return nil, p
	}
	v := presenceView{Channel: q.channel, Members: make([]memberView, len(who.Members)), Total: who.Total, Missing: who.Missing}
	for i, m := range who.Members {
		v.Members[i] = memberView{m.Node, m.ID.String(), m.User, m.Meta}
	}
	v.Truncated = v.Total > len(v.Members)
	return v, nil
}

// presenceStats counts them.
func (s *Server) presenceStats(r *http.Request) (any, *problem) {
	q, p := readQuery(r, "channel")
	if p != nil {
		return nil, p
	}
	who, p := s.present(r, q.channel, maxMembers, false)
	if p != nil {
		return nil, p
	}
	users := map[string]bool{}
	for _, m := range who.Members {
		if m.User != "" {
			users[m.User] = true
		}
	}
	return presenceStats{q.channel, who.Total, len(users), who.Total > len(who.Members), who.Missing}, nil
}

func (s *Server) present(r *http.Request, channel string, limit int, meta bool) (who Presence, p *problem) {
	if err := s.options.CheckChannel(channel); err != nil {
		return who, fail(invalidChannel, "channel %s: %v", quoted(channel), err)
	}
	who, err := s.options.Presence(r.Context(), channel, limit, meta)
	switch {
	case errors.Is(err, ErrNoPresence):
		return who, fail(noPresence, "channel %s: its namespace has no presence (namespaces[].presence)", quoted(channel))
	case errors.Is(err, hub.ErrDown):
		return who, fail(fleetDown, "the link to the broker is down, and the other nodes cannot be asked who is there")
	case err != nil:
		s.log.Error().Err(err).Msg("presence failed")
		return who, fail(internalError, "presence cannot be had; the node's log says why")
	}
	return who, nil
}
