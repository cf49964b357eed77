package bench

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// state is where a connection of the swarm is in its life.
type state uint8

const (
	idle       state = iota // no socket
	connecting              // TCP
	securing                // TLS
	upgrading               // the upgrade request was sent
	joining                 // it was accepted; what the dialect begins with is under way
	open
	closing // a close frame was sent
)

// conn is one client connection, 32 bytes. What only some need lies in cold.
type conn struct {
	fd         int32
	generation uint32 // tells late events of an earlier socket apart
	state      state
	noDelay    bool
	paused     bool   // nothing is read
	tight      bool   // with a receive buffer of swarm.tight bytes
	code       uint16 // of the close frame that came; 0: none
	heard      uint16 // joining: messages of the server so far
	since      int64  // when the dial began, CLOCK_MONOTONIC ns
	rest       *rest
}

// handler is told what happens to connections. All calls come from the loop,
// i is the connection's index, now the time after the system call that brought it.
type handler interface {
	// opened: the upgrade was accepted, and the dialect's join with it; that took
	// so many nanoseconds since the dial.
	opened(i int, now, took int64)
	// reading: what connection i has received follows, message by message.
	reading(i int)
	// message: a payload, by the plan's dialect: a whole text or binary message, or
	// what was found in one; p is dead when message returns.
	message(i int, p []byte, now int64)
	// again: what connection i has received is, byte for byte, all that the last
	// call of reading announced, and nothing but messages. It returns false to
	// get them one by one instead.
	again(i int, now int64) bool
	// closed: the socket is gone. was is the state that it was in; code that of
	// the close frame that came, 0 for none; err says why a dial failed.
	closed(i int, was state, code uint16, err error)
}

// swarm is many client connections on one epoll loop, driven by one goroutine
// that calls turn; nothing in it may be used by another.
type swarm struct {
	// Static after construction.
	clock   clock
	targets []target
	talk    *dialogue
	sources []unix.Sockaddr // local addresses, taken in turns; empty: the kernel chooses
	share   share           // which connections of the plan these are
	channel func(n int) int // the channel of connection number n; nil: there is one, 0
	headers []string        // "Name: value"
	tight   int             // SO_RCVBUF of connections that are tight
	epoll   int
	secured []*secure // by connection; nil where there is no TLS

	// Owned by the loop.
	handler handler // another one from a roll call on
	conns   []conn
	buffer  []byte // what recv writes to, shared by all
	cipher  []byte // what recv writes to, over TLS
	scratch []byte // frames being built
	last    []byte // what the last connection received, when it was nothing but whole messages
	events  []unix.EpollEvent
	free    []*rest
	hungUp  map[int]int64    // when the end of a paused connection was seen, by index
	count   [closing + 1]int // connections by state
	busy    bool             // the last turn had more news than it takes
	looked  int64            // when the sockets were last looked at, for gather
}

// target is one server address.
type target struct {
	addr unix.Sockaddr
	ip6  bool
	host string      // for the Host header
	tls  *tls.Config // nil: none
	path template
	// query: the path is followed by ?channel=NAME.
	query bool
}

const (
	readBuffer = 512 << 10
	maxFrame   = 16 << 20
	maxEvents  = 512 // per turn: bounds the time between two looks at the plan
)

func newSwarm(p *Plan, c clock, n int, h handler) (*swarm, error) {
	s := &swarm{
		clock:   c,
		handler: h,
		conns:   make([]conn, n),
		buffer:  make([]byte, readBuffer),
		events:  make([]unix.EpollEvent, maxEvents),
		talk:    newDialogue(&p.Dialect, p.Size),
	}
	s.count[idle] = n
	for _, u := range p.URLs {
		t, err := parseTarget(u)
		if err != nil {
			return nil, err
		}
		if err := s.trust(p, &t); err != nil {
			return nil, err
		}
		t.query = p.Channels > 0 && !p.Dialect.NoChannels && !t.path.has(channelBlank) && !s.talk.joins(channelBlank)
		s.targets = append(s.targets, t)
	}
	for _, a := range p.Sources {
		ip, err := netip.ParseAddr(a)
		if err != nil {
			return nil, fmt.Errorf("bench: source: %w", err)
		}
		s.sources = append(s.sources, sockaddr(ip, 0))
	}
	s.headers = append(s.headers, p.Headers...)
	if p.Subprotocol != "" {
		s.headers = append(s.headers, "Sec-WebSocket-Protocol: "+p.Subprotocol)
	}
	var err error
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("bench: epoll: %w", err)
	}
	return s, nil
}

func sockaddr(ip netip.Addr, port int) unix.Sockaddr {
	if ip = ip.Unmap(); ip.Is4() {
		return &unix.SockaddrInet4{Addr: ip.As4(), Port: port}
	}
	return &unix.SockaddrInet6{Addr: ip.As16(), Port: port}
}

// stop resets every connection at once, so that no port stays in TIME_WAIT for the next run.
func (s *swarm) stop() {
	for i := range s.conns {
		if c := &s.conns[i]; c.state != idle {
			s.abort(c)
			_ = unix.Close(int(c.fd))
			s.forget(i)
			s.become(c, idle)
		}
	}
	_ = unix.Close(s.epoll)
}

// become keeps the counts by state.
func (s *swarm) become(c *conn, to state) {
	s.count[c.state]--
	s.count[to]++
	c.state = to
}

// dialing is how many connections are on their way to be open.
func (s *swarm) dialing() int {
	n := 0
	for st := connecting; st < open; st++ {
		n += s.count[st]
	}
	return n
}

// drop closes the socket of connection i and tells the handler.
func (s *swarm) drop(i int, err error) {
	c := &s.conns[i]
	if c.state == idle {
		return
	}
	was, code := c.state, c.code
	_ = unix.Close(int(c.fd)) // also takes it out of the epoll set
	s.forget(i)
	s.release(c)
	c.generation++
	c.code, c.paused = 0, false
	s.become(c, idle)
	s.handler.closed(i, was, code, err)
}

// What ends a connection beside its socket's own errors.
var (
	errEnded   = errors.New("bench: the server ended the connection")
	errTooLong = errors.New("bench: the server sent a frame above 16 MiB")
	errMasked  = errors.New("bench: the server sent a masked frame")
	errCut     = errors.New("bench: the connection was reset on purpose")
	errTimeout = errors.New("bench: the handshake took too long")
)
