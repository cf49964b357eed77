package edge

import (
	"testing"
	"testing/synctest"
)

// T10: of the handshakes under way, no more compute at a time than there are places.
func TestHandshakesComputeInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		work := make(chan struct{}, 1)
		first, second := newRelay(100, work), newRelay(100, work)
		first.compute()
		computes := false
		go func() {
			second.compute()
			computes = true
			second.pause()
		}()
		synctest.Wait()
		if computes {
			t.Error("two compute in one place")
		}
		read := make(chan int)
		go func() { // it waits for the client, and the other one may go on
			n, _ := first.read(make([]byte, 10))
			read <- n
		}()
		synctest.Wait()
		if !computes {
			t.Error("a handshake that waits for its client keeps its place")
		}
		first.give([]byte("abc"))
		first.give([]byte("d"))
		if n := <-read; n != 4 && n != 3 {
			t.Errorf("%d bytes read", n)
		}
		first.pause()
		if len(work) != 0 {
			t.Errorf("%d places are taken by nobody", len(work))
		}
	})
}
