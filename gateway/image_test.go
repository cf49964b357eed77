package gateway

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The image is built by the Go version of go.mod, runs as the user that the
// Kubernetes manifests name, and says which ports they use.
func TestImage(t *testing.T) {
	text, err := os.ReadFile("../configs/docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for line := range strings.SplitSeq(string(text), "\n") {
		if word, rest, ok := strings.Cut(line, " "); ok && word != "#" {
			got[word] = append(got[word], rest)
		}
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)
	if version == nil {
		t.Fatal("go.mod names no version")
	}
	if from := got["FROM"]; len(from) != 2 || !strings.HasPrefix(from[0], "golang:"+string(version[1])+"-") {
		t.Errorf("it is built from %q, and go.mod says %s", from, version[1])
	}
	w := kubernetes(t, "nats", "StatefulSet", 1, "statefulset.yaml", "routes.yaml")
	for word, want := range map[string]string{
		"USER":       "65532:65532",
		"EXPOSE":     "8080 8081 6222",
		"ENTRYPOINT": `["/usr/local/bin/sluice"]`,
		"CMD":        `["` + strings.Join(w.container.Args, `", "`) + `"]`,
	} {
		if !slices.Equal(got[word], []string{want}) {
			t.Errorf("%s is %q, want %q", word, got[word], want)
		}
	}
	if c, u := w.container, w.pod.SecurityContext; c.port("clients") != 8080 || c.port("admin") != 8081 || c.port("routes") != 6222 || u.RunAsUser != 65532 || u.RunAsGroup != 65532 {
		t.Errorf("the manifests have other ports or another user: %+v, %+v", c.Ports, u)
	}
}
