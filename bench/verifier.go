package bench

// verifier opens payloads. A message comes once per subscriber, and nearly
// always whole and in the order in which others got it: so a payload is first
// compared with the copy of one whose checksum was right. That is as strict as
// the checksum, and several times cheaper.
type verifier struct {
	entries []verified // by publisher and sequence number; a power of two long
	next    int        // where the successor of the last message would be
}

type verified struct {
	stamp   stamp
	payload []byte // nil: none yet
}

// newVerifier keeps up to 256 payloads of size bytes, but no more than 4 MiB.
func newVerifier(size int) *verifier {
	n := 256
	for n > 16 && n*size > 4<<20 {
		n /= 2
	}
	return &verifier{entries: make([]verified, n)}
}

// open is openPayload.
//
// hot: once per received message.
func (v *verifier) open(p []byte) (stamp, bool) {
	if e := &v.entries[v.next]; string(e.payload) == string(p) && len(p) > 0 {
		v.next = (v.next + 1) & (len(v.entries) - 1)
		return e.stamp, true
	}
	return v.lookUp(p)
}

func (v *verifier) lookUp(p []byte) (stamp, bool) {
	if len(p) < minPayload {
		return stamp{}, false
	}
	id, _ := letters(p[16:32]) // a hint: what it leads to is compared as a whole
	at := int((id&seqMask + id>>seqBits*67) & uint64(len(v.entries)-1))
	e := &v.entries[at]
	if string(e.payload) != string(p) {
		s, ok := openPayload(p)
		if !ok {
			return stamp{}, false
		}
		e.stamp = s
		e.payload = append(e.payload[:0], p...)
	}
	v.next = (at + 1) & (len(v.entries) - 1)
	return e.stamp, true
}
