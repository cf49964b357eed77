package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"sluice/gateway/config"
)

// TestFail holds what a person reads when something fails, and the exit code.
func TestFail(t *testing.T) {
	socket := func(errno syscall.Errno) error {
		return fmt.Errorf("gateway: listen: %w", &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", errno)})
	}
	tests := []struct {
		name string
		err  error
		code int
		want []string // the beginnings of the lines
	}{
		{"nothing", nil, 0, nil},
		{"reported", errQuiet, 1, nil},
		{"plain", errors.New("it broke"), 1, []string{"sluice: it broke"}},
		{"in use", socket(syscall.EADDRINUSE), 1, []string{"sluice: gateway: listen: ", "hint: another process"}},
		{"not ours", socket(syscall.EADDRNOTAVAIL), 1, []string{"sluice: ", "hint: this host does not have"}},
		{"privileged port", socket(syscall.EACCES), 1, []string{"sluice: ", "hint: ports below 1024"}},
		{"no descriptors", socket(syscall.EMFILE), 1, []string{"sluice: ", "hint: no descriptor is left; sluice doctor"}},
		{"command line", usageError{errors.New("unknown flag --x")}, 2, []string{"sluice: unknown flag --x", "hint: sluice --help"}},
		{
			"configuration",
			problemsError{config.Problems{{File: "a.yaml", Line: 1, Col: 2, Key: "hub", Message: "no"}, {File: "--set", Message: "no"}}},
			2,
			[]string{"a.yaml:1:2: hub: no", "--set: no"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if code := fail(&out, tt.err); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			var lines []string
			for line := range strings.Lines(out.String()) {
				lines = append(lines, line)
			}
			if len(lines) != len(tt.want) {
				t.Fatalf("got %q", lines)
			}
			for i, line := range lines {
				if !strings.HasPrefix(line, tt.want[i]) || !strings.HasSuffix(line, "\n") {
					t.Errorf("got %q, want %q...", line, tt.want[i])
				}
			}
		})
	}
}

func TestBrowse(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080/",
		"0.0.0.0:80":     "http://127.0.0.1:80/",
		"[::]:8080":      "http://127.0.0.1:8080/",
		":8080":          "http://127.0.0.1:8080/",
		"[::1]:8080":     "http://[::1]:8080/",
		"example.org:1":  "http://example.org:1/",
	} {
		if got := browse(address); got != want {
			t.Errorf("browse(%q) = %q, want %q", address, got, want)
		}
	}
}
