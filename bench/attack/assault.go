package attack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// outcome is how one attempt ended.
type outcome struct {
	what   string
	breach bool
	// quiet: nothing was learned of the server, so the next attempt may wait a little.
	quiet bool
}

// assault is one attack under way. Each of its workers is a goroutine that makes
// one attempt after the other.
type assault struct {
	// Static after construction.
	order   Order
	what    Attack
	address string // host:port
	host    string // for the Host header
	target  string // path and query
	secure  bool
	sources []netip.Addr
	ctx     context.Context // ends with the attack
	begun   time.Time

	// Shared.
	attempts atomic.Uint64
	sent     atomic.Uint64
	dials    atomic.Uint64

	mu     sync.Mutex
	report Report // Guarded by mu.
}

func newAssault(o Order, what Attack) (*assault, error) {
	u, err := url.Parse(o.URL)
	if err != nil || (u.Scheme != "ws" && u.Scheme != "wss") || u.Host == "" {
		return nil, fmt.Errorf("%w: url %q: ws://host:port/path is needed, or wss://", ErrOrder, o.URL)
	}
	a := &assault{order: o, what: what, host: u.Host, address: u.Host, target: u.RequestURI(), secure: u.Scheme == "wss"}
	if what.TLS && !a.secure {
		return nil, fmt.Errorf("%w: %s needs a wss url", ErrOrder, what.Name)
	}
	if u.Port() == "" {
		a.address = net.JoinHostPort(u.Hostname(), map[bool]string{false: "80", true: "443"}[a.secure])
	}
	for _, s := range o.Sources {
		ip, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("%w: source: %w", ErrOrder, err)
		}
		a.sources = append(a.sources, ip)
	}
	if what.Few > 0 {
		last := min(what.Few*FewSources, len(a.sources))
		a.sources = a.sources[max(0, last-FewSources):last]
	}
	a.report.Ends, a.report.Breaches = map[string]uint64{}, map[string]uint64{}
	return a, nil
}

func (a *assault) play(ctx context.Context) *Report {
	a.ctx, a.begun = ctx, time.Now()
	var workers sync.WaitGroup
	for n := range a.order.Sockets {
		workers.Go(func() { a.work(n) })
	}
	workers.Wait()
	r := a.report
	r.Attempts, r.Sent = a.attempts.Load(), a.sent.Load()
	return &r
}

// work makes attempts until the attack is over.
func (a *assault) work(n int) {
	for a.ctx.Err() == nil {
		a.attempts.Add(1)
		begun := time.Now()
		o := a.what.attempt(a, n)
		a.note(o, time.Since(begun))
		if o.quiet {
			a.rest(20 * time.Millisecond)
		}
	}
}

// rest waits, at most until the attack is over, and says whether it goes on.
func (a *assault) rest(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-a.ctx.Done():
		return false
	}
}

func (a *assault) note(o outcome, took time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := &a.report
	r.Ends[o.what]++
	if o.breach {
		r.Breaches[o.what]++
	}
	if o.what == held && !a.what.holds && took > tooLong {
		r.Breaches[fmt.Sprintf("kept for more than %v", tooLong)]++
	}
	r.Longest = max(r.Longest, took)
}

// tooLong is from when on a server that keeps an attempt, which it should end at
// once, has not held.
const tooLong = 8 * time.Second

// What ends attempts beside statuses and close codes.
const (
	held     = "open at the end" // it lasted until the attack was over
	cut      = "cut"             // the server ended it without a word
	refused  = "refused"         // there was no connection
	noSocket = "no socket"       // this host had none
)

// failed is the outcome of an attempt whose dial did not succeed.
func (a *assault) failed(err error) outcome {
	switch {
	case a.ctx.Err() != nil:
		return outcome{what: held}
	case errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return outcome{what: noSocket, quiet: true}
	case errors.Is(err, unix.ECONNREFUSED):
		return outcome{what: refused, quiet: true}
	}
	return outcome{what: cut}
}

// dial opens a TCP connection, which is reset when the attack is over.
func (a *assault) dial() (*conn, error) {
	d := net.Dialer{KeepAlive: -1}
	if len(a.sources) > 0 {
		turn := a.dials.Add(1)
		d.LocalAddr = &net.TCPAddr{IP: a.sources[int(turn)%len(a.sources)].AsSlice()}
		// The port is chosen at connect, so that each source has all of its ports.
		d.Control = func(_, _ string, c syscall.RawConn) (err error) {
			wrong := c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
			})
			return errors.Join(wrong, err)
		}
	}
	raw, err := d.DialContext(a.ctx, "tcp", a.address)
	if err != nil {
		return nil, err
	}
	tcp := raw.(*net.TCPConn)
	// No port stays in TIME_WAIT for the next attempt.
	_ = tcp.SetLinger(0)
	c := &conn{Conn: raw, tcp: tcp, a: a, opened: make(chan struct{})}
	c.unwatch = context.AfterFunc(a.ctx, func() { _ = tcp.Close() })
	return c, nil
}

// channel is the target with a channel of this name, where channels are named.
func (a *assault) channel(name string) string {
	if a.order.Channel == "" {
		return a.target
	}
	sep := "?"
	if strings.Contains(a.target, sep) {
		sep = "&"
	}
	return a.target + sep + "channel=" + a.order.Channel + "-" + name
}
