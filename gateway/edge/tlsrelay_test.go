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
		first.began = true
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
		first.give([]byte("\x16\x03\x01\x00\x02a"))
		first.give([]byte("b"))
		if n := <-read; n != 7 {
			t.Errorf("%d bytes read", n)
		}
		first.pause()
		if len(work) != 0 {
			t.Errorf("%d places are taken by nobody", len(work))
		}
	})
}

// T10, C1: a handshake is woken by whole records, wherever they are cut, and by what is none.
func TestWholeRecords(t *testing.T) {
	for _, row := range []struct {
		bytes string
		whole int // bytes up to the end of the first record, or to where it is known to be none; 0: there is none
	}{
		{"", 0},
		{"\x16\x03\x01\x00", 0},
		{"\x16\x03\x01\x00\x01", 0},
		{"\x16\x03\x01\x00\x01a", 6},
		{"\x16\x03\x01\x00\x02ab\x16\x03", 7},
		{"\x16\x03\x01\x00\x00", 5},
		{"GET / HTTP/1.1", 1},
		{"\x80\x2e\x01\x03\x01", 1}, // SSL 2
		{"\x16\x02\x01\x00\x01", 2},
		{"\x16\x03\x01\x48\x01", 5}, // longer than any record
		{"\x16\x03\x01\x48\x00", 0},
	} {
		var bytewise, all records
		first := 0
		for i := range len(row.bytes) {
			if bytewise.feed([]byte{row.bytes[i]}) && first == 0 {
				first = i + 1
			}
		}
		if whole := all.feed([]byte(row.bytes)); whole != (row.whole > 0) || first != row.whole {
			t.Errorf("%q: whole is %v, after %d bytes, not %d", row.bytes, whole, first, row.whole)
		}
	}
	var r records
	two := "\x16\x03\x01\x00\x03abc\x17\x03\x03\x00\x02de"
	if !r.feed([]byte(two[:10])) || r.feed([]byte(two[10:14])) || !r.feed([]byte(two[14:])) {
		t.Error("the second record, which came in two pieces with the first, is not seen")
	}
}
