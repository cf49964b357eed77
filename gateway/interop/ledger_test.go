package interop

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/coder/websocket"
)

const (
	publishers = 3
	unset      = -1 // a ledger that takes the first number it sees as its start
	stop       = "stop"
)

// number is one publication: "publisher sequence filler". Publishers with an
// odd index send binary messages.
func number(publisher, seq, size int) (websocket.MessageType, []byte) {
	text := fmt.Appendf(nil, "%d %d ", publisher, seq)
	if missing := size - len(text); missing > 0 {
		text = append(text, strings.Repeat("sluice", missing/6+1)[:missing]...)
	}
	if publisher%2 == 1 {
		return websocket.MessageBinary, text
	}
	return websocket.MessageText, text
}

// A ledger is one reader's account of the publishers' messages. Owned by the
// reader's goroutine.
type ledger struct {
	next [publishers]int // the sequence number that comes next
	read int
}

func (l *ledger) unset() {
	for p := range l.next {
		l.next[p] = unset
	}
}

// take books one message; the error names what was lost, doubled or reordered.
func (l *ledger) take(kind websocket.MessageType, payload []byte) error {
	fields := bytes.SplitN(payload, []byte(" "), 3)
	if len(fields) != 3 {
		return fmt.Errorf("a message that nobody sent: %.40q", payload)
	}
	p, err1 := strconv.Atoi(string(fields[0]))
	seq, err2 := strconv.Atoi(string(fields[1]))
	if err1 != nil || err2 != nil || p < 0 || p >= publishers {
		return fmt.Errorf("a message that nobody sent: %.40q", payload)
	}
	wantKind, want := number(p, seq, len(payload))
	if kind != wantKind || !bytes.Equal(payload, want) {
		return fmt.Errorf("message %d of publisher %d came as %v %.60q", seq, p, kind, payload)
	}
	if l.next[p] == unset {
		l.next[p] = seq
	}
	if seq != l.next[p] {
		return fmt.Errorf("message %d of publisher %d came where %d was due", seq, p, l.next[p])
	}
	l.next[p]++
	l.read++
	return nil
}

// complete says whether each publisher's messages 0 to n-1 are all there.
func (l *ledger) complete(n int) bool {
	for _, next := range l.next {
		if next != n {
			return false
		}
	}
	return true
}
