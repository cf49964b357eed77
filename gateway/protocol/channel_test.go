package protocol

import (
	"slices"
	"strings"
	"testing"
)

func TestCheckChannel(t *testing.T) {
	for name, want := range map[string]string{
		"lobby":                                 "",
		"a":                                     "",
		"A-Z_a.z:0/9":                           "",
		"a_":                                    "",
		strings.Repeat("x", 40):                 "",
		strings.Repeat("a.", 15) + "a":          "",
		"":                                      "must not be empty",
		strings.Repeat("x", 41):                 "at most 40 bytes, this one 41",
		"_a":                                    "reserved",
		"$stats":                                "reserved",
		"a b":                                   "byte 1 is ' '",
		"a\x00":                                 "byte 1 is '\\x00'",
		"grün":                                  "byte 2",
		"a*":                                    "byte 1 is '*'",
		".a":                                    "empty segments",
		"a.":                                    "empty segments",
		"a..b":                                  "empty segments",
		strings.Repeat("a.", 16) + "a":          "at most 16 segments",
		"<script>":                              "byte 0 is '<'",
		"a\nb":                                  "byte 1",
		"\xff":                                  "byte 0",
		"a%2e":                                  "byte 1 is '%'",
		strings.Repeat("x", 20) + "\u202e" + "": "byte 20",
	} {
		err := CheckChannel(name, 40)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", name, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want ... %s ...", name, err, want)
		}
	}
}

// What is refused is told without the bytes that a log or a terminal would obey.
func TestCheckChannelIsPrintable(t *testing.T) {
	for b := range 256 {
		err := CheckChannel("a"+string([]byte{byte(b)}), 10)
		if err == nil {
			continue
		}
		for _, c := range err.Error() {
			if c < ' ' || c == 0x7F {
				t.Errorf("the message for byte %d has %q in it", b, c)
			}
		}
	}
}

// L9: an accepted name is one string everywhere: printable ASCII, no pattern of
// a broker, no other spelling in a URL that means it and is accepted too, at most
// 16 segments, none of them empty, and nothing that belongs to the system.
func FuzzChannelName(f *testing.F) {
	for _, s := range []string{"a..b", ".a", "a.", "%2e", "A", "a", "a*", "a.>", "#", "+", "$stats", "_x", "a%2eb", "\u0430", "a\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if CheckChannel(name, 255) != nil {
			return
		}
		for _, c := range []byte(name) {
			if c <= ' ' || c > '~' || strings.IndexByte("*>#+%?&=\"\\", c) >= 0 {
				t.Errorf("%q is accepted with %q in it", name, c)
			}
		}
		segments := strings.Split(name, ".")
		if len(segments) > MaxSegments || slices.Contains(segments, "") || name[0] == '$' || name[0] == '_' {
			t.Errorf("%q is accepted", name)
		}
		if strings.Join(segments, ".") != name {
			t.Errorf("%q does not come back from its segments", name)
		}
		got, err := RawChannels("channel=" + name)
		if err != nil || len(got) != 1 || got[0] != name {
			t.Errorf("%q is %q, %v in a URL", name, got, err)
		}
	})
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "anything", true},
		{"*", "", true},
		{"room.*", "room.1", true},
		{"room.*", "room.", true},
		{"room.*", "room", false},
		{"room", "room", true},
		{"room", "room.1", false},
		{"room", "Room", false},
		{"", "", true},
		{"", "a", false},
		{"a*b", "axb", false},
	} {
		if got := Match(c.pattern, c.name); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
}
