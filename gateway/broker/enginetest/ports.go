package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
)

// Ports that no connection gets by itself: Linux takes those from 32768 on.
const firstPort, endPort = 12_000, 32_000

// FreeAddresses are n addresses of the loopback, host:port, on which nobody
// listens. Until the test ends they are not given to any other test, of this
// process or of another one, whether a server listens there at the moment or
// not: nobody answers there but whom the test starts.
func FreeAddresses(t testing.TB, n int) (list []string) {
	t.Helper()
	for tries := 0; len(list) < n; tries++ {
		port := firstPort + rand.IntN(endPort-firstPort)
		held, err := hold(port)
		if err != nil {
			if tries > 100*n {
				t.Fatal(err)
			}
			continue
		}
		t.Cleanup(func() { _ = syscall.Close(held) })
		list = append(list, fmt.Sprint("127.0.0.1:", port))
	}
	return list
}

// hold binds a socket to a port that no other socket is bound to. It does not
// listen, and allows others there from then on (SO_REUSEADDR), which is what
// servers ask for, and hold itself does not.
func hold(port int) (fd int, err error) {
	fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	err = syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if err == nil {
		err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	}
	if err != nil {
		return -1, errors.Join(os.NewSyscallError("bind", err), syscall.Close(fd))
	}
	return fd, nil
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}
