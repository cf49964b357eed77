package config

import (
	"errors"
	"io"
	"os"
	"strings"
)

// maxKey is the most that is read of a key's file, in bytes.
const maxKey = 4096

// adminKey reads the key's file, and checks the key wherever it came from.
func (l *loader) adminKey(c *Config) {
	if !l.secret(&c.Admin.APIKey, c.Admin.APIKeyFile, "admin.api_key") {
		return
	}
	key := c.Admin.APIKey.Reveal()
	l.check(key != Redacted, "admin.api_key", "is what stands for a key in printed configurations, not a key")
	l.check(strings.IndexFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0,
		"admin.api_key", "the key must be printable ASCII without spaces: it is sent in a header", "admin.api_key_file")
}

// secret takes the value of a secret's key from its file, if there is one, whose
// key has the same name and _file. False: it is wrong, and that is reported.
func (l *loader) secret(s *Secret, file, key string) bool {
	fileKey := key + "_file"
	switch {
	case file == "" && !s.IsZero():
		l.literal(key, fileKey)
	case file == "":
	case !s.IsZero():
		l.check(false, fileKey, key+" and "+fileKey+" are both set: keep one of them", key)
		return false
	default:
		text, err := readKey(file)
		if err != nil {
			l.check(false, fileKey, show(file)+" "+err.Error())
			l.broken[key] = true // what follows from a secret that is not there would be wrong
			return false
		}
		*s = NewSecret(text)
		l.private(fileKey, file)
	}
	return true
}

// readKey returns the content of a file without white space around it.
func readKey(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", errors.New("cannot be read: " + cause(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKey+1))
	if err != nil {
		return "", errors.New("cannot be read: " + cause(err))
	}
	key := strings.TrimSpace(string(text))
	switch {
	case len(text) > maxKey:
		return "", errors.New("is larger than 4KiB")
	case key == "":
		return "", errors.New("is empty")
	}
	return key, nil
}
