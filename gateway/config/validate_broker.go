package config

import (
	"crypto/tls"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/gateway/internal/certs"
)

// broker checks what carries messages between nodes: the keys of its type, and
// that those of the others are left out.
func (l *loader) broker(b *Broker) {
	l.check(b.Node == "" || isName(b.Node, 64), "broker.node", nameProblem(b.Node, 64))
	l.check(isName(b.Prefix, 32), "broker.prefix", nameProblem(b.Prefix, 32))
	between(l, "broker.linger", b.Linger, 0, Duration(10*time.Minute))
	between(l, "broker.queue_bytes", b.QueueBytes, 64*KiB, GiB)
	between(l, "broker.replicas", b.Replicas, 0, 5)
	between(l, "broker.db", b.DB, 0, 15)
	l.secret(&b.Password, b.PasswordFile, "broker.password")
	l.secret(&b.Cluster.Secret, b.Cluster.SecretFile, "broker.cluster.secret")

	nats, redis := b.Type == NATSBroker, b.Type == RedisBroker
	only := func(fits, unset bool, key, kind string) {
		l.check(fits || unset, key, "has no effect unless broker is "+kind+": set that, or leave this out", "broker.type", "broker.embedded")
	}
	only(nats, !b.Embedded, "broker.embedded", "type: nats")
	embedded := nats && b.Embedded
	only(embedded, b.Cluster.Listen == "", "broker.cluster.listen", "type: nats, embedded: true")
	only(embedded, len(b.Cluster.Routes) == 0, "broker.cluster.routes", "type: nats, embedded: true")
	only(embedded, b.ClientListen == "", "broker.client_listen", "type: nats, embedded: true")
	only(embedded, b.StoreDir == "", "broker.store_dir", "type: nats, embedded: true")
	only(nats, b.Replicas == 0, "broker.replicas", "type: nats")
	only(nats && !b.Embedded, len(b.URL) == 0, "broker.url", "type: nats, embedded: false")
	only(nats && !b.Embedded, b.CredentialsFile == "", "broker.credentials_file", "type: nats, embedded: false")
	only(nats && !b.Embedded, b.NKeyFile == "", "broker.nkey_file", "type: nats, embedded: false")
	only(redis, len(b.Address) == 0, "broker.address", "type: redis")
	only(redis, !b.RedisCluster, "broker.redis_cluster", "type: redis")
	only(redis && b.RedisCluster, b.RedisPubSub == ShardedPubSub, "broker.redis_pubsub", "type: redis, redis_cluster: true")
	only(redis, b.SentinelMaster == "", "broker.sentinel_master", "type: redis")
	only(redis, b.DB == 0, "broker.db", "type: redis")

	l.brokerTLS(&b.TLS)
	switch {
	case embedded:
		l.embedded(b)
	case nats:
		l.check(len(b.URL) > 0, "broker.url", "broker.url is required: a NATS server, such as nats://10.0.0.5:4222, or set broker.embedded", "broker.type")
		for i, u := range b.URL {
			l.check(isNATS(u), item("broker.url", i), "must be nats://host:port or tls://host:port without user and password (broker.user, broker.password), not "+show(u))
		}
		l.natsFiles(b)
	case redis:
		l.check(len(b.Address) > 0, "broker.address", "broker.address is required: a Redis server, such as 10.0.0.5:6379", "broker.type")
		for i, a := range b.Address {
			host, m := splitAddress(a)
			switch {
			case strings.Contains(a, "://"):
				m = "must be host:port alone, such as 10.0.0.5:6379; TLS is broker.tls, and the rest broker.user, broker.password_file and broker.db"
			case m != "" || host == "":
				m = "must be host:port, such as 10.0.0.5:6379, not " + show(a)
			}
			l.check(m == "", item("broker.address", i), m)
		}
		l.check(!b.RedisCluster || b.SentinelMaster == "" && b.DB == 0, "broker.redis_cluster",
			"does not go with sentinel_master or db: a Redis Cluster has neither", "broker.sentinel_master", "broker.db")
	}
}

