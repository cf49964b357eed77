package config

import "fmt"

// Redacted stands for a secret wherever one is printed.
const Redacted = "[redacted]"

// Secret is a text that no log, dump or error shows: every way of printing it
// gives Redacted, or nothing for the empty secret. The zero value is the empty secret.
type Secret struct{ text string }

// NewSecret keeps text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal is the text itself.
func (s Secret) Reveal() string { return s.text }

// IsZero says that there is no secret.
func (s Secret) IsZero() bool { return s.text == "" }

// String is Redacted, or "" for the empty secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return Redacted
}

// Format is String for every verb of fmt: %x or %#v would look inside.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'q' || f.Flag('#') {
		fmt.Fprintf(f, "%q", s.String())
		return
	}
	fmt.Fprint(f, s.String())
}

// MarshalText is String: what JSON, YAML and log encoders ask for.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
