package gateway

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"sluice/gateway/config"
)

const kubernetes = "../configs/kubernetes/"

// pod is what the test reads of the StatefulSet.
type pod struct {
	Spec struct {
		ServiceName string `yaml:"serviceName"`
		Replicas    int
		Template    struct {
			Spec struct {
				Grace      int `yaml:"terminationGracePeriodSeconds"`
				Containers []struct {
					Args  []string
					Env   []struct{ Name, Value string }
					Ports []struct {
						Name          string
						ContainerPort int `yaml:"containerPort"`
					}
					Startup   probe `yaml:"startupProbe"`
					Liveness  probe `yaml:"livenessProbe"`
					Readiness probe `yaml:"readinessProbe"`
				}
			}
		}
	}
}

type probe struct {
	HTTP struct{ Path, Port string } `yaml:"httpGet"`
}

// The manifests fit the configuration that they mount, and the node: its keys, ports
// and paths, and the time that a drain takes.
func TestKubernetes(t *testing.T) {
	text, err := os.ReadFile(kubernetes + "statefulset.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var p pod
	if err := yaml.Unmarshal(text, &p); err != nil || len(p.Spec.Template.Spec.Containers) != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	c := p.Spec.Template.Spec.Containers[0]

	// The files of the secret are elsewhere here.
	secrets := t.TempDir()
	for _, name := range []string{"api-key", "cluster"} {
		if err := os.WriteFile(filepath.Join(secrets, name), []byte(strings.Repeat("5", 64)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err = os.ReadFile(kubernetes + "sluice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(secrets, "sluice.yaml")
	if err := os.WriteFile(file, bytes.ReplaceAll(text, []byte("/secrets/"), []byte(secrets+"/")), 0o600); err != nil {
		t.Fatal(err)
	}
	var environ []string
	for _, e := range c.Env {
		value := strings.ReplaceAll(e.Value, "$(SLUICE_BROKER_NODE)", "sluice-0")
		if e.Name == "SLUICE_BROKER_NODE" {
			value = "sluice-0"
		}
		environ = append(environ, e.Name+"="+value)
	}
	cfg, problems := config.Load(config.Source{File: file, Env: environ})
	if len(problems) > 0 {
		t.Fatal(problems)
	}

	if cfg.Broker.Node != "sluice-0" || cfg.Broker.Cluster.Advertise != cfg.Broker.Cluster.Routes[0] {
		t.Errorf("the node is %s, %s; the first route %s", cfg.Broker.Node, cfg.Broker.Cluster.Advertise, cfg.Broker.Cluster.Routes[0])
	}
	if len(cfg.Broker.Cluster.Routes) != p.Spec.Replicas || !strings.Contains(cfg.Broker.Cluster.Routes[0], "."+p.Spec.ServiceName+":") {
		t.Errorf("%d replicas of %s, routes %v", p.Spec.Replicas, p.Spec.ServiceName, cfg.Broker.Cluster.Routes)
	}
	ports := map[string]int{}
	for _, port := range c.Ports {
		ports[port.Name] = port.ContainerPort
	}
	for name, address := range map[string]string{"websocket": cfg.Listeners[0].Address, "api": cfg.Admin.Address, "cluster": cfg.Broker.Cluster.Listen} {
		if want := strings.TrimPrefix(address, ":"); want != strconv.Itoa(ports[name]) {
			t.Errorf("port %s is %d, and sluice.yaml has %s", name, ports[name], address)
		}
	}
	if grace := time.Duration(p.Spec.Template.Spec.Grace) * time.Second; grace <= time.Duration(cfg.Drain.Timeout) {
		t.Errorf("the pod is killed after %v, in the middle of a drain of up to %v", grace, cfg.Drain.Timeout)
	}
	n := start(t, testConfig())
	for name, pr := range map[string]probe{"startup": c.Startup, "liveness": c.Liveness, "readiness": c.Readiness} {
		if pr.HTTP.Port != "api" {
			t.Errorf("the %s probe asks port %s", name, pr.HTTP.Port)
		}
		eventually(t, name, func() bool { status, _ := get(t, "http://"+n.AdminAddress()+pr.HTTP.Path); return status == 200 })
	}
}
