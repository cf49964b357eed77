package protocol

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

func TestRawChannels(t *testing.T) {
	for _, c := range []struct {
		query string
		want  []string
		err   error
	}{
		{"", nil, nil},
		{"&&&", nil, nil},
		{"channel=a", []string{"a"}, nil},
		{"channel=b&channel=a", []string{"b", "a"}, nil},
		{"x=1&channel=a&y&channel=b&", []string{"a", "b"}, nil},
		{"channel=a&channel=a&channel=%61", []string{"a"}, nil},
		{"channel", []string{""}, nil},
		{"channel=", []string{""}, nil},
		{"Channel=a", nil, nil},
		{"channel=a=b", []string{"a=b"}, nil},
		{"channel=a%26b", []string{"a&b"}, nil},
		{"channel=%", nil, ErrQuery},
		{"other=%&channel=a", []string{"a"}, nil},
	} {
		got, err := RawChannels(c.query)
		if !errors.Is(err, c.err) {
			t.Errorf("%q: %v, want %v", c.query, err, c.err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", c.query, d)
		}
	}
}

// C2: of very many names each comes once, too. (As long as the largest request
// allows, which took 2.3 s when each was compared with all before it.)
func TestRawChannelsMany(t *testing.T) {
	const many = 40_000
	var query []byte
	for i := range many {
		query = fmt.Appendf(query, "channel=%x&channel=%x&", i, i/2)
	}
	got, err := RawChannels(string(query))
	if err != nil || len(got) != many {
		t.Fatalf("%d names, %v", len(got), err)
	}
	for i, name := range got {
		if name != fmt.Sprintf("%x", i) {
			t.Fatalf("name %d is %q", i, name)
		}
	}
}

// What is returned does not point into the query, which lies in a poller's buffer.
func TestRawChannelsCopies(t *testing.T) {
	query := []byte("channel=abc")
	got, err := RawChannels(unsafe.String(&query[0], len(query)))
	if err != nil {
		t.Fatal(err)
	}
	copy(query, "xxxxxxxxxxx")
	if got[0] != "abc" {
		t.Errorf("got %q", got)
	}
}

// The standard library's reading of a query is the same, but for semicolons
// and keys that are escaped.
func FuzzRawChannels(f *testing.F) {
	for _, q := range []string{"", "channel=a&channel=b", "channel=%61+&x=y", "channel=%zz", "&=&channel"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		got, err := RawChannels(query)
		if err != nil {
			return
		}
		for i, name := range got {
			if slices.Index(got, name) != i {
				t.Errorf("%q: %q twice", query, name)
			}
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		for _, name := range got {
			if !slices.Contains(values["channel"], name) {
				t.Errorf("%q: %q, where net/url has %q", query, name, values["channel"])
			}
		}
	})
}
