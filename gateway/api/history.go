package api

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"sluice/gateway/hub"
	"sluice/gateway/protocol"
)

const (
	// maxHistoryBytes is what the payloads of one answer come to, unless the first of them is larger.
	maxHistoryBytes = 4 << 20
	// maxHistories is how many histories are read at once.
	maxHistories = 4
)

// ErrNoHistory: the channel keeps none.
var ErrNoHistory = errors.New("api: no history is kept of the channel")

type keptView struct {
	Position string  `json:"position"`
	At       string  `json:"at"`
	Text     *string `json:"text,omitempty"`
	B64Data  *[]byte `json:"b64data,omitempty"`
}

type historyView struct {
	Channel      string     `json:"channel"`
	Publications []keptView `json:"publications"`
	Position     string     `json:"position"`
	Complete     bool       `json:"complete"`
	Truncated    bool       `json:"truncated"`
}

// history shows a piece of a channel's past.
func (s *Server) history(r *http.Request) (any, *problem) {
	q, p := readQuery(r, "channel", "since", "limit")
	if p != nil {
		return nil, p
	}
	if err := s.options.CheckChannel(q.channel); err != nil {
		return nil, fail(invalidChannel, "channel %s: %v", quoted(q.channel), err)
	}
	select {
	case s.histories <- struct{}{}:
		defer func() { <-s.histories }()
	default:
		return nil, fail(tooManyRequests, "%d histories are being read, which is the most at once", maxHistories)
	}
	past, err := s.options.History(r.Context(), q.channel, q.since, q.limit+1, maxHistoryBytes) // one more tells whether there is more
	switch {
	case errors.Is(err, ErrNoHistory):
		return nil, fail(noHistory, "channel %s: its namespace has no history (namespaces[].history)", quoted(q.channel))
	case errors.Is(err, hub.ErrDown), errors.Is(err, hub.ErrBusy):
		return nil, fail(fleetDown, "the history cannot be had now: %v", err)
	case err != nil:
		s.log.Error().Err(err).Msg("reading a history failed")
		return nil, fail(internalError, "the history could not be read; the node's log says why")
	}
	kept, whole, cut := window(past.Kept, q.limit, q.since.Epoch == "")
	v := historyView{
		Channel: q.channel, Publications: make([]keptView, len(kept)), Position: positionText(past.Top), Complete: past.Complete && whole, Truncated: cut,
	}
	for i := range kept {
		k := &kept[i]
		v.Publications[i] = keptView{Position: positionText(k.Position), At: k.At.UTC().Format(time.RFC3339Nano)}
		if k.Binary {
			v.Publications[i].B64Data = &k.Payload
		} else {
			text := string(k.Payload)
			v.Publications[i].Text = &text
		}
	}
	return v, nil
}

// window is at most limit of the publications, and at most maxHistoryBytes: the
// newest, or those that come first. whole: none is missing before the last of them, or
// behind it if that is the end. cut: there are more.
func window(all []hub.Kept, limit int, newest bool) (list []hub.Kept, whole, cut bool) {
	if newest {
		all = slices.Clone(all)
		slices.Reverse(all)
	}
	bytes, lacking := 0, false // since the last that is listed
	whole = true
	for _, k := range all {
		if k.Missing {
			lacking = true
			continue
		}
		bytes += len(k.Payload)
		if len(list) == limit || bytes > maxHistoryBytes && len(list) > 0 {
			cut = true
			break
		}
		list, whole, lacking = append(list, k), whole && !lacking, false
	}
	if newest {
		slices.Reverse(list)
	}
	return list, newest || whole && (cut || !lacking), cut
}

// positionText is a position as clients give it back, "" for none.
func positionText(at hub.Position) string {
	if at.Epoch == "" {
		return ""
	}
	return protocol.Position(at).String()
}
