package edge

import (
	"syscall"
	"unsafe"
)

// The system calls of the hot path. They never block (MSG_DONTWAIT), so they
// go to the kernel without telling Go's scheduler: with syscall.Write the
// runtime's monitor thread sees a goroutine that enters system calls all the
// time, stays at its shortest period and preempts the sender; that made a
// delivery cost 9.1 us instead of 6.0 at 1,000 subscribers. The price is that
// the processor is not given away meanwhile, so whoever calls them in a loop
// yields now and then.

// send writes what the kernel takes of p. An errno other than 0 comes with n = 0.
//
// hot: no allocation, no scheduler.
func send(fd int, p []byte) (n int, errno syscall.Errno) {
	r, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// receive reads what there is, up to len(p) bytes; 0 and no errno is the end of the stream.
//
// hot: no allocation, no scheduler.
func receive(fd int, p []byte) (n int, errno syscall.Errno) {
	r, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		syscall.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// accept4 accepts a connection, non-blocking, without asking for its address.
func accept4(listener int) (fd int, errno syscall.Errno) {
	r, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(listener), 0, 0,
		syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(r), 0
}
