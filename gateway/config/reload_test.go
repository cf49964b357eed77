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
		{"missing origins", []string{"listeners.0.endpoints.0.allow_missing_origin=false"}, []string{"listeners.0.endpoints.0.allow_missing_origin"}, nil},
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
		{
			"auth is switched on: who is connected was let in without",
			[]string{"auth.keys.0={algorithm: HS256, secret: " + testSecret + "}", "auth.issuer=i", "auth.audience=a"},
			nil,
			[]string{"auth.keys", "auth.issuer", "auth.audience"},
		},
		{"rules", []string{"namespaces.0.subscribe=users"}, []string{"namespaces.0.subscribe"}, nil},
		{"who may connect", []string{"listeners.0.endpoints.0.auth.mode=none"}, nil, []string{"listeners.0.endpoints.0.auth.mode"}},
		{"both kinds", []string{"hub.shards=2", "log.level=warn", "drain.delay=1s", "drain.retry_within=2s"}, []string{"drain.delay", "log.level"}, []string{"hub.shards", "drain.retry_within"}},
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

const testSecret = "0k8Zq2vXw9LrT5nYb7HcJd3FmGs6PaEu1iOe4WtRyUx"

// TestChangesOfAuth: keys and what tokens have to be are taken over while auth
// stays on; where tokens and key sets come from is not.
func TestChangesOfAuth(t *testing.T) {
	set := []string{"auth.keys.0={algorithm: HS256, secret: " + testSecret + "}", "auth.issuer=i", "auth.audience=a"}
	now, problems := Load(Source{Set: set})
	next, problems2 := Load(Source{Set: append(set, "auth.keys.0.secret=x"+testSecret, "auth.leeway=1s", "auth.sources=query", "auth.jwks.refresh=1h")})
	if len(problems)+len(problems2) > 0 {
		t.Fatal(problems, problems2)
	}
	live, restart := Changes(now, next)
	if diff := cmp.Diff([][]string{{"auth.keys.0.secret", "auth.leeway"}, {"auth.jwks.refresh", "auth.sources"}}, [][]string{live, restart}); diff != "" {
		t.Fatalf("live, restart (-want +got):\n%s", diff)
	}
	reloaded := Reloaded(now, next)
	if live, _ := Changes(reloaded, next); len(live) > 0 {
		t.Errorf("the reload left %v", live)
	}
	if _, restart := Changes(now, reloaded); len(restart) > 0 {
		t.Errorf("the reload took %v", restart)
	}
}
