package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// O4: secrets come from files and from the environment; in the configuration
// file, and in files that others may read, they are allowed with a warning.
// They are printed nowhere.
func TestO4Secrets(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
		return path
	}
	private, public := write("private", testSecret+"\n", 0o640), write("public", testSecret, 0o644)
	const head = "auth:\n  issuer: i\n  audience: a\n  keys:\n    - algorithm: HS256\n"
	for _, c := range []struct {
		name, text string
		env        []string
		want       []string
	}{
		{"a file", head + "      secret_file: " + private + "\n", nil, nil},
		{"the environment", head, []string{"SLUICE_AUTH_KEYS_0_SECRET=" + testSecret}, nil},
		{"a file for all", head + "      secret_file: " + public + "\n", nil, []string{"6:20: auth.keys.0.secret_file: ", "-rw-r--r--: chmod 0640"}},
		{"a literal", head + "      secret: " + testSecret + "\nadmin:\n  api_key: k\n", nil, []string{
			"6:15: auth.keys.0.secret: a secret stands in the configuration file itself: use secret_file", "8:12: admin.api_key: ",
		}},
	} {
		file := write("sluice.yaml", c.text, 0o600)
		cfg, problems, warnings := LoadAndWarn(Source{File: file, Env: c.env})
		if len(problems) > 0 {
			t.Fatalf("%s: %v", c.name, problems)
		}
		text := warnings.String()
		if len(c.want) == 0 && text != "" {
			t.Errorf("%s: %s", c.name, text)
		}
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in %s", c.name, want, text)
			}
		}
		if cfg.Auth.Keys[0].Secret.Reveal() != testSecret {
			t.Errorf("%s: the secret was not read", c.name)
		}
		if printed := string(cfg.YAML()); strings.Contains(printed+text, testSecret[:8]) {
			t.Errorf("%s: the secret is printed", c.name)
		}
		if fromFile := strings.Contains(c.text, "secret_file"); fromFile {
			again, problems := load(Source{File: "printed.yaml"}, cfg.YAML())
			if len(problems) > 0 {
				t.Fatalf("%s: what is printed: %v", c.name, problems)
			}
			if d := cmp.Diff(cfg, again, secrets); d != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, d)
			}
		}
	}
}

// A3: secrets that are too short, or that everyone knows, are refused at start, and not repeated.
func TestA3Secrets(t *testing.T) {
	for _, secret := range []string{"canary", strings.Repeat("canary", 10), "changeme-changeme-changeme-changeme", Redacted} {
		_, problems := Load(Source{Set: []string{"auth.keys.0={algorithm: HS256, secret: '" + secret + "'}", "auth.issuer=i", "auth.audience=a"}})
		if len(problems) != 1 || problems[0].Key != "auth.keys.0.secret" || strings.Contains(problems.String(), secret) {
			t.Errorf("%q: %v", secret, problems)
		}
	}
}
