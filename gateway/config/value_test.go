package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

func TestSize(t *testing.T) {
	tests := []struct {
		text  string
		want  Size
		print string
	}{
		{"0", 0, "0"},
		{"1", 1, "1"},
		{"65536", 64 * KiB, "64KiB"},
		{"64KiB", 64 * KiB, "64KiB"},
		{"64 KiB", 64 * KiB, "64KiB"},
		{"1024KiB", MiB, "1MiB"},
		{"1.5MiB", 1536 * KiB, "1536KiB"},
		{"0.5KiB", 512, "512"},
		{"2GiB", 2 * GiB, "2GiB"},
		{"3TiB", 3 * TiB, "3TiB"},
		{"64KB", 64000, "64000"},
		{"64kB", 64000, "64000"},
		{"1MB", 1e6, "1000000"},
		{"1GB", 1e9, "1000000000"},
		{"1TB", 1e12, "976562500KiB"},
		{"100B", 100, "100"},
		{"8388607TiB", 8388607 * TiB, "8388607TiB"},
		{"9223372036854775807", math.MaxInt64, "9223372036854775807"},
	}
	for _, tt := range tests {
		got, err := ParseSize(tt.text)
		if err != nil || got != tt.want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", tt.text, int64(got), err, int64(tt.want))
		}
		if s := got.String(); s != tt.print {
			t.Errorf("%q prints %q, want %q", tt.text, s, tt.print)
		}
		if again, err := ParseSize(got.String()); err != nil || again != got {
			t.Errorf("%q prints %q, which is %d, %v", tt.text, got, int64(again), err)
		}
	}
	for _, bad := range []string{
		"", " ", "-1", "+1", "KiB", "1kib", "1K", "1 KiB B", "1e3", "0x10", "1_000", "1.KiB", ".5KiB", "1.5.5KiB", "0.1KiB", "1.5", "1.0000000KiB",
		"8388608TiB", "8388607.9999999TiB", "9223372036854775808", "99999999999999999999", "1KiB2", "١KiB",
	} {
		if got, err := ParseSize(bad); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", bad, int64(got))
		}
	}
}

func TestDuration(t *testing.T) {
	tests := []struct {
		text  string
		want  time.Duration
		print string
	}{
		{"0", 0, "0s"},
		{"0s", 0, "0s"},
		{"5s", 5 * time.Second, "5s"},
		{"5.000s", 5 * time.Second, "5s"},
		{"60s", time.Minute, "1m"},
		{"90s", 90 * time.Second, "1m30s"},
		{"10m", 10 * time.Minute, "10m"},
		{"1h0m0s", time.Hour, "1h"},
		{"1h10m", 70 * time.Minute, "1h10m"},
		{"10h0m5s", 10*time.Hour + 5*time.Second, "10h0m5s"},
		{"500ms", 500 * time.Millisecond, "500ms"},
		{"1500ms", 1500 * time.Millisecond, "1.5s"},
		{"100h", 100 * time.Hour, "100h"},
		{"-1m", -time.Minute, "-1m"},
	}
	for _, tt := range tests {
		got, err := ParseDuration(tt.text)
		if err != nil || time.Duration(got) != tt.want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", tt.text, time.Duration(got), err, tt.want)
		}
		if s := got.String(); s != tt.print {
			t.Errorf("%q prints %q, want %q", tt.text, s, tt.print)
		}
		if again, err := ParseDuration(got.String()); err != nil || again != got {
			t.Errorf("%q prints %q, which is %v, %v", tt.text, got, again, err)
		}
	}
	for _, bad := range []string{"", "5", "s", "1d", "five", "1h ", "9999999999h"} {
		if got, err := ParseDuration(bad); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", bad, got)
		}
	}
}

// TestSecretO4: a canary appears in no output.
func TestSecretO4(t *testing.T) {
	const canary = "canary-5f2a"
	c := Default()
	c.Admin.APIKey = NewSecret(canary)
	outputs := map[string]string{"YAML()": string(c.YAML())}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		outputs[format+" of a secret"] = fmt.Sprintf(format, c.Admin.APIKey)
		outputs[format+" of its address"] = fmt.Sprintf(format, &c.Admin.APIKey)
		outputs[format+" of the configuration"] = fmt.Sprintf(format, *c)
		outputs[format+" of the section"] = fmt.Sprintf(format, &c.Admin)
	}
	marshal := func(name string, f func(any) ([]byte, error)) {
		text, err := f(c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		outputs[name] = string(text)
	}
	marshal("json", json.Marshal)
	marshal("yaml", yaml.Marshal)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", c.Admin.APIKey, "admin", c.Admin)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", c.Admin.APIKey, "admin", c.Admin)
	outputs["log"] = log.String()

	hexadecimal := fmt.Sprintf("%x", canary)
	for name, text := range outputs {
		if lower := strings.ToLower(text); strings.Contains(lower, canary) || strings.Contains(lower, hexadecimal) {
			t.Errorf("%s shows the secret: %s", name, text)
		}
	}
	if !strings.Contains(outputs["YAML()"], `api_key: "[redacted]"`) {
		t.Error("YAML does not say that there is a key")
	}
	if got := c.Admin.APIKey.Reveal(); got != canary {
		t.Errorf("Reveal() = %q", got)
	}
	if s := fmt.Sprint(Secret{}); s != "" {
		t.Errorf("the empty secret prints %q", s)
	}
}
