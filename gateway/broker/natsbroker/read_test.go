package natsbroker

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go"

	"sluice/gateway/broker"
)

// A history without a leader is to be asked for again; anything else is a defect.
func TestUnavailable(t *testing.T) {
	for _, tt := range []struct {
		err  error
		down bool
	}{
		{&apiError{Code: 503, Description: "JetStream system temporarily unavailable"}, true},
		{nats.ErrNoResponders, true},
		{errNoJetStream, true},
		{&apiError{Code: 400, Description: "bad request"}, false},
		{errors.New("no number"), false},
	} {
		if err := unavailable(tt.err); errors.Is(err, broker.ErrDown) != tt.down || !errors.Is(err, tt.err) {
			t.Errorf("%v: %v", tt.err, err)
		}
	}
}
