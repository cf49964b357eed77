package edge

import (
	"runtime"
	"testing"
	"weak"
)

// A connection that has ended is kept by nobody, not by nbio's list of calls
// either.
func TestClosedConnectionsAreForgotten(t *testing.T) {
	r := newRig().start(t)
	done := make(chan weak.Pointer[[1 << 16]byte])
	go func() {
		held := new([1 << 16]byte)
		w := weak.Make(held)
		r.engine.Async(func() { held[0] = 1; done <- w })
	}()
	w := <-done
	eventually(t, "what a call held to be free", func() bool {
		runtime.GC()
		return w.Value() == nil
	})
}
