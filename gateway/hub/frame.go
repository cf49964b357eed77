package hub

// Frame is one encoded message, shared by everyone it goes to. It is immutable
// once it was posted, and is freed by the garbage collector when the last
// queue has let go of it.
type Frame struct {
	bytes  []byte
	except ID         // gets no copy; 0: everyone does
	also   []*channel // all channels of the publication, if more than one
	at     int64      // when it was published, in nanoseconds of the monotonic clock
	replay bool       // a piece of a replay, which does not age
	next   *Frame     // what comes behind it
}

// NewFrame makes a Frame of encoded bytes, which it keeps.
func NewFrame(encoded []byte) *Frame { return &Frame{bytes: encoded} }

// special frames are not for everyone in a run.
func (f *Frame) special() bool { return f.except != 0 || f.also != nil }
