package config

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"
)

// What a client of NATS would trip over when it connects is said by check, at its place.
func TestNATSFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	part := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT"}`))
	token := strings.Join([]string{part, part, "c2lnbmVk"}, ".")
	user, account := seed(t, nkeys.CreateUser), seed(t, nkeys.CreateAccount)
	credentials := func(token, seed string) string {
		return fmt.Sprintf("-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n", token, seed)
	}
	for name, text := range map[string]string{
		"good.creds": credentials(token, user), "noise.creds": credentials("hello", user), "account.creds": credentials(token, account),
		"jwt": token, "seed": user + "\n", "account": account, "typo": user[:20] + "A" + user[21:] + "A", "noise": "hello\n", "empty": " \n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod("seed", 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", ".")
	const noSeed = "has no seed of a user's nkey, which begins with SU"
	const noJWT = "has no JWT of a user: it must be a file of credentials, such as nsc makes"
	for _, tt := range []struct{ text, want string }{
		{"credentials_file: good.creds", ""},
		{"credentials_file: ~/good.creds", ""}, // as the client reads it
		{"credentials_file: $HOME/good.creds", ""},
		{"credentials_file: none", `4:21: broker.credentials_file: "none" cannot be read: no such file or directory`},
		{"credentials_file: .", `4:21: broker.credentials_file: "." cannot be read: is a directory`},
		{"credentials_file: empty", `4:21: broker.credentials_file: "empty" is empty`},
		{"credentials_file: noise", `4:21: broker.credentials_file: "noise" ` + noJWT},
		{"credentials_file: noise.creds", `4:21: broker.credentials_file: "noise.creds" ` + noJWT},
		{"credentials_file: seed", `4:21: broker.credentials_file: "seed" ` + noJWT},
		{"credentials_file: jwt", `4:21: broker.credentials_file: "jwt" ` + noSeed},
		{"credentials_file: account.creds", `4:21: broker.credentials_file: "account.creds" ` + noSeed},
		{"nkey_file: seed", ""},
		{"nkey_file: none", `4:14: broker.nkey_file: "none" cannot be read: no such file or directory`},
		{"nkey_file: empty", `4:14: broker.nkey_file: "empty" is empty`},
		{"nkey_file: noise", `4:14: broker.nkey_file: "noise" ` + noSeed},
		{"nkey_file: typo", `4:14: broker.nkey_file: "typo" ` + noSeed},
		{"nkey_file: account", `4:14: broker.nkey_file: "account" ` + noSeed},
		{"nkey_file: seed\n  credentials_file: good.creds", "4:14: broker.nkey_file: broker.credentials_file and broker.nkey_file are both set: keep one of them"},
		{"embedded: true\n  nkey_file: none", "3:8: broker.url: has no effect unless broker is type: nats, embedded: false: set that, or leave this out\n" +
			"f.yaml:5:14: broker.nkey_file: has no effect unless broker is type: nats, embedded: false: set that, or leave this out"},
	} {
		_, problems, warnings := loadText(Source{File: "f.yaml"}, []byte("broker:\n  type: nats\n  url: [nats://10.0.0.5:4222]\n  "+tt.text+"\n"))
		want := ""
		if tt.want != "" {
			want = "f.yaml:" + tt.want + "\n"
		}
		if got := problems.String(); got != want {
			t.Errorf("%s\ngot  %swant %s", tt.text, got, want)
		}
		if strings.Contains(problems.String(), user[:20]) {
			t.Errorf("%s: the seed is shown", tt.text)
		}
		if warned := strings.Contains(warnings.String(), `"seed" holds a secret`); warned != strings.HasPrefix(tt.text, "nkey_file: seed") {
			t.Errorf("%s: warnings %s", tt.text, warnings)
		}
	}
}

// seed is a new key's, as text.
func seed(t *testing.T, create func() (nkeys.KeyPair, error)) string {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	text, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
