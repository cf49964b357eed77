package bench

// envelope finds payloads in what a server makes of them. A payload is size
// letters from a to p and nothing else, so a run of so many of them is one,
// whatever stands around it.
type envelope struct {
	// Static after construction.
	size int

	// What the last message had around its payload: the next one mostly has the same.
	head, tail []byte
}

// fewest letters in a row that are taken for a payload. A single wrong byte
// leaves half of the smallest one, which then is found, and found corrupt; no
// identifier that servers send has so many letters from a to p in a row.
const fewest = minPayload / 2

// known finds the payload in b where the last message had it; nil when there is
// anything else around it.
//
// hot: once per received message.
func (e *envelope) known(b []byte) []byte {
	end := len(e.head) + e.size
	if len(b) != end+len(e.tail) || string(b[:len(e.head)]) != string(e.head) || string(b[end:]) != string(e.tail) {
		return nil
	}
	return b[len(e.head):end]
}

// remember takes note of what stands around payload, a part of b.
func (e *envelope) remember(b []byte, from, to int) {
	e.head = append(e.head[:0], b[:from]...)
	e.tail = append(e.tail[:0], b[to:]...)
}

// find returns where the next payload at or behind from begins and ends. One
// whose length is not the plan's is found too: it is corrupt.
//
// Only each 24th byte is looked at until one is a letter.
func (e *envelope) find(b []byte, from int) (start, end int, found bool) {
	for i := from + fewest - 1; i < len(b); i += fewest {
		if !isLetter(b[i]) {
			continue
		}
		start, end = i, i+1
		for start > from && isLetter(b[start-1]) {
			start--
		}
		for end < len(b) && isLetter(b[end]) {
			end++
		}
		if end-start >= fewest {
			start, end = e.narrow(b, start, end)
			return start, end, true
		}
		i = end - 1
	}
	return 0, 0, false
}

// narrow finds the payload within a run of letters that is longer: other text
// of the server touches it.
func (e *envelope) narrow(b []byte, start, end int) (from, to int) {
	for i := start; end-start > e.size && i+e.size <= end; i++ {
		if _, ok := openPayload(b[i : i+e.size]); ok {
			return i, i + e.size
		}
	}
	return start, end
}

// isLetter: one that a payload is made of.
func isLetter(c byte) bool { return c-'a' < 16 }
