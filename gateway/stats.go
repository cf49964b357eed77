package gateway

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"sluice/gateway/hub"
	"sluice/gateway/protocol"
)

// nodeStats is what is published on the channel $stats once a second.
type nodeStats struct {
	Connections  int     `json:"connections"`
	Channels     int     `json:"channels"`
	Deliveries   float64 `json:"deliveries_per_second"`
	Publications float64 `json:"publications_per_second"`
	Uptime       int64   `json:"uptime_seconds"`
}

// measure takes the node's rates once a second, for the fleet, and publishes its
// figures while somebody listens.
func (g *Gateway) measure(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	last := time.Now()
	deliveries, publications := g.delivered(), g.published()
	handshakes := g.metrics.Edge().Handshakes.Load()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			seconds := now.Sub(last).Seconds()
			d, p, h := g.delivered(), g.published(), g.metrics.Edge().Handshakes.Load()
			g.connects.Store(math.Float64bits(float64(h-handshakes) / seconds))
			st := nodeStats{
				Deliveries:   float64(d-deliveries) / seconds,
				Publications: float64(p-publications) / seconds,
				Uptime:       int64(time.Since(g.started).Seconds()),
			}
			last, deliveries, publications, handshakes = now, d, p, h
			if g.hub.Subscribers(protocol.StatsChannel) == 0 {
				continue
			}
			s := g.hub.Stats()
			st.Connections, st.Channels = s.Connections, s.Channels
			text, err := json.Marshal(st)
			if err != nil {
				continue
			}
			_, _ = g.hub.Publish([]string{protocol.StatsChannel}, hub.Publication{Payload: text})
		}
	}
}

func (g *Gateway) delivered() (n uint64) {
	for i := range g.metrics.Shards() {
		n += g.metrics.Cell(i).Deliveries.Load()
	}
	return n
}

func (g *Gateway) published() (n uint64) {
	for i := range g.metrics.Shards() {
		n += g.metrics.Cell(i).Published.Load()
	}
	return n
}
