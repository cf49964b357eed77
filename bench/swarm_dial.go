package bench

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"golang.org/x/sys/unix"

	"sluice/gateway/ws"
)

// parseURL reads ws://host:port/path?query, or wss.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("bench: url: %w", err)
	}
	if u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "" {
		return nil, fmt.Errorf("bench: url %q: ws://host:port/path is needed, or wss://", raw)
	}
	return u, nil
}

// parseTarget is parseURL, and resolves the host.
func parseTarget(raw string) (target, error) {
	u, err := parseURL(raw)
	if err != nil {
		return target{}, err
	}
	t := target{host: u.Host, path: parseTemplate(requestURI(u))}
	port := "80"
	if u.Scheme == "wss" {
		port = "443"
		t.tls = &tls.Config{ServerName: u.Hostname()}
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), port)
	}
	addr, err := net.ResolveTCPAddr("tcp", host)
	if err != nil {
		return target{}, fmt.Errorf("bench: url: %w", err)
	}
	ip := addr.AddrPort().Addr()
	if !ip.IsValid() {
		return target{}, fmt.Errorf("bench: url %q: no host", raw)
	}
	t.addr, t.ip6 = sockaddr(ip, addr.Port), !ip.Unmap().Is4()
	return t, nil
}

// requestURI is the path and query of u, with the braces of blanks as they were.
func requestURI(u *url.URL) string {
	path := u.RequestURI()
	for _, b := range blanks[1:] {
		path = strings.ReplaceAll(path, url.PathEscape(b), b)
	}
	return path
}

// pathOf is what connection number n asks for.
func (t *target) pathOf(n, channel int) string {
	path := string(t.path.append(nil, n, channel, nil))
	if !t.query {
		return path
	}
	sep := "?"
	if strings.Contains(path, sep) {
		sep = "&"
	}
	return path + sep + "channel=" + channelName(channel)
}

// targetOf is the target of the connection with index i.
func (s *swarm) targetOf(i int) *target { return &s.targets[s.share.number(i)%len(s.targets)] }

// sourceOf is its local address, another one for each dial. Connections change
// the source when each target has had one, so that all pairs are used.
func (s *swarm) sourceOf(i int) unix.Sockaddr {
	turn := s.share.number(i)/len(s.targets) + int(s.conns[i].generation)
	return s.sources[turn%len(s.sources)]
}

// open begins to connect the connection with index i, which must be idle.
func (s *swarm) open(i int) error {
	c := &s.conns[i]
	t := s.targetOf(i)
	family := unix.AF_INET
	if t.ip6 {
		family = unix.AF_INET6
	}
	c.since = s.clock.now()
	delete(s.hungUp, i)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bench: socket: %w", err)
	}
	if err := s.connect(i, fd, t); err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("bench: connect: %w", err)
	}
	c.fd = int32(fd)
	s.become(c, connecting)
	// Edge-triggered: each wake-up is drained, and the kernel need not look at
	// the socket a second time in the next epoll_wait.
	ev := unix.EpollEvent{
		Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET,
		Fd:     int32(i), Pad: int32(c.generation),
	}
	if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		_ = unix.Close(fd)
		s.become(c, idle)
		return fmt.Errorf("bench: epoll: %w", err)
	}
	return nil
}

func (s *swarm) connect(i, fd int, t *target) error {
	if len(s.sources) > 0 {
		// The port is chosen at connect, per destination, so that each source
		// address has all of its ports for each target.
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return err
		}
		if err := unix.Bind(fd, s.sourceOf(i)); err != nil {
			return err
		}
	}
	if s.conns[i].noDelay {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return err
		}
	}
	if err := unix.Connect(fd, t.addr); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	return nil
}

// connected goes on once TCP stands: with TLS, or the upgrade request.
func (s *swarm) connected(i int) {
	c := &s.conns[i]
	code, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		s.drop(i, fmt.Errorf("bench: connect: %w", err))
		return
	}
	if config := s.targetOf(i).tls; config != nil {
		s.handshake(i, config)
		return
	}
	s.request(i)
}

// request asks for the upgrade.
func (s *swarm) request(i int) {
	t := s.targetOf(i)
	s.become(&s.conns[i], upgrading)
	s.scratch = appendRequest(s.scratch[:0], t.host, t.pathOf(s.share.number(i), s.channelOf(i)), s.key(i), s.headers)
	s.send(i, s.scratch)
}

// upgraded looks for the whole response in b; used is its length, 0 when more is needed.
func (s *swarm) upgraded(i int, b []byte, now int64) (used int) {
	used, err := parseResponse(b, s.key(i))
	if err != nil {
		if errors.Is(err, ws.ErrNotUpgraded) {
			err = &statusError{status: string(b[9:12]), err: err}
		}
		s.drop(i, err)
		return 0
	}
	if used > 0 {
		s.begin(i, now)
	}
	return used
}

// statusError is a response other than 101.
type statusError struct {
	status string // three digits
	err    error
}

func (e *statusError) Error() string { return fmt.Sprintf("%v: it answered with %s", e.err, e.status) }
func (e *statusError) Unwrap() error { return e.err }

// key is the Sec-WebSocket-Key of connection i: another one for each dial, and
// never stored.
func (s *swarm) key(i int) string {
	c := &s.conns[i]
	return websocketKey(uint64(s.share.number(i))*mix0+uint64(c.generation)*mix1, uint64(c.since)*mix3)
}
