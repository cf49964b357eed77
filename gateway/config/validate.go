package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// check reports what is wrong with the value of key. Others are keys that have
// a part in it: the problem is that of the first that was set, and the message
// has to name them. When the value of one of them could not be read, there is
// nothing to check.
func (l *loader) check(ok bool, key, message string, others ...string) {
	if ok {
		return
	}
	keys := append([]string{key}, others...)
	if slices.ContainsFunc(keys, l.isBroken) {
		return
	}
	key, at := l.where(keys...)
	l.report(at, key, message)
}

// isBroken says that the value of a key, of a section around it or of a key
// below it could not be read.
func (l *loader) isBroken(key string) bool {
	if l.partly[key] {
		return true
	}
	for k := key; k != ""; k = parent(k) {
		if l.broken[k] {
			return true
		}
	}
	return false
}

// between checks a number against its range, both ends included.
func between[N ~int | ~int64](l *loader, key string, n, low, high N) {
	l.check(n >= low && n <= high, key, fmt.Sprintf("must be %v to %v, not %v", low, high, n))
}

// zeroOr is between, where zero switches something off or leaves it to the node.
func zeroOr[N ~int | ~int64](l *loader, key string, n, low, high N) {
	l.check(n == 0 || n >= low && n <= high, key, fmt.Sprintf("must be 0 or %v to %v, not %v", low, high, n))
}

// The longest duration of any key, and the largest count.
const (
	day   = Duration(24 * time.Hour)
	large = 1_000_000
)

// maxElements bounds the lists whose elements are compared with each other.
const (
	maxElements = 1000
	tooMany     = "must have at most 1000 elements"
)

// validate checks the values, each by itself and against the others.
func (l *loader) validate() {
	c := l.config
	l.listeners(c)
	l.admin(c)
	l.namespaces(c)
	l.auth(c)
	l.broker(&c.Broker)

	between(l, "engine.pollers", c.Engine.Pollers, 0, 1024)
	between(l, "engine.read_buffer", c.Engine.ReadBuffer, KiB, 16*MiB)
	between(l, "engine.max_connections", c.Engine.MaxConnections, 0, 100*large)
	between(l, "engine.accept_rate", c.Engine.AcceptRate, 0, large)
	between(l, "engine.gomaxprocs", c.Engine.GOMAXPROCS, 0, 1024)
	zeroOr(l, "engine.memory_limit", c.Engine.MemoryLimit, 16*MiB, 1024*TiB)
	between(l, "engine.idle_release", c.Engine.IdleRelease, 0, day)
	between(l, "engine.timer_slack", c.Engine.TimerSlack, 0, Duration(100*time.Millisecond))

	between(l, "hub.shards", c.Hub.Shards, 0, 64)
	between(l, "hub.inbox", c.Hub.Inbox, 64, 1<<24)
	between(l, "hub.batch_bytes", c.Hub.BatchBytes, KiB, 16*MiB)
	between(l, "hub.slice", c.Hub.Slice, 1, large)

	l.limits(c)

	l.guard(c.Guard)

	zeroOr(l, "keepalive.ping_interval", c.Keepalive.PingInterval, Duration(time.Second), day)
	zeroOr(l, "keepalive.timeout", c.Keepalive.Timeout, Duration(time.Second), day)
	l.check(c.Keepalive.Timeout == 0 || c.Keepalive.Timeout > c.Keepalive.PingInterval,
		"keepalive.timeout", fmt.Sprintf("keepalive.timeout (%v) must be longer than keepalive.ping_interval (%v)",
			c.Keepalive.Timeout, c.Keepalive.PingInterval), "keepalive.ping_interval")

	between(l, "drain.delay", c.Drain.Delay, 0, day)
	between(l, "drain.period", c.Drain.Period, 0, day)
	between(l, "drain.max_rate", c.Drain.MaxRate, 0, large)
	between(l, "drain.retry_within", c.Drain.RetryWithin, 0, Duration(10*time.Minute))
	between(l, "drain.timeout", c.Drain.Timeout, Duration(time.Millisecond), 2*day)
	l.check(c.Drain.Delay+c.Drain.Period <= c.Drain.Timeout,
		"drain.timeout", fmt.Sprintf("drain.timeout (%v) must be at least drain.delay and drain.period together (%v)",
			c.Drain.Timeout, c.Drain.Delay+c.Drain.Period), "drain.period", "drain.delay")

	l.check(c.Rebalance.Above >= 0.01, "rebalance.above", "must be 0.01 to 1")
	between(l, "rebalance.after", c.Rebalance.After, Duration(time.Second), day)
	between(l, "rebalance.max_rate", c.Rebalance.MaxRate, 1, large)
	l.check(!c.Rebalance.Enabled || c.Broker.Type != MemoryBroker, "rebalance.enabled",
		"rebalance.enabled needs a fleet: with broker.type memory there are no other nodes", "broker.type")
}

// usualFragment is the least that a client is known to put in each fragment of
// a large message: gorilla/websocket's write buffer, if nobody sets another.
const usualFragment = 4 * KiB

