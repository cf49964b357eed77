package hub

// Conn is what the hub needs of a connection's socket. After Attach only the
// connection's shard calls Send and Finish, so that frames never interleave.
type Conn interface {
	// Send hands p to the kernel, or queues a copy of what the kernel does not
	// take; it never blocks and never keeps p. What it queues it announces to
	// Subscriber.Queue first, and reports to Subscriber.Wrote when it has left.
	Send(p []byte)
	// Finish says that no Send follows: once all queued bytes have left, the
	// writing side of the socket is shut down.
	Finish()
	// Abort ends the connection at once, in both directions. Any goroutine may call it.
	Abort()
	// RemoteAddr is the peer's address, "ip:port". It may cost a system call.
	RemoteAddr() string
}
