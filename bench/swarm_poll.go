package bench

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// gather is how long to leave the sockets alone yet, so that no two looks at
// them are less than least apart. 0: look now.
func (s *swarm) gather(now int64, least time.Duration) time.Duration {
	if least == 0 || s.busy {
		return 0
	}
	if gap := s.looked + int64(least) - now; gap > 0 {
		return time.Duration(gap)
	}
	s.looked = now
	return 0
}

// turn waits at most timeout for news and handles what came, at most maxEvents
// connections of it.
func (s *swarm) turn(timeout time.Duration) error {
	if s.busy {
		timeout = 0 // the last turn left some behind
	}
	n, errno := s.wait(timeout)
	s.busy = n == len(s.events)
	if errno != 0 && !again(errno) {
		return fmt.Errorf("bench: epoll: %w", errno)
	}
	for k := range n {
		ev := &s.events[k]
		i := int(ev.Fd)
		c := &s.conns[i]
		if c.generation != uint32(ev.Pad) || c.state == idle {
			continue // of a socket that was closed in this turn
		}
		if c.state == connecting && ev.Events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
			s.connected(i)
		} else if ev.Events&unix.EPOLLOUT != 0 {
			s.writable(i)
		}
		if ev.Events&^unix.EPOLLOUT != 0 && c.generation == uint32(ev.Pad) && c.state > connecting {
			ended := ev.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
			if c.paused {
				s.unread(i, ended)
				continue
			}
			s.readable(i, ended)
		}
	}
	return nil
}

// wait is epoll_pwait2, whose timeout has nanoseconds. With timeout 0 Go's
// scheduler is not told, as the call does not block.
func (s *swarm) wait(timeout time.Duration) (int, unix.Errno) {
	ts := unix.NsecToTimespec(int64(max(timeout, 0)))
	var n uintptr
	var errno unix.Errno
	if timeout > 0 {
		n, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(s.epoll), uintptr(unsafe.Pointer(&s.events[0])),
			uintptr(len(s.events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
	} else {
		n, _, errno = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(s.epoll), uintptr(unsafe.Pointer(&s.events[0])),
			uintptr(len(s.events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
	}
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
