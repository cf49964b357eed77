package hub

import (
	"testing"
	"testing/synctest"
	"time"
)

// When the link is down, clients are let in all the same, and get what they missed when it can be read.
func TestLetsInWithoutTheBroker(t *testing.T) {
	r, b := fleet(t)
	c, fresh := r.resume("k", Position{"e", 3}), r.resume("k", Position{})
	r.Caught("k", Past{}, ErrDown)
	r.want(c, "hello")
	r.want(fresh, "hello")
	late := r.resume("k", Position{"e", 4})
	r.want(late, "hello")
	b.wants(t, "want k true")
	r.Caught("k", Past{}, ErrBusy)
	r.Caught("k", pastOf(1, 5), nil)
	r.Deliver("k", delivery(6))
	r.want(c, "hello", "4", "5", "6")
	r.want(late, "hello", "5", "6")
	r.want(fresh, "hello", "gap k 5", "6")
}

// D2: who comes from a node that got a publication first waits until this one has it too, by
// whichever way it comes, and is told of nothing.
func TestEarly(t *testing.T) {
	r, b := fleet(t)
	here := r.resume("k", Position{})
	r.Caught("k", pastOf(1, 3), nil)
	b.wants(t, "want k true")
	five, four, six := r.resume("k", Position{"e", 5}), r.resume("k", Position{"e", 4}), r.resume("k", Position{"e", 6})
	gone := r.resume("k", Position{"e", 5})
	r.want(five, "hello")
	b.wants(t, "fetch k e:3 later true") // in case that nothing comes: once for all
	gone.close()
	r.Deliver("k", delivery(4))
	r.want(four, "hello")
	r.Deliver("k", delivery(5))
	r.want(four, "hello", "5")
	r.want(five, "hello")
	b.wants(t)
	r.Doubt("k")
	b.wants(t, "fetch k e:5 later false")
	seven := r.resume("k", Position{"e", 7}) // what is read was perhaps read before 7 was there
	r.Caught("k", Past{}, ErrDown)
	b.wants(t)
	r.Doubt("k")
	b.wants(t, "fetch k e:5 later false")
	late := r.resume("k", Position{"e", 7})
	r.Caught("k", pastOf(6, 6), nil)
	b.wants(t, "fetch k e:6 later true") // for the late one
	r.Doubt("k")
	r.Caught("k", pastOf(7, 8), nil)
	r.want(here, "hello", "4", "5", "6", "7", "8")
	r.want(four, "hello", "5", "6", "7", "8")
	r.want(five, "hello", "6", "7", "8")
	r.want(six, "hello", "7", "8")
	r.want(seven, "hello", "gone k 6", "7", "8") // it was asked for, and not there
	r.want(late, "hello", "8")
	r.want(gone, "hello")
	b.wants(t, "fetch k e:6 later false")
	for _, c := range []*fakeConn{here, four, five, six, seven, late} {
		c.close()
	}
	r.settled()
	b.wants(t, "want k false")
	if n := r.Stats().Channels; n != 0 {
		t.Errorf("%d channels are left", n)
	}
}

// What is published beside the history ends the wait: they get it, behind word of what may be missing before it.
func TestEarlyGetsWhatIsNotStored(t *testing.T) {
	r, _ := fleet(t)
	r.resume("k", Position{})
	r.Caught("k", pastOf(1, 3), nil)
	c := r.resume("k", Position{"e", 5})
	r.Deliver("k", Delivery{Publication: Publication{Payload: []byte("beside")}})
	r.Deliver("k", delivery(4))
	r.want(c, "hello", "gone k 3", "beside", "4")
}

// L5: who waits for a history that cannot be read is told in the end; each after its own time.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := fleet(t)
		defer r.Stop()
		a := r.resume("k", Position{"e", 3})
		r.Caught("k", Past{}, ErrDown)
		time.Sleep(patience / 2)
		b := r.resume("k", Position{"e", 4})
		time.Sleep(patience/2 - time.Nanosecond)
		synctest.Wait()
		r.want(a, "hello")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		r.want(a, "hello", "gone k 0")
		r.want(b, "hello")
		c := r.resume("k", Position{"e", 5})
		time.Sleep(patience / 2)
		synctest.Wait()
		r.want(b, "hello", "gone k 0")
		r.Caught("k", pastOf(1, 5), nil)
		r.want(c, "hello")
		d := r.resume("k", Position{"e", 6}) // while the timer for the one before still runs
		time.Sleep(patience - time.Nanosecond)
		synctest.Wait()
		r.want(d, "hello")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		r.want(d, "hello", "gone k 5")
	})
}
