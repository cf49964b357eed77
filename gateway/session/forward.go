package session

import (
	"sluice/gateway/hub"
	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

// Forwarded is what a client sent, on its way to backends.
type Forwarded struct {
	Connection hub.ID
	// User is "" without a token.
	User string
	// Channels that it joined.
	Channels []string
	Payload  []byte
	Binary   bool
}

// forward gives m to backends. A client whose message they cannot get is closed,
// so that it knows: the raw protocol has no other way to tell. False: it is.
func (s *Session) forward(adm *Admission, m ws.Message) bool {
	f := Forwarded{Connection: s.ID(), Channels: adm.Channels, Payload: m.Payload, Binary: m.Opcode == ws.Binary}
	if adm.id != nil {
		f.User = adm.id.User
	}
	if err := s.ep.Forward(&f); err != nil {
		s.ep.Cell.Drops[metrics.DropForward].Add(1)
		s.endFor(metrics.CloseForward)
		return false
	}
	return true
}
