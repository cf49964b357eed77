package edge

// records follows the records in a stream of TLS, to tell where one is complete:
// only then is it worth a handshake's while. Whoever sends one byte after the
// other costs no goroutine before its first record, and takes nobody's place.
type records struct {
	head  [recordHeader]byte
	n     int  // bytes of head
	left  int  // bytes of the body that are to come
	alien bool // what came is no record: all of it is for crypto/tls to refuse
}

// A record's header, and the most that may follow (RFC 8446 section 5.1 and 5.2;
// 1.2 allows more than 1.3).
const (
	recordHeader = 5
	maxRecord    = 16<<10 + 2048
)

// feed takes the next bytes, and says whether a record ends in them, or they are of none.
func (r *records) feed(b []byte) (whole bool) {
	for len(b) > 0 && !r.alien {
		if r.left > 0 {
			n := min(r.left, len(b))
			b = b[n:]
			if r.left -= n; r.left == 0 {
				whole = true
			}
			continue
		}
		n := copy(r.head[r.n:], b)
		b = b[n:]
		if r.n += n; !isRecord(r.head[0]) || r.n > 1 && r.head[1] != 3 {
			r.alien = true
			break
		}
		if r.n < recordHeader {
			break
		}
		r.n, r.left = 0, int(r.head[3])<<8|int(r.head[4])
		r.alien = r.left > maxRecord
		whole = whole || r.left == 0
	}
	return whole || r.alien
}

// isRecord knows the types of records: change_cipher_spec, alert, handshake, application_data.
func isRecord(kind byte) bool { return kind >= 20 && kind <= 23 }