func (l *loader) limits(c *Config) {
	n := c.Limits
	between(l, "limits.message_size", n.MessageSize, 1, GiB)
	between(l, "limits.fragments", n.Fragments, 1, large)
	if need := (n.MessageSize + usualFragment - 1) / usualFragment; Size(n.Fragments) < need {
		l.warn("limits.fragments", fmt.Sprintf("clients that put %v in each fragment, as some do, are closed with 1008 before they reach limits.message_size (%v): %d would do",
			usualFragment, n.MessageSize, need))
	}
	between(l, "limits.message_timeout", n.MessageTimeout, 0, Duration(time.Hour))
	between(l, "limits.handshake_timeout", n.HandshakeTimeout, Duration(10*time.Millisecond), Duration(10*time.Minute))
	between(l, "limits.close_timeout", n.CloseTimeout, Duration(10*time.Millisecond), Duration(10*time.Minute))
	between(l, "limits.header_bytes", n.HeaderBytes, 512, MiB)
	between(l, "limits.connections_per_address", n.ConnectionsPerAddress, 0, large)
	between(l, "limits.connects_per_address", n.ConnectsPerAddress, 0, large)
	between(l, "limits.failed_auths_per_address", n.FailedAuthsPerAddress, 0, large)
	between(l, "limits.messages_per_second", n.MessagesPerSecond, 0, large)
	between(l, "limits.bytes_per_second", n.BytesPerSecond, 0, GiB)
	between(l, "limits.control_frames_per_second", n.ControlFramesPerSecond, 0, 30_000)
	between(l, "limits.refreshes_per_minute", n.RefreshesPerMinute, 0, 255)
	between(l, "limits.subscriptions_per_connection", n.SubscriptionsPerConnection, 1, large)
	between(l, "limits.subscriptions_per_user", n.SubscriptionsPerUser, 0, 100*large)
	between(l, "limits.subscriptions", n.Subscriptions, 0, 1000*large)
	between(l, "limits.channel_name_bytes", n.ChannelNameBytes, 1, 4096)
	between(l, "limits.write_queue", n.WriteQueue, 4*KiB, GiB)
	between(l, "limits.outbox_frames", n.OutboxFrames, 1, large)
	zeroOr(l, "limits.outbox_bytes", n.OutboxBytes, 4*KiB, GiB)
	zeroOr(l, "limits.outbox_age", n.OutboxAge, Duration(time.Second), Duration(time.Hour))
	between(l, "limits.node_queue_bytes", n.NodeQueueBytes, 0, 1024*TiB)
	l.check(n.NodeQueueBytes == 0 || n.NodeQueueBytes >= n.WriteQueue,
		"limits.node_queue_bytes", fmt.Sprintf("limits.node_queue_bytes (%v) must be 0, or at least limits.write_queue (%v)",
			n.NodeQueueBytes, n.WriteQueue), "limits.write_queue")
}

// guard checks the shares: each step comes at the one before or above it.
func (l *loader) guard(g Guard) {
	l.check(g.SocketQueues == 0 || g.SocketQueues >= 0.01 && g.SocketQueues <= 1, "guard.socket_queues", fmt.Sprintf("must be 0 or 0.01 to 1, not %v", g.SocketQueues))
	steps := []struct {
		key string
		at  Share
	}{{"guard.stop_accepting", g.StopAccepting}, {"guard.shed_queues", g.ShedQueues}, {"guard.shed_newest", g.ShedNewest}}
	for i, s := range steps {
		l.check(s.at == 0 || s.at >= 0.1 && s.at <= 1, s.key, fmt.Sprintf("must be 0 or 0.1 to 1, not %v", s.at))
		for _, before := range steps[:i] {
			l.check(s.at == 0 || s.at >= before.at, s.key,
				fmt.Sprintf("%s (%v) must be at least %s (%v)", s.key, s.at, before.key, before.at), before.key)
		}
	}
}

// namespaces checks the patterns, their order, and that every channel has one.
func (l *loader) namespaces(c *Config) {
	if len(c.Namespaces) > maxElements {
		l.check(false, "namespaces", tooMany)
		return
	}
	for i, ns := range c.Namespaces {
		key := item("namespaces", i)
		match := join(key, "match")
		if ns.Match == "" {
			l.check(false, match, `is required: a channel, a prefix and a *, or "*"`)
		} else {
			m := patternProblem(ns.Match, c.Limits.ChannelNameBytes)
			l.check(m == "", match, m, "limits.channel_name_bytes")
		}
		for j, earlier := range c.Namespaces[:i] {
			if covers(earlier.Match, ns.Match) {
				l.check(false, match, fmt.Sprintf("is never reached: namespaces.%d (%s) matches all of it before", j, show(earlier.Match)))
				break
			}
		}
		between(l, join(key, "max_subscribers"), ns.MaxSubscribers, 0, 100*large)
		between(l, join(key, "history.size"), ns.History.Size, 0, 10_000)
		zeroOr(l, join(key, "history.ttl"), ns.History.TTL, Duration(time.Second), 30*day)
		l.check((ns.History.Size == 0) == (ns.History.TTL == 0), join(key, "history.ttl"),
			"history.size and history.ttl go together: both, or none", join(key, "history.size"))
		l.rules(join(key, "subscribe"), ns.Subscribe)
		l.rules(join(key, "publish"), ns.Publish)
	}
	last := len(c.Namespaces) - 1
	if last < 0 || c.Namespaces[last].Match != "*" && !slices.ContainsFunc(c.Namespaces, func(n Namespace) bool { return n.Match == "*" }) {
		l.check(false, "namespaces", `the last one must match "*", so that every channel has its options`)
	}
}

// covers says that pattern a matches every channel that pattern b matches.
func covers(a, b string) bool {
	if a == "" {
		return false
	}
	if prefix, ok := strings.CutSuffix(a, "*"); ok {
		return strings.HasPrefix(strings.TrimSuffix(b, "*"), prefix)
	}
	return a == b
}
