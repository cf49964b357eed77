// Package gateway wires the parts of a Sluice node together and runs them.
package gateway

import (
	"context"
	"errors"

	"github.com/rs/zerolog"

	"sluice/gateway/config"
)

// Options are what a Gateway needs beside its configuration.
type Options struct {
	Log     zerolog.Logger
	Version string
}

// Gateway is one node.
type Gateway struct{}

// New builds a node and opens its listeners; nothing is served before Run.
func New(cfg *config.Config, o Options) (*Gateway, error) {
	return nil, errors.New("not wired yet")
}

// Run serves until ctx is done, then drains and stops.
func (g *Gateway) Run(ctx context.Context) error { return nil }

// Stop ends at once, without a drain (a second signal).
func (g *Gateway) Stop() error { return nil }

// Reload takes over what can be changed while running, all or nothing, and
// returns the keys whose change needs a restart.
func (g *Gateway) Reload(cfg *config.Config) (needRestart []string, err error) { return nil, nil }
