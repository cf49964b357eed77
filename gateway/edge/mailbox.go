package edge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// mailbox is how other goroutines hand connections to their poller: an eventfd
// in its epoll, and a list. What the poller owns is only ever touched there.
type mailbox struct {
	// Static. The descriptor that is written to is our own: nbio closes the other
	// when it stops, and its number may be somebody else's then.
	fd, ring int

	// Guarded by mu.
	mu     sync.Mutex
	posted []*tlsConn
}

// openMailboxes gives each poller a mailbox. nbio gives a descriptor to the
// poller of its number, modulo how many there are.
func (e *Edge) openMailboxes() error {
	for i := range e.options.Pollers {
		fd, err := eventfd(i, e.options.Pollers)
		if err != nil {
			return fmt.Errorf("edge: mailbox of poller %d: %w", i, err)
		}
		ring, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			_ = syscall.Close(fd)
			return fmt.Errorf("edge: mailbox of poller %d: %w", i, err)
		}
		m := &mailbox{fd: fd, ring: ring}
		nc := e.layout.adopt(fd, nil)
		nc.SetSession(m)
		e.mailboxes = append(e.mailboxes, m)
		if _, err := e.engine.AddConn(nc); err != nil {
			return fmt.Errorf("edge: mailbox of poller %d: %w", i, err)
		}
	}
	return nil
}

// closeMailboxes is called when nothing is posted any more.
func (e *Edge) closeMailboxes() {
	for _, m := range e.mailboxes {
		_ = syscall.Close(m.ring)
	}
}

// eventfd opens one whose number is i modulo n.
func eventfd(i, n int) (int, error) {
	first, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return -1, err
	}
	if first%n == i {
		return first, nil
	}
	defer func() { _ = syscall.Close(first) }()
	for least := first + 1; ; least++ {
		if least%n != i {
			continue
		}
		fd, err := unix.FcntlInt(uintptr(first), unix.F_DUPFD_CLOEXEC, least)
		if err != nil || fd%n == i {
			return fd, err
		}
		_ = syscall.Close(fd) // least was taken
		least = fd
	}
}

// post gives t to its poller, which calls t.resume. Any goroutine may call it.
func (e *Edge) post(t *tlsConn) {
	m := e.mailboxes[t.nc.Hash()%len(e.mailboxes)]
	m.mu.Lock()
	m.posted = append(m.posted, t)
	first := len(m.posted) == 1
	m.mu.Unlock()
	if !first {
		return // the poller has not looked yet
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	for {
		if _, err := syscall.Write(m.ring, one[:]); !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

// collect is called on the poller's goroutine when something was posted.
func (e *Edge) collect(m *mailbox) {
	var count [8]byte
	_, _ = syscall.Read(m.fd, count[:])
	m.mu.Lock()
	list := m.posted
	m.posted = nil
	m.mu.Unlock()
	for _, t := range list {
		t.resume(e)
	}
}
