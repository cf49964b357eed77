package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// listeners checks the addresses against each other, and what they serve.
func (l *loader) listeners(c *Config) {
	l.check(len(c.Listeners) > 0, "listeners", "at least one listener is needed")
	if len(c.Listeners) > maxElements {
		l.check(false, "listeners", tooMany)
		return
	}
	limits := c.Limits
	if limits.ChannelNameBytes < 1 || limits.SubscriptionsPerConnection < 1 {
		limits = Default().Limits // the limits are reported themselves, not all that exceeds them
	}
	for i, n := range c.Listeners {
		key := item("listeners", i)
		address := join(key, "address")
		_, m := splitAddress(n.Address)
		l.check(m == "", address, m)
		for j, other := range c.Listeners[:i] {
			if overlap(n.Address, other.Address) && !(n.ReusePort && other.ReusePort) {
				l.check(false, address, fmt.Sprintf("%s is taken by listeners.%d (%s): change one, or set reuse_port on both", n.Address, j, other.Address))
				break
			}
		}
		between(l, join(key, "backlog"), n.Backlog, 1, 65535)
		zeroOr(l, join(key, "send_buffer"), n.SendBuffer, 16*KiB, 16*MiB)
		for j, host := range n.Hosts {
			name, wild := strings.CutPrefix(host, "*.")
			l.check(isHostAndPort(name) && (!wild || strings.Contains(name, ".")), item(join(key, "hosts"), j),
				"must be a host, such as example.com, example.com:8443 or *.example.com, not "+show(host))
		}
		l.tls(n.TLS, join(key, "tls"))
		l.proxies(n.ProxyProtocol.From, join(key, "proxy_protocol.from"))
		l.proxies(n.TrustedProxies, join(key, "trusted_proxies"))
		l.check(len(n.ProxyProtocol.From) == 0 || len(n.TrustedProxies) == 0, join(key, "trusted_proxies"),
			"and proxy_protocol.from are both set: one of them says who the client is", join(key, "proxy_protocol.from"))
		l.check(len(n.Endpoints) > 0, join(key, "endpoints"), "at least one endpoint is needed")
		if len(n.Endpoints) > maxElements {
			l.check(false, join(key, "endpoints"), tooMany)
			continue
		}
		for j, e := range n.Endpoints {
			for k, other := range n.Endpoints[:j] {
				if other.Path == e.Path {
					l.check(false, join(item(join(key, "endpoints"), j), "path"), fmt.Sprintf("%s is taken by endpoints.%d of this listener", show(e.Path), k))
					break
				}
			}
			l.endpoint(e, item(join(key, "endpoints"), j), limits)
		}
	}
}

// endpoint checks one endpoint, whose key path is key.
func (l *loader) endpoint(e Endpoint, key string, limits Limits) {
	m := pathProblem(e.Path)
	l.check(m == "", join(key, "path"), m)
	channels := join(key, "channels")
	seen := map[string]int{}
	for i, name := range e.Channels {
		m := l.ownProblem(e, name, limits.ChannelNameBytes)
		l.check(m == "", item(channels, i), m, "limits.channel_name_bytes")
		if first, twice := seen[name]; twice {
			l.check(false, item(channels, i), fmt.Sprintf("%s is listed already, at channels.%d", show(name), first))
			continue
		}
		seen[name] = i
	}
	l.check(len(e.Channels) <= limits.SubscriptionsPerConnection, channels,
		fmt.Sprintf("lists %d channels, and limits.subscriptions_per_connection is %d", len(e.Channels), limits.SubscriptionsPerConnection),
		"limits.subscriptions_per_connection")
	for i, pattern := range e.AllowChannels {
		m := patternProblem(pattern, limits.ChannelNameBytes)
		l.check(m == "", item(join(key, "allow_channels"), i), m, "limits.channel_name_bytes")
	}
	for i, origin := range e.Origins {
		m := originProblem(origin)
		l.check(m == "", item(join(key, "origins"), i), m)
	}
	for i, p := range e.Subprotocols {
		l.check(isProtocol(p), item(join(key, "subprotocols"), i), "must be 1 to 64 of the characters A-Z a-z 0-9 . _ -, and not begin with bearer.: not "+show(p))
	}
	between(l, join(key, "compression.level"), e.Compression.Level, 1, 9)
	between(l, join(key, "compression.min_size"), e.Compression.MinSize, 0, 16*MiB)
	forward := join(key, "forward")
	l.check(e.Forward == "" || isName(e.Forward, 64), forward, nameProblem(e.Forward, 64))
	l.check(e.Forward == "" || l.config.Broker.Type != MemoryBroker, forward, "needs a broker that takes the messages: nats or redis", "broker.type")
	between(l, join(key, "gap_code"), e.GapCode, 4000, 4999)
	l.endpointAuth(e, join(key, "auth"))
	between(l, join(key, "greeting"), Size(len(e.Greeting)), 0, 64*KiB)
	between(l, join(key, "page"), Size(len(e.Page)), 0, MiB)
}

// admin checks that nobody but the operator reaches the admin listener.
func (l *loader) admin(c *Config) {
	if c.Admin.Address == "" {
		return
	}
	host, m := splitAddress(c.Admin.Address)
	l.check(m == "", "admin.address", m)
	for i, n := range c.Listeners {
		l.check(!overlap(c.Admin.Address, n.Address), "admin.address",
			fmt.Sprintf("admin.address (%s) is taken by listeners.%d (%s): clients must not reach the server API", c.Admin.Address, i, n.Address),
			join(item("listeners", i), "address"))
	}
	l.adminKey(c)
	if m == "" && !isLoopback(host) && c.Admin.APIKey.IsZero() {
		l.check(false, "admin.address",
			"binding "+c.Admin.Address+" without admin.api_key lets anyone in the network publish: set it or bind 127.0.0.1", "admin.api_key")
	}
}

// splitAddress returns the host of a host:port, or what is wrong with it.
func splitAddress(address string) (host, problem string) {
	const form = "must be host:port, such as 127.0.0.1:8080 or :8080, not "
	host, port, err := net.SplitHostPort(address)
	if err != nil || strings.Contains(port, "@") { // user:password@host
		return "", form + show(address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return "", "the port must be a number from 0 to 65535, not " + show(port)
	}
	if _, err := netip.ParseAddr(host); host != "" && err != nil && !isHostname(host) {
		return "", form + show(address)
	}
	return host, ""
}

// isHostname says that every label has letters, digits and inner hyphens, and
// that it is not a mistyped IP address.
func isHostname(s string) bool {
	if len(s) > 253 {
		return false
	}
	letters := false
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range []byte(label) {
			isLetter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
			letters = letters || isLetter
			if !isLetter && (r < '0' || r > '9') && r != '-' && r != '_' {
				return false
			}
		}
	}
	return letters
}

// overlap says that two sockets cannot listen on the addresses at the same
// time: the same port, and the same host or every interface in one of them.
func overlap(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return strings.EqualFold(hostA, hostB) || isWildcard(hostA) || isWildcard(hostB)
}

func isWildcard(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}
