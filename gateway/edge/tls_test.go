package edge

import (
	"testing"

	"sluice/gateway/ws"
)

// A message goes round over TLS, in pieces of every size.
func TestTLSBroadcast(t *testing.T) {
	bothModes(t, func(t *testing.T, r *tlsRig) {
		r.start(t)
		a, b := r.dial(t), r.dial(t)
		r.tlsConns(t, 2)
		for _, size := range []int{0, 1, 125, 126, 16 << 10, 16<<10 + 1, 65535, 65536, 300_000, 1 << 20} {
			text := string(numbered(size, max(size, 8)))
			a.send(t, masked(ws.Binary, text))
			a.expect(t, ws.Binary, text)
			b.expect(t, ws.Binary, text)
		}
		b.send(t, closing(ws.NormalClosure))
		b.expectClose(t, ws.NormalClosure)
	})
}
