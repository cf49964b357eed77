package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestOverlay lays the environment and flags over a file, and looks at one key.
func TestOverlay(t *testing.T) {
	const file = `
listeners:
  - address: 127.0.0.1:9000
    endpoints: [{path: /a}, {path: /b}]
hub: {shards: 2}
`
	tests := []struct {
		name string
		from Source
		key  func(*Config) any
		want any
	}{
		{"the file over the defaults", Source{}, func(c *Config) any { return c.Hub.Shards }, 2},
		{"the environment over the file", Source{Env: []string{"SLUICE_HUB_SHARDS=3"}}, func(c *Config) any { return c.Hub.Shards }, 3},
		{"flags over the environment", Source{Env: []string{"SLUICE_HUB_SHARDS=3"}, Set: []string{"hub.shards=4"}}, func(c *Config) any { return c.Hub.Shards }, 4},
		{"the later flag", Source{Set: []string{"hub.shards=4", "hub.shards=5"}}, func(c *Config) any { return c.Hub.Shards }, 5},
		{"other variables", Source{Env: []string{"PATH=/bin", "SLUICEHUB=1", "sluice_hub_shards=9", "="}}, func(c *Config) any { return c.Hub.Shards }, 2},
		{"--listen", Source{Listen: ":1", Set: []string{"listeners.0.address=:2"}}, func(c *Config) any { return c.Listeners[0].Address }, ":1"},
		{"--admin", Source{Admin: "localhost:1"}, func(c *Config) any { return c.Admin.Address }, "localhost:1"},
		{"size", Source{Env: []string{"SLUICE_LIMITS_MESSAGE_SIZE=1MiB"}}, func(c *Config) any { return c.Limits.MessageSize }, MiB},
		{"duration", Source{Env: []string{"SLUICE_LIMITS_HANDSHAKE_TIMEOUT=1m30s"}}, func(c *Config) any { return c.Limits.HandshakeTimeout }, Duration(90 * time.Second)},
		{"secret", Source{Env: []string{"SLUICE_ADMIN_API_KEY=a=b"}}, func(c *Config) any { return c.Admin.APIKey.Reveal() }, "a=b"},
		{"enum", Source{Env: []string{"SLUICE_LOG_LEVEL=debug"}}, func(c *Config) any { return c.Log.Level }, Debug},
		{"true", Source{Env: []string{"SLUICE_ADMIN_PPROF=true"}}, func(c *Config) any { return c.Admin.Pprof }, true},
		{"a text that looks like a number", Source{Set: []string{"listeners.0.endpoints.0.greeting=1"}}, func(c *Config) any { return c.Listeners[0].Endpoints[0].Greeting }, "1"},
		{"a text that looks like nothing", Source{Set: []string{"listeners.0.endpoints.0.greeting=null"}}, func(c *Config) any { return c.Listeners[0].Endpoints[0].Greeting }, "null"},
		{"a text with an equals sign and spaces", Source{Set: []string{"listeners.0.endpoints.0.greeting= a = b "}}, func(c *Config) any { return c.Listeners[0].Endpoints[0].Greeting }, " a = b "},
		{"list with commas", Source{Env: []string{"SLUICE_LISTENERS_0_ENDPOINTS_1_CHANNELS=a, b"}}, func(c *Config) any { return c.Listeners[0].Endpoints[1].Channels }, []string{"a", "b"}},
		{"list as in YAML", Source{Set: []string{`listeners.0.endpoints.1.channels=[a, "b"]`}}, func(c *Config) any { return c.Listeners[0].Endpoints[1].Channels }, []string{"a", "b"}},
		{"empty list", Source{Env: []string{"SLUICE_LISTENERS_0_ENDPOINTS_1_CHANNELS="}}, func(c *Config) any { return c.Listeners[0].Endpoints[1].Channels }, []string{}},
		{"element of a list", Source{Set: []string{"listeners.0.endpoints.0.channels.1=b"}}, func(c *Config) any { return c.Listeners[0].Endpoints[0].Channels }, []string{"lobby", "b"}},
		{"a star", Source{Set: []string{"listeners.0.endpoints.0.origins=*"}}, func(c *Config) any { return c.Listeners[0].Endpoints[0].Origins }, []string{"*"}},
		{
			"elements are added in the order of their numbers",
			Source{Env: []string{
				"SLUICE_NAMESPACES_2_MATCH=*", "SLUICE_NAMESPACES_1_SLOW_CONSUMER=latest",
				"SLUICE_NAMESPACES_1_MATCH=b", "SLUICE_NAMESPACES_0_MATCH=a",
			}},
			func(c *Config) any { return c.Namespaces },
			[]Namespace{class("a", Disconnect, 0), class("b", Latest, 0), class("*", Disconnect, 0)},
		},
		{
			"a whole section, then one of its keys",
			Source{Set: []string{`namespaces=[{match: a, slow_consumer: latest}, {match: "*"}]`, "namespaces.0.max_subscribers=7"}},
			func(c *Config) any { return c.Namespaces },
			[]Namespace{class("a", Latest, 7), class("*", Disconnect, 0)},
		},
		{
			"Kubernetes describes services called sluice and sluice-admin",
			Source{Env: []string{
				"SLUICE_SERVICE_HOST=10.0.0.1", "SLUICE_SERVICE_PORT=80", "SLUICE_SERVICE_PORT_HTTP=80", "SLUICE_PORT=tcp://10.0.0.1:80",
				"SLUICE_PORT_80_TCP=tcp://10.0.0.1:80", "SLUICE_PORT_80_TCP_PROTO=tcp", "SLUICE_PORT_80_TCP_PORT=80", "SLUICE_PORT_80_TCP_ADDR=10.0.0.1",
				"SLUICE_ADMIN_SERVICE_HOST=10.0.0.2", "SLUICE_ADMIN_PORT=tcp://10.0.0.2:80",
			}},
			func(c *Config) any { return c.Hub.Shards }, 2,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.from.File = "f.yaml"
			c, problems := load(tt.from, []byte(file))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if diff := cmp.Diff(tt.want, tt.key(c)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestOverlayProblems compares all that is said of wrong variables and flags.
func TestOverlayProblems(t *testing.T) {
	tests := []struct {
		name string
		from Source
		want string
	}{
		{
			"values",
			Source{
				Env: []string{"SLUICE_LIMITS_MESSAGE_SIZE=big", "SLUICE_ADMIN_PPROF=1", "SLUICE_HUB_SLICE=", "SLUICE_LOG_LEVEL=wran", "SLUICE_KEEPALIVE_TIMEOUT=9"},
				Set: []string{"hub.shards=65", "hub.inbox=many", "engine.read_buffer=\xff"},
			},
			`SLUICE_ADMIN_PPROF: admin.pprof: must be true or false, not "1"
SLUICE_HUB_SLICE: hub.slice: must be a whole number, not ""
SLUICE_KEEPALIVE_TIMEOUT: keepalive.timeout: must be a duration with a unit, such as 500ms, 5s or 1m30s, not "9"
SLUICE_LIMITS_MESSAGE_SIZE: limits.message_size: must be a size in bytes such as 65536, 64KiB or 1.5MiB, not "big"
SLUICE_LOG_LEVEL: log.level: must be one of trace, debug, info, warn, error, not "wran", did you mean "warn"?
--set hub.inbox: must be a whole number, not "many"
--set engine.read_buffer: must be UTF-8
--set hub.shards: must be 0 to 64, not 65
`,
		},
		{
			"names of variables",
			Source{Env: []string{
				"SLUICE_LIMITS_MESAGE_SIZE=1", "SLUICE_LISTENER_3_ADDRESS=:1", "SLUICE_=1", "SLUICE_FROBNICATE=1",
				"SLUICE_HUB_SHARDS_0=1", "SLUICE_LISTENERS_X_ADDRESS=1", "SLUICE_REUSE_PORT=true",
			}},
			`SLUICE_LIMITS_MESAGE_SIZE: unknown variable, did you mean "SLUICE_LIMITS_MESSAGE_SIZE"?
SLUICE_LISTENER_3_ADDRESS: unknown variable, did you mean "SLUICE_LISTENERS_3_ADDRESS"?
SLUICE_: unknown variable: no key has this name
SLUICE_FROBNICATE: unknown variable: no key has this name
SLUICE_HUB_SHARDS_0: unknown variable, did you mean "SLUICE_HUB_SHARDS"?
SLUICE_LISTENERS_X_ADDRESS: unknown variable, did you mean "SLUICE_LISTENERS_0_ADDRESS"?
SLUICE_REUSE_PORT: unknown variable: no key has this name
`,
		},
		{
			"paths",
			Source{Set: []string{
				"hub.shard=1", "hub", "=1", "hub=1", "listeners=:1", "listeners.1.address=:1", "listeners.3.address=:1", "listeners.x.address=:1",
				"listeners.-1=1", "hub.shards.0=1", "limits..x=1", "namespaces=[{", "message_size=1",
			}},
			`--set hub.shard: unknown key, did you mean "shards"?
--set: "hub" must be key.path=value
--set: "=1" must be key.path=value
--set hub: is a section: set one of its keys, shards, inbox, batch_bytes, slice
--set listeners: is a list of sections: set a key of one of them, such as 0.address
--set listeners.3: the list has 2 elements: the next one is 2
--set listeners.x: this is a list: a number from 0 to 2 must stand here
--set listeners.-1: this is a list: a number from 0 to 2 must stand here
--set hub.shards.0: hub.shards is a single value: nothing is below it
--set limits.: unknown key, known are message_size, fragments, message_timeout, handshake_timeout, close_timeout, header_bytes, connections_per_address, connects_per_address, failed_auths_per_address, messages_per_second, bytes_per_second, control_frames_per_second, refreshes_per_minute, subscriptions_per_connection, subscriptions_per_user, subscriptions, channel_name_bytes, write_queue, outbox_frames, outbox_bytes, outbox_age, node_queue_bytes
--set namespaces: is not YAML: write [a, b], or a,b
--set message_size: unknown key, did you mean "limits.message_size"?
`,
		},
		{
			"a new listener serves nothing",
			Source{Env: []string{"SLUICE_LISTENERS_1_ADDRESS=:1"}, Set: []string{"listeners.1.endpoints=[]"}},
			"--set listeners.1.endpoints: at least one endpoint is needed\n",
		},
		{
			"a list from a variable",
			Source{Env: []string{"SLUICE_LISTENERS_0_ENDPOINTS_0_CHANNELS=a,,b c"}},
			`SLUICE_LISTENERS_0_ENDPOINTS_0_CHANNELS: listeners.0.endpoints.0.channels.1: "": a channel name must not be empty
SLUICE_LISTENERS_0_ENDPOINTS_0_CHANNELS: listeners.0.endpoints.0.channels.2: "b c": a channel name consists of A-Z a-z 0-9 _ . : / -, byte 1 is ' '
`,
		},
		{
			"the flags for addresses",
			Source{Listen: "8080", Admin: ":8081"},
			`--listen: listeners.0.address: must be host:port, such as 127.0.0.1:8080 or :8080, not "8080"
--admin: admin.address: binding :8081 without admin.api_key lets anyone in the network publish: set it or bind 127.0.0.1
`,
		},
		{
			"secrets are not repeated",
			Source{Env: []string{"SLUICE_ADMIN_API_KEY=hunter2 hunter2"}, Set: []string{"admin.api_keys=hunter2"}},
			`--set admin.api_keys: unknown key, did you mean "api_key"?
SLUICE_ADMIN_API_KEY: admin.api_key: the key must be printable ASCII without spaces: it is sent in a header
`,
		},
		{
			"nor are passwords in URLs and addresses",
			Source{
				Env: []string{"SLUICE_BROKER_URL=nats://hunter2@127.0.0.1:4222,tls://u:hunter2/@" + strings.Repeat("long.", 20) + ":4222"},
				Set: []string{
					"broker.type=nats", "broker.cluster.routes=u:hunter2@10.0.0.5:6222,u:hunter2@nats",
					"listeners.0.endpoints.0.origins=https://u:hunter2@example.com/", "broker.url:nats://u:hunter2@127.0.0.1:4222",
				},
				Listen: "u:hunter2@nats",
			},
			`--set: "broker.url:nats://[redacted]@127.0.0.1:4222" must be key.path=value
--listen: listeners.0.address: must be host:port, such as 127.0.0.1:8080 or :8080, not "[redacted]@nats"
--set listeners.0.endpoints.0.origins.0: an origin has no path: write https://[redacted]@example.com
--set broker.cluster.routes: has no effect unless broker is type: nats, embedded: true: set that, or leave this out
SLUICE_BROKER_URL: broker.url.0: must be nats://host:port or tls://host:port without user and password (broker.user, broker.password), not "nats://[redacted]@127.0.0.1:4222"
SLUICE_BROKER_URL: broker.url.1: must be nats://host:port or tls://host:port without user and password (broker.user, broker.password), not "tls://[redacted]@long.long.long.long.long.long.long.long.long.lo"...
`,
		},
		{
			"two sources of one problem: the one that said something",
			Source{Set: []string{"keepalive.ping_interval=2m"}},
			"--set keepalive.ping_interval: keepalive.timeout (1m) must be longer than keepalive.ping_interval (2m)\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, problems := Load(tt.from)
			if c != nil {
				t.Error("a configuration was returned")
			}
			if diff := cmp.Diff(tt.want, problems.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestEveryKeyHasItsVariable finds each key, and only it, by the variable of its path.
func TestEveryKeyHasItsVariable(t *testing.T) {
	seen := map[string]string{}
	for _, path := range keyPaths(reflect.TypeFor[Config](), "", "7") {
		name := strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
		if other, taken := seen[name]; taken {
			t.Errorf("%s stands for %s and %s", name, other, path)
		}
		seen[name] = path
		if got := envPath(name, reflect.TypeFor[Config]()); !slices.Equal(got, strings.Split(path, ".")) {
			t.Errorf("%s is taken for %q, want %s", name, got, path)
		}
	}
	if len(seen) < 55 {
		t.Errorf("only %d keys were found", len(seen))
	}
}

// A listener that names no endpoints serves one with all defaults.
func TestListenerWithoutEndpoints(t *testing.T) {
	c, problems := Load(Source{Env: []string{"SLUICE_LISTENERS_1_ADDRESS=:1"}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if diff := cmp.Diff([]Endpoint{defaultEndpoint()}, c.Listeners[1].Endpoints); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// class is a namespace with these options and the defaults for the rest.
func class(match string, slow SlowConsumer, subscribers int) Namespace {
	ns := defaultNamespace()
	ns.Match, ns.SlowConsumer, ns.MaxSubscribers = match, slow, subscribers
	return ns
}
