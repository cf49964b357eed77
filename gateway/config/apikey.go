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
	if c.Admin.APIKeyFile != "" {
		if !c.Admin.APIKey.IsZero() {
			l.check(false, "admin.api_key_file", "admin.api_key and admin.api_key_file are both set: keep one of them", "admin.api_key")
			return
		}
		text, err := readKey(c.Admin.APIKeyFile)
		if err != nil {
			l.check(false, "admin.api_key_file", show(c.Admin.APIKeyFile)+" "+err.Error())
			return
		}
		c.Admin.APIKey = NewSecret(text)
		l.private("admin.api_key_file", c.Admin.APIKeyFile)
	} else if !c.Admin.APIKey.IsZero() {
		l.literal("admin.api_key", "admin.api_key_file")
	}
	key := c.Admin.APIKey.Reveal()
	l.check(key != Redacted, "admin.api_key", "is what stands for a key in printed configurations, not a key")
	l.check(strings.IndexFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0,
		"admin.api_key", "the key must be printable ASCII without spaces: it is sent in a header", "admin.api_key_file")
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
