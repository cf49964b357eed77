package gateway

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"sluice/gateway/broker"
	"sluice/gateway/config"
)

// CheckBroker connects to the broker beside the nodes once, as a node does, and says
// what it is; "": the configuration has none. The error is what would keep a node
// from its link, with what to do about it. Nothing is made or published there.
func CheckBroker(ctx context.Context, cfg *config.Config, log zerolog.Logger) (engine string, err error) {
	if cfg.Broker.Type == config.MemoryBroker || cfg.Broker.Embedded {
		return "", nil
	}
	bare := *cfg
	bare.Namespaces = nil // a link makes the streams of their histories
	engine = engineName(&cfg.Broker)
	link, err := newLink(&bare, "check", log)
	if err != nil {
		return engine, err
	}
	first := attempt{make(chan error, 1)}
	if err = link.Start(first); err == nil {
		select {
		case err = <-first.outcome:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	_ = link.Close(ctx) // there is nothing to be flushed
	if err != nil {
		err = fmt.Errorf("gateway: broker %s: %w", engine, err)
	}
	return engine, err
}

// attempt is a receiver that wants to know how the first attempt to connect ends, and no more.
type attempt struct{ outcome chan error }

func (a attempt) say(err error) {
	select {
	case a.outcome <- err:
	default: // a later one
	}
}

// Up implements broker.Receiver.
func (a attempt) Up() { a.say(nil) }

// Down implements broker.Receiver.
func (a attempt) Down(err error) { a.say(err) }

// Message implements broker.Receiver.
func (attempt) Message(string, []byte, broker.Position, uint64) {}

// Missing implements broker.Receiver.
func (attempt) Missing(string) {}

// Missed implements broker.Receiver.
func (attempt) Missed(string) {}

// Lost implements broker.Receiver.
func (attempt) Lost(string) {}

// Control implements broker.Receiver.
func (attempt) Control([]byte) {}
