package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestChanges(t *testing.T) {
	tests := []struct {
		name          string
		set           []string
		live, restart []string
	}{
		{"nothing", nil, nil, nil},
		{"the same value", []string{"log.level=info", "limits.message_size=65536"}, nil, nil},
		{"log level", []string{"log.level=debug"}, []string{"log.level"}, nil},
		{"log format", []string{"log.format=console"}, nil, []string{"log.format"}},
		{"limits", []string{"limits.message_size=1MiB", "limits.fragments=3"}, []string{"limits.message_size", "limits.fragments"}, nil},
		{"keepalive", []string{"keepalive.timeout=2m"}, []string{"keepalive.timeout"}, nil},
		{"origins", []string{"listeners.0.endpoints.0.origins=*"}, []string{"listeners.0.endpoints.0.origins"}, nil},
		{"an option of a namespace", []string{"namespaces.0.slow_consumer=latest"}, []string{"namespaces.0.slow_consumer"}, nil},
		{"another namespace", []string{`namespaces=[{match: a}, {match: "*"}]`}, []string{"namespaces"}, nil},
		{"an endpoint", []string{"listeners.0.endpoints.0.publish=false"}, nil, []string{"listeners.0.endpoints.0.publish"}},
		{"another endpoint", []string{"listeners.0.endpoints.1.path=/b"}, nil, []string{"listeners.0.endpoints"}},
		{"another listener", []string{`listeners.1={address: ":1", endpoints: [{path: /}]}`}, nil, []string{"listeners"}},
		{
			"another address, and origins",
			[]string{"listeners.0.address=:1", "listeners.0.endpoints.0.origins=*"},
			nil,
			[]string{"listeners.0.address", "listeners.0.endpoints.0.origins"},
		},
		{
			"another path, and origins: they are not those of the old path",
			[]string{"listeners.0.endpoints.0.path=/a", "listeners.0.endpoints.0.origins=*"},
			nil,
			[]string{"listeners.0.endpoints.0.path", "listeners.0.endpoints.0.origins"},
		},
		{"the key", []string{"admin.api_key=k"}, nil, []string{"admin.api_key"}},
		{"both kinds", []string{"hub.shards=2", "log.level=warn", "drain.delay=1s"}, []string{"log.level"}, []string{"hub.shards", "drain.delay"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := Default()
			next, problems := Load(Source{Set: tt.set})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			live, restart := Changes(now, next)
			if diff := cmp.Diff([][]string{tt.live, tt.restart}, [][]string{live, restart}); diff != "" {
				t.Fatalf("live, restart (-want +got):\n%s", diff)
			}

			// What a reload leaves is what needs a restart, and nothing live.
			reloaded := Reloaded(now, next)
			if taken, refused := Changes(now, reloaded); !cmp.Equal(taken, live) || len(refused) > 0 {
				t.Errorf("the reload took %v and %v, want %v alone", taken, refused, live)
			}
			if left, waiting := Changes(reloaded, next); len(left) > 0 || !cmp.Equal(waiting, restart) {
				t.Errorf("the reload left %v and %v, want %v alone", left, waiting, restart)
			}
			if diff := cmp.Diff(Default(), now, secrets); diff != "" {
				t.Errorf("the running configuration was changed:\n%s", diff)
			}
		})
	}
}

// TestChangesEmptyLists: a list that is not there is an empty list.
func TestChangesEmptyLists(t *testing.T) {
	a, b := Default(), Default()
	a.Listeners[0].Endpoints[0].Origins = nil
	if live, restart := Changes(a, b); len(live)+len(restart) > 0 {
		t.Errorf("Changes = %v, %v", live, restart)
	}
	if diff := cmp.Diff(a, b, secrets, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}
