package gateway

import "sluice/gateway/config"

// Reload takes over what can be changed while running, and returns the keys
// that changed with effect now, and those whose change needs a restart. cfg is
// valid, as config.Load returned it, so nothing here can fail half-way. The
// files of certificates are read again, too; their paths need a restart.
func (g *Gateway) Reload(cfg *config.Config) (live, needRestart []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	live, needRestart = config.Changes(g.cfg, cfg)
	merged := config.Reloaded(g.cfg, cfg)
	g.hub.Configure(hubSettings(merged))
	g.edge.Configure(edgeSettings(merged))
	g.limits.Store(sessionLimits(merged))
	if err := g.authorise(merged); err != nil { // config.Load has made the same keys and rules
		g.log.Error().Err(err).Msg("auth was not reloaded")
	}
	g.adapt()
	i := 0
	for _, l := range merged.Listeners {
		for _, ep := range l.Endpoints {
			g.endpoints[i].Origins.Store(origins(&ep))
			i++
		}
	}
	g.edge.ReloadTLS()
	g.cfg = merged
	return live, needRestart
}
