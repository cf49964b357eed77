package gateway

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/gateway/config"
)

// A workload is the nodes of a fleet in Kubernetes, as configs/kubernetes has them.
type workload struct {
	all       []object // everything in its kustomization
	object             // the StatefulSet or Deployment
	pod       pod
	container container
	nodes     []*config.Config // of pods sluice-0, sluice-1, ...
}

// kubernetes reads the manifests in a directory and those they have in common, and
// loads the configuration of n pods, from the environment and files that they have there.
func kubernetes(t *testing.T, dir, kind string, n int, files ...string) workload {
	t.Helper()
	dir = "../configs/kubernetes/" + dir + "/"
	paths := []string{dir + "../common/services.yaml", dir + "../common/disruption.yaml", dir + "../common/network.yaml", dir + "secret.yaml"}
	for _, f := range files {
		paths = append(paths, dir+f)
	}
	w := workload{all: objects(t, paths...)}
	w.object = named(t, w.all, kind, "sluice")
	w.pod = w.Spec.Template.Spec
	if len(w.pod.Containers) != 1 {
		t.Fatalf("%d containers", len(w.pod.Containers))
	}
	w.container = w.pod.Containers[0]

	// A pod finds the keys of its Secret as files.
	secrets := t.TempDir()
	for key, value := range named(t, w.all, "Secret", "sluice").StringData {
		if value != "" {
			t.Errorf("the template has a value for %s: somebody would use it", key)
		}
		if err := os.WriteFile(filepath.Join(secrets, key), []byte("3f2a90c1d4e5b687"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(dir + "sluice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	here := strings.ReplaceAll(string(text), w.container.mount("secrets")+"/", secrets+"/")
	if err := os.WriteFile(file, []byte(here), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		cfg, problems := config.Load(config.Source{File: file, Env: w.container.environ(t, fmt.Sprint("sluice-", i))})
		if len(problems) > 0 {
			t.Fatalf("pod %d: %v", i, problems)
		}
		w.nodes = append(w.nodes, cfg)
	}
	return w
}

// check holds what goes for every workload.
func (w workload) check(t *testing.T) {
	t.Helper()
	c, cfg := w.container, w.nodes[0]

	if want := []string{"serve", "-c", c.mount("config") + "/sluice.yaml"}; !slices.Equal(c.Args, want) {
		t.Errorf("it runs %q, want %q", c.Args, want)
	}
	volumes := map[string]string{}
	for _, v := range w.pod.Volumes {
		volumes[v.Name] = v.ConfigMap.Name + v.Secret.SecretName
		if v.Name == "secrets" && v.Secret.DefaultMode != "0440" {
			t.Errorf("secrets have the permissions %s", v.Secret.DefaultMode)
		}
	}
	if volumes["config"] != "sluice" || volumes["secrets"] != "sluice" {
		t.Errorf("volumes come from %q", volumes)
	}
	for i, n := range w.nodes {
		if want := fmt.Sprint("sluice-", i); n.Broker.Node != want {
			t.Errorf("the node of pod %s is called %s", want, n.Broker.Node)
		}
	}

	// Ports, and who is sent to them.
	for name, address := range map[string]string{"clients": cfg.Listeners[0].Address, "admin": cfg.Admin.Address, "routes": cfg.Broker.Cluster.Listen} {
		if got, want := c.port(name), portOf(t, address); got != want {
			t.Errorf("port %s is %d, the node listens on %d", name, got, want)
		}
	}
	labels := w.Spec.Template.Metadata.Labels
	for _, o := range w.all {
		selector := o.Spec.Selector
		if inner, ok := selector["matchLabels"].(map[string]any); ok {
			selector = inner
		}
		if o.Kind == "Service" || o.Kind == "PodDisruptionBudget" || o.Kind == w.Kind {
			for key, value := range selector {
				if labels[key] != value {
					t.Errorf("%s %s selects %s=%v, pods are %v", o.Kind, o.Metadata.Name, key, value, labels)
				}
			}
			if len(selector) == 0 {
				t.Errorf("%s %s selects nothing", o.Kind, o.Metadata.Name)
			}
		}
		for _, p := range o.Spec.Ports {
			if c.port(p.TargetPort) == 0 {
				t.Errorf("%s %s sends to port %s, which there is not", o.Kind, o.Metadata.Name, p.TargetPort)
			}
		}
	}
	if n := named(t, w.all, "PodDisruptionBudget", "sluice").Spec.MaxUnavailable; n != 1 {
		t.Errorf("%d nodes may be away at the same time", n)
	}

	// Probes. The paths are tried by their tests.
	for name, p := range map[string]probe{"startup": c.Startup, "liveness": c.Liveness, "readiness": c.Readiness} {
		want := "/healthz"
		if name == "readiness" {
			want = "/readyz"
		}
		if p.HTTPGet.Path != want || p.HTTPGet.Port != "admin" {
			t.Errorf("the %s probe asks for %+v, want %s on admin", name, p.HTTPGet, want)
		}
	}

	// Times: a drain is over before the pod is killed, and begins when no new clients are sent.
	grace := time.Duration(w.pod.Grace) * time.Second
	if timeout := time.Duration(cfg.Drain.Timeout); grace < timeout+10*time.Second {
		t.Errorf("Kubernetes kills after %v, drain.timeout is %v", grace, timeout)
	}
	noticed := time.Duration(c.Readiness.Period*c.Readiness.Failure) * time.Second
	if delay := time.Duration(cfg.Drain.Delay); delay <= noticed {
		t.Errorf("that a pod is not ready is noticed after %v, drain.delay is %v", noticed, delay)
	}

	// As little privilege as the systemd unit.
	sc, ps := c.SecurityContext, w.pod.SecurityContext
	if sc.Escalation == nil || *sc.Escalation || !sc.ReadOnlyRoot || !slices.Equal(sc.Capabilities.Drop, []string{"ALL"}) || len(sc.Capabilities.Add) > 0 {
		t.Errorf("the container may do too much: %+v", sc)
	}
	if !ps.RunAsNonRoot || ps.RunAsUser == 0 || ps.RunAsGroup == 0 || ps.FSGroup != ps.RunAsGroup || w.pod.Token == nil || *w.pod.Token {
		t.Errorf("the pod may do too much, or cannot read its secrets: %+v", ps)
	}
}

// portOf is the port of an address; that of "" is 0.
func portOf(t *testing.T, address string) int {
	t.Helper()
	if address == "" {
		return 0
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The manifests with NATS inside the nodes fit the configuration in them, and three
// nodes with that configuration are a fleet, whose probes answer.
func TestKubernetesNATS(t *testing.T) {
	ctx := within(t)
	w := kubernetes(t, "nats", "StatefulSet", 3, "statefulset.yaml", "routes.yaml")
	w.check(t)
	if w.Spec.Replicas != len(w.nodes) {
		t.Errorf("%d replicas", w.Spec.Replicas)
	}
	if len(w.Spec.Claims) != 1 || w.nodes[0].Broker.StoreDir == "" || w.nodes[0].Broker.StoreDir != w.container.mount(w.Spec.Claims[0].Metadata.Name) {
		t.Errorf("histories are in %q, where no disk is", w.nodes[0].Broker.StoreDir)
	}
	names := named(t, w.all, "Service", w.Spec.ServiceName)
	if names.Spec.ClusterIP != "None" || !names.Spec.PublishNotReady {
		t.Errorf("Service %s gives nodes no names from the start: %+v", names.Metadata.Name, names.Spec)
	}
	var routes []string
	for i, n := range w.nodes {
		routes = append(routes, fmt.Sprintf("sluice-%d.%s:%d", i, w.Spec.ServiceName, w.container.port("routes")))
		if got := n.Broker.Cluster.Advertise; got != routes[i] {
			t.Errorf("pod %d says that it is at %s, want %s", i, got, routes[i])
		}
	}
	if got := w.nodes[0].Broker.Cluster.Routes; !slices.Equal(got, routes) {
		t.Errorf("routes are %q, want %q", got, routes)
	}

	// The same on this machine: other addresses, disks and times.
	free := freePorts(t, len(w.nodes))
	for i, cfg := range w.nodes {
		cfg.Listeners[0].Address, cfg.Admin.Address = "127.0.0.1:0", "127.0.0.1:0"
		cfg.Broker.Cluster.Listen, cfg.Broker.Cluster.Advertise, cfg.Broker.Cluster.Routes = free[i], "", free
		cfg.Broker.StoreDir = t.TempDir()
		cfg.Drain = testConfig().Drain
	}
	nodes := startFleet(ctx, t, w.nodes)
	for _, n := range nodes {
		eventually(t, "a history", func() bool { return n.tryPublish("news.today") == nil })
		for _, p := range []probe{w.container.Startup, w.container.Liveness, w.container.Readiness} {
			resp, err := http.Get("http://" + n.AdminAddress() + p.HTTPGet.Path)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s answers %s", p.HTTPGet.Path, resp.Status)
			}
		}
	}
}

// The manifests with Redis behind the nodes fit the configuration in them.
func TestKubernetesRedis(t *testing.T) {
	w := kubernetes(t, "redis", "Deployment", 2, "deployment.yaml", "autoscaler.yaml")
	w.check(t)
	if w.Spec.Replicas != 0 {
		t.Errorf("%d replicas: with each kubectl apply, that would undo what the autoscaler did", w.Spec.Replicas)
	}
	if cfg := w.nodes[0]; cfg.Broker.Type != config.RedisBroker || !cfg.Rebalance.Enabled {
		t.Errorf("broker %v, rebalance %+v", cfg.Broker.Type, cfg.Rebalance)
	}
}
