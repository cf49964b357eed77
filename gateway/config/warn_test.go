package config

import (
	"strings"
	"testing"
)

// A client that fragments what it sends shall get to the size limit, or the
// operator shall know that it does not (W3).
func TestFragmentsWarning(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"message_size: 512KiB", ""},
		{"message_size: 1MiB", "f.yaml:2:3: limits.fragments: clients that put 4KiB in each fragment"},
		{"message_size: 1MiB\n  fragments: 255", "f.yaml:3:14: limits.fragments: clients that put 4KiB in each fragment"},
		{"message_size: 1MiB\n  fragments: 256", ""},
	} {
		_, problems, warnings := loadText(Source{File: "f.yaml"}, []byte("limits:\n  "+tt.text+"\n"))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if got := warnings.String(); !strings.HasPrefix(got, tt.want) || (tt.want == "") != (got == "") {
			t.Errorf("%q: warnings %q, want %q", tt.text, got, tt.want)
		}
	}
}
