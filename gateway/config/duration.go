package config

import (
	"errors"
	"strings"
	"time"
)

// Duration is a time.Duration that reads and prints as people write it.
type Duration time.Duration

var errDuration = errors.New("must be a duration with a unit, such as 500ms, 5s or 1m30s")

// ParseDuration reads Go's syntax: 500ms, 5s, 1m30s, 0.
func ParseDuration(s string) (Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errDuration
	}
	return Duration(d), nil
}

// String is Go's syntax without its empty parts: 1m, not 1m0s; 0s for zero.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDuration.
func (d *Duration) UnmarshalText(text []byte) error {
	n, err := ParseDuration(string(text))
	if err == nil {
		*d = n
	}
	return err
}
