package gateway

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"sluice/gateway/config"
	"sluice/gateway/metrics"
	"sluice/gateway/ws"
)

// L5: clients stop reading while others do not. Under each policy what waits for
// them stays within the configured limits, they get what the policy promises
// when they read again, and the others get everything, as quickly as before.
func TestSlowConsumers(t *testing.T) {
	const (
		warm, loaded = 100, 400 // messages without and with slow clients; the kernel takes some 180 for each
		size         = 16 << 10
		frames       = 32
	)
	quick, slow := 10, 20
	if raceEnabled {
		quick, slow = 4, 8
	}
	for _, c := range []struct {
		name   string
		policy config.SlowConsumer
		budget config.Size
		drop   metrics.DropReason
		waits  int // frames that may wait for one client beyond its socket
	}{
		{"disconnect", config.Disconnect, 0, metrics.DropSlowDisconnect, frames},
		{"drop_oldest", config.DropOldest, 0, metrics.DropOldest, frames},
		{"latest", config.Latest, 0, metrics.DropLatest, 1},
		{"drop_oldest, small node", config.DropOldest, 2 * config.MiB, metrics.DropNodeQueue, frames},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Namespaces[0].SlowConsumer = c.policy
			cfg.Limits.WriteQueue = 64 * config.KiB
			cfg.Limits.OutboxFrames = frames
			cfg.Limits.NodeQueueBytes = c.budget
			cfg.Limits.CloseTimeout = config.Duration(time.Minute) // the slow ones read their farewell late
			cfg.Keepalive = config.Keepalive{}
			n := start(t, cfg)

			p := newPace(t, n, quick, size)
			before := p.run(t, warm)
			var sleepers []*sleeper
			for range slow {
				sleepers = append(sleepers, n.sleeper(t))
			}
			n.joined(t, "lobby", quick+slow)
			during := p.run(t, loaded)
			p.stop(t)

			perClient := int64(cfg.Limits.WriteQueue+cfg.Hub.BatchBytes) + int64(c.waits*(size+4))
			bound := int64(slow) * perClient
			if c.budget > 0 {
				bound = int64(c.budget) + int64(slow)*int64(cfg.Limits.WriteQueue+cfg.Hub.BatchBytes)
			}
			t.Logf("%d KiB waited at most, of %d; median %v before, %v with slow clients; %d dropped",
				p.queued>>10, bound>>10, before, during, n.drops(c.drop))
			if p.queued > bound {
				t.Errorf("%d bytes waited, the limits come to %d", p.queued, bound)
			}
			if n.drops(c.drop) == 0 {
				t.Errorf("nothing was dropped as %v", c.drop)
			}
			if during > 10*before+20*time.Millisecond {
				t.Errorf("the others' median went from %v to %v", before, during)
			}
			var wg sync.WaitGroup
			for _, s := range sleepers {
				wg.Go(func() { s.wake(t, c.policy == config.Disconnect, warm+loaded) })
			}
			wg.Wait()
			for _, s := range sleepers {
				_ = s.Close()
			}
			eventually(t, "the meter to come down to 0", func() bool { return n.hub.Stats().QueuedBytes == 0 })
		})
	}
}

// A pace publishes the next message when all quick clients have the last, so
// that only those that do not read are slow.
type pace struct {
	n      *node
	size   int
	got    chan error // a client has the message, or has failed
	quick  int
	next   uint64
	queued int64 // most that was seen waiting
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func newPace(t *testing.T, n *node, quick, size int) *pace {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context()) // each message has its patience, all of them have no bound
	p := &pace{n: n, size: size, got: make(chan error, quick), quick: quick, cancel: cancel}
	for range quick {
		c := n.dial(within(t), t, "/")
		p.wg.Go(func() {
			b := make([]byte, size)
			for want := uint64(0); ; want++ {
				_, m, err := c.Reader(ctx)
				if err == nil {
					_, err = io.ReadFull(m, b)
				}
				if err == nil {
					_, err = io.Copy(io.Discard, m) // to its end
				}
				if ctx.Err() != nil {
					return
				}
				if err == nil && binary.BigEndian.Uint64(b) != want {
					err = fmt.Errorf("message %d came where %d was due", binary.BigEndian.Uint64(b), want)
				}
				p.got <- err
				if err != nil {
					return
				}
			}
		})
	}
	n.joined(t, "lobby", quick)
	t.Cleanup(func() { cancel(); p.wg.Wait() })
	return p
}

// run publishes count messages and returns the median time until all quick clients had one.
func (p *pace) run(t *testing.T, count int) time.Duration {
	t.Helper()
	payload := make([]byte, p.size)
	times := make([]time.Duration, count)
	for i := range times {
		binary.BigEndian.PutUint64(payload, p.next)
		p.next++
		begin := time.Now()
		p.n.publish(t, "lobby", payload)
		for range p.quick {
			select {
			case err := <-p.got:
				if err != nil {
					t.Fatalf("a client that reads: %v", err)
				}
			case <-time.After(patience):
				t.Fatalf("message %d did not reach all who read", p.next-1)
			}
		}
		times[i] = time.Since(begin)
		p.queued = max(p.queued, p.n.hub.Stats().QueuedBytes)
	}
	slices.Sort(times)
	return times[count/2]
}

// stop lets the quick clients go.
func (p *pace) stop(t *testing.T) {
	t.Helper()
	p.cancel()
	p.wg.Wait()
}

// A sleeper is a client whose kernel takes little and who reads nothing until
// it wakes.
type sleeper struct {
	net.Conn
	in *bufio.Reader
}

func (n *node) sleeper(t *testing.T) *sleeper {
	t.Helper()
	return sleep(t, n.Addresses()[0])
}

func sleep(t *testing.T, address string) *sleeper {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, rc syscall.RawConn) error {
		var err error
		failed := rc.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
		})
		return errors.Join(failed, err)
	}}
	c, err := d.DialContext(within(t), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	c = secured(t, c)
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	if _, err := c.Write(ws.AppendUpgradeRequest(nil, "example.com", "/", key)); err != nil {
		t.Fatal(err)
	}
	s := &sleeper{c, bufio.NewReader(c)}
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\r\n" {
			return s
		}
	}
}

// wake reads what there is: each message once and in order, and in the end the
// newest, or, if it is to be disconnected, all from the first to the last
// before close code 1013.
func (s *sleeper) wake(t *testing.T, disconnected bool, total uint64) {
	if err := s.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Error(err)
		return
	}
	var p ws.Parser
	rules := ws.Rules{Client: true, MaxMessage: 1 << 20}
	buf := make([]byte, 64<<10)
	var last uint64
	for read := 0; ; {
		n, err := s.in.Read(buf)
		for b := buf[:n]; err == nil; {
			var m ws.Message
			if m, b, err = p.Next(&rules, b); err != nil || m.Opcode == 0 {
				break
			}
			if m.Opcode == ws.Close {
				if code, _, _ := ws.ParseClose(m.Payload); !disconnected || code != ws.TryAgainLater || read == 0 {
					t.Errorf("closed with %d after %d messages", code, read)
				}
				return
			}
			i := binary.BigEndian.Uint64(m.Payload)
			if read > 0 && (i <= last || disconnected && i != last+1) {
				t.Errorf("message %d came after %d", i, last)
				return
			}
			last = i
			read++
			if i == total-1 {
				if disconnected || read == int(total) {
					t.Errorf("a slow client got all messages to the last (%d)", read)
				}
				return
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			t.Errorf("after %d messages, the last %d of %d: %v", read, last, total, err)
			return
		}
	}
}
