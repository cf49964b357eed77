package config

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nkeys"
)

// natsFiles reads the files by which this node proves to a NATS server who it is: the
// client looks into them when it connects, and a node would start and never be ready.
func (l *loader) natsFiles(b *Broker) {
	l.check(b.CredentialsFile == "" || b.NKeyFile == "", "broker.nkey_file",
		"broker.credentials_file and broker.nkey_file are both set: keep one of them", "broker.credentials_file")
	for _, f := range []struct {
		key, name, path string
		problem         func(text []byte) error
	}{
		{"broker.credentials_file", b.CredentialsFile, expand(b.CredentialsFile), credentialsProblem},
		{"broker.nkey_file", b.NKeyFile, b.NKeyFile, seedProblem},
	} {
		if f.name == "" {
			continue
		}
		text, err := readFile(f.path)
		if err == nil && len(strings.TrimSpace(string(text))) == 0 {
			err = errors.New("is empty")
		}
		if err == nil {
			err = f.problem(text)
		}
		if err != nil {
			l.check(false, f.key, show(f.name)+" "+err.Error())
			continue
		}
		l.private(f.key, f.path)
	}
}

// expand is the path of credentials as the client opens it, with ~ and variables.
func expand(path string) string {
	path = os.ExpandEnv(path)
	if below, home := strings.CutPrefix(path, "~"); home {
		return filepath.Join(os.Getenv("HOME"), below)
	}
	return path
}

// credentialsProblem says what a file of credentials lacks: a JWT, and the seed of a user.
func credentialsProblem(text []byte) error {
	token, err := nkeys.ParseDecoratedJWT(text)
	if err != nil || !isJWT(token) {
		return errors.New("has no JWT of a user: it must be a file of credentials, such as nsc makes")
	}
	return seedProblem(text)
}

// seedProblem says that a file has no seed of a user's nkey.
func seedProblem(text []byte) error {
	pair, err := nkeys.ParseDecoratedUserNKey(text)
	if err != nil { // which says nothing of what is there
		return errors.New("has no seed of a user's nkey, which begins with SU")
	}
	pair.Wipe()
	return nil
}

// isJWT says that text has the form of a JWT. Whether it is good, the server says.
func isJWT(text string) bool {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return false
	}
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	return err == nil && json.Valid(header)
}