// embedded checks the server inside this process, and that strangers cannot join it.
func (l *loader) embedded(b *Broker) {
	c := &b.Cluster
	l.check(len(c.Secret.Reveal()) <= maxSecret, "broker.cluster.secret", "must have at most 72 bytes", "broker.cluster.secret_file")
	l.check(len(b.Password.Reveal()) <= maxSecret, "broker.password", "must have at most 72 bytes", "broker.password_file")
	l.check(isName(c.Name, 32), "broker.cluster.name", nameProblem(c.Name, 32))
	if b.ClientListen != "" {
		host, m := splitAddress(b.ClientListen)
		l.check(m == "", "broker.client_listen", m)
		l.check(m != "" || isLoopback(host) || !b.Password.IsZero(), "broker.client_listen",
			"binding "+b.ClientListen+" without broker.user and broker.password lets anyone in the network publish: set them or bind 127.0.0.1", "broker.password")
	}
	l.check((b.User == "") == b.Password.IsZero(), "broker.password", "broker.user and broker.password go together: both, or none", "broker.user")
	if c.Listen == "" {
		l.check(len(c.Routes) == 0, "broker.cluster.routes", "has no effect without broker.cluster.listen: set that, too", "broker.cluster.listen")
		return
	}
	host, m := splitAddress(c.Listen)
	l.check(m == "", "broker.cluster.listen", m)
	l.check(m != "" || isLoopback(host) || !c.Secret.IsZero(), "broker.cluster.listen",
		"binding "+c.Listen+" without broker.cluster.secret lets anyone in the network join the fleet: set it or bind 127.0.0.1", "broker.cluster.secret")
	if c.Advertise != "" {
		_, m := splitAddress(c.Advertise)
		l.check(m == "", "broker.cluster.advertise", m)
	}
	other := func(r string) bool { return r != c.Listen && r != c.Advertise }
	l.check(slices.ContainsFunc(c.Routes, other), "broker.cluster.routes",
		"must name another node at least, host:port: with cluster.listen, the server inside does not start without", "broker.cluster.listen")
	for i, r := range c.Routes {
		_, m := splitAddress(r)
		l.check(m == "", item("broker.cluster.routes", i), m)
	}
}

// maxSecret is what bcrypt takes, by which the server inside keeps its passwords.
const maxSecret = 72

// brokerTLS reads the files, so that what a start would trip over is said here.
func (l *loader) brokerTLS(t *BrokerTLS) {
	if _, err := t.Load(); err != nil {
		key := "broker.tls.ca_file"
		if wrong := (*brokerTLSError)(nil); errors.As(err, &wrong) {
			key = wrong.key
		}
		l.check(false, key, err.Error())
		return
	}
	if t.KeyFile != "" {
		l.private("broker.tls.key_file", t.KeyFile)
	}
}

// brokerTLSError is what is wrong with a key of broker.tls.
type brokerTLSError struct{ key, message string }

func (e *brokerTLSError) Error() string { return e.message }

// Load returns the configuration for crypto/tls, or nil where TLS is not enabled.
func (t *BrokerTLS) Load() (*tls.Config, error) {
	if !t.Enabled {
		if t.CAFile != "" || t.CertFile != "" || t.KeyFile != "" {
			return nil, &brokerTLSError{"broker.tls.enabled", "is false, and files are named: set it, or leave them out"}
		}
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pool, _, err := certs.Pool(t.CAFile)
		if err != nil {
			return nil, &brokerTLSError{"broker.tls.ca_file", show(t.CAFile) + " " + err.Error()}
		}
		c.RootCAs = pool
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, &brokerTLSError{"broker.tls.key_file", "broker.tls.cert_file and broker.tls.key_file go together: both, or none"}
	}
	if t.CertFile != "" {
		pair, err := certs.Load(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, &brokerTLSError{"broker.tls.cert_file", show(t.CertFile) + " " + err.Error()}
		}
		c.Certificates = []tls.Certificate{*pair}
	}
	return c, nil
}

func nameProblem(s string, most int) string {
	return "must be 1 to " + strconv.Itoa(most) + " of the characters A-Z a-z 0-9 _ -, not " + show(s)
}

// isName says that s is 1 to most of the characters that every broker takes.
func isName(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for _, r := range []byte(s) {
		if !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '-') {
			return false
		}
	}
	return true
}

func isNATS(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "nats" || u.Scheme == "tls") && u.User == nil && u.Port() != "" && u.Hostname() != "" && strings.Trim(u.Path, "/") == ""
}
