package gateway

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// object is what these tests look at in a Kubernetes object. That everything else
// in it is right, too, is for Kubernetes' own schemas: make lint-deploy.
type object struct {
	Kind       string
	Metadata   struct{ Name string }
	StringData map[string]string `yaml:"stringData"`
	Spec       struct {
		Replicas        int
		ServiceName     string `yaml:"serviceName"`
		ClusterIP       string `yaml:"clusterIP"`
		PublishNotReady bool   `yaml:"publishNotReadyAddresses"`
		MaxUnavailable  int    `yaml:"maxUnavailable"`
		Ports           []struct {
			Port       int
			TargetPort string `yaml:"targetPort"`
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     pod
		}
		Claims []struct {
			Metadata struct{ Name string }
		} `yaml:"volumeClaimTemplates"`
		// A Service has the labels here, a workload and a budget in matchLabels.
		Selector map[string]any
	}
}

// pod is the pod in a workload.
type pod struct {
	Grace           int   `yaml:"terminationGracePeriodSeconds"`
	Token           *bool `yaml:"automountServiceAccountToken"`
	SecurityContext struct {
		RunAsNonRoot bool `yaml:"runAsNonRoot"`
		RunAsUser    int  `yaml:"runAsUser"`
		RunAsGroup   int  `yaml:"runAsGroup"`
		FSGroup      int  `yaml:"fsGroup"`
		Seccomp      struct{ Type string }
	} `yaml:"securityContext"`
	Containers []container
	Volumes    []struct {
		Name      string
		ConfigMap struct{ Name string } `yaml:"configMap"`
		Secret    struct {
			SecretName  string `yaml:"secretName"`
			DefaultMode string `yaml:"defaultMode"`
		}
	}
}

// container is a pod's container.
type container struct {
	Args []string
	Env  []struct {
		Name, Value string
		ValueFrom   struct {
			FieldRef struct {
				FieldPath string `yaml:"fieldPath"`
			} `yaml:"fieldRef"`
		} `yaml:"valueFrom"`
	}
	Ports []struct {
		Name string
		Port int `yaml:"containerPort"`
	}
	Startup         probe `yaml:"startupProbe"`
	Liveness        probe `yaml:"livenessProbe"`
	Readiness       probe `yaml:"readinessProbe"`
	SecurityContext struct {
		Escalation   *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRoot bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities struct{ Add, Drop []string }
	} `yaml:"securityContext"`
	Mounts []struct {
		Name string
		Path string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

// probe is a question of the kubelet.
type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
	Period  int                         `yaml:"periodSeconds"`
	Failure int                         `yaml:"failureThreshold"`
}

// objects reads all documents of manifests.
func objects(t *testing.T, files ...string) (all []object) {
	t.Helper()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
			var o object
			err := d.Decode(&o)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			all = append(all, o)
		}
	}
	return all
}

// named is the object of a kind and a name.
func named(t *testing.T, all []object, kind, name string) object {
	t.Helper()
	i := slices.IndexFunc(all, func(o object) bool { return o.Kind == kind && o.Metadata.Name == name })
	if i < 0 {
		t.Fatalf("there is no %s %s", kind, name)
	}
	return all[i]
}

// environ is what the environment of the container is in a pod of that name.
func (c container) environ(t *testing.T, pod string) (all []string) {
	t.Helper()
	for _, e := range c.Env {
		value := e.Value
		switch e.ValueFrom.FieldRef.FieldPath {
		case "":
			for _, before := range all { // $(NAME) of those above
				name, v, _ := strings.Cut(before, "=")
				value = strings.ReplaceAll(value, "$("+name+")", v)
			}
		case "metadata.name":
			value = pod
		default:
			t.Fatalf("%s comes from %s, which this test does not know", e.Name, e.ValueFrom.FieldRef.FieldPath)
		}
		all = append(all, e.Name+"="+value)
	}
	return all
}

// mount is the directory in which the container sees a volume, or "".
func (c container) mount(volume string) string {
	for _, m := range c.Mounts {
		if m.Name == volume {
			return m.Path
		}
	}
	return ""
}

// port is the number of a port by its name, or 0.
func (c container) port(name string) int {
	for _, p := range c.Ports {
		if p.Name == name {
			return p.Port
		}
	}
	return 0
}
