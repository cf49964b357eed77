//go:build fleet

package gateway

import (
	"net"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"sluice/gateway/broker/enginetest"
	"sluice/gateway/config"
)

// Brokers that a node could use, and those that it could not, each with what to do about it.
func TestFleetCheckBroker(t *testing.T) {
	nobody := enginetest.FreeAddresses(t, 1)[0]
	redis := enginetest.Redis(t, "--requirepass", "SECRET")
	redis.Start(t)
	if out, ok := redis.CLI(t, "-a", "SECRET", "--no-auth-warning", "acl", "setuser", "weak", "on", ">SECRET", "~*", "&*", "+@all", "-eval"); !ok || !strings.HasPrefix(out, "OK") {
		t.Fatal(out)
	}
	cluster := enginetest.StartCluster(t)
	nats := enginetest.NATSWith(t, `authorization {
  users: [{user: sluice, password: SECRET}, {user: weak, password: SECRET, permissions: {publish: ">", subscribe: "_INBOX.>"}}]
}
`)
	nats.Start(t)
	for _, tt := range []struct {
		what           string
		engine         config.BrokerType
		address        string
		user, password string
		cluster        bool
		want           string // "": it is usable
	}{
		{"Redis", config.RedisBroker, redis.Address, "", "SECRET", false, ""},
		{"a Redis with another password", config.RedisBroker, redis.Address, "", "wrong", false, "broker.password_file"},
		{"a user of Redis with too few rights", config.RedisBroker, redis.Address, "weak", "SECRET", false, "docs/fleet.md"},
		{"no Redis", config.RedisBroker, nobody, "", "", false, "connection refused"},
		{"Redis Cluster", config.RedisBroker, cluster[0].Address, "", "", true, ""},
		{"a Redis Cluster that is not said to be one", config.RedisBroker, cluster[0].Address, "", "", false, "broker.redis_cluster"},
		{"NATS", config.NATSBroker, nats.Address, "sluice", "SECRET", false, ""},
		{"NATS with another password", config.NATSBroker, nats.Address, "sluice", "wrong", false, "broker.password_file"},
		{"a user of NATS with too few rights", config.NATSBroker, nats.Address, "weak", "SECRET", false, "docs/fleet.md"},
		{"no NATS", config.NATSBroker, nobody, "", "", false, "is nats-server up"},
	} {
		cfg := fleetConfig()
		b := &cfg.Broker
		b.Type, b.User, b.RedisCluster = tt.engine, tt.user, tt.cluster
		if tt.password != "" {
			b.Password = config.NewSecret(tt.password)
		}
		if tt.engine == config.NATSBroker {
			b.URL = []string{"nats://" + tt.address}
		} else {
			b.Address = []string{tt.address}
		}
		engine, err := CheckBroker(within(t), cfg, zerolog.Nop())
		switch {
		case !strings.Contains(engine, tt.address):
			t.Errorf("%s: it is called %q", tt.what, engine)
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.what, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.address)):
			t.Errorf("%s: %v, want %s", tt.what, err, tt.want)
		}
	}
	if c, err := net.Dial("tcp", nobody); err == nil {
		_ = c.Close()
		t.Fatal("somebody listens where nobody should: this test shows nothing")
	}
}
