package protocol

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRawResume(t *testing.T) {
	e4, e9 := Position{"e", 4}, Position{"E-x_9", 9}
	for _, c := range []struct {
		query string
		want  *Resume
		err   error
	}{
		{"", nil, nil},
		{"channel=a&x=1", nil, nil},
		{"since=e:4", &Resume{Since: []Since{{"", e4}}}, nil},
		{"since=e%3A4&channel=a", &Resume{Since: []Since{{"", e4}}}, nil},
		{"channel=a&since=e:4&channel=b&since=E-x_9:9", &Resume{Since: []Since{{"a", e4}, {"b", e9}}}, nil},
		{"channel=a&positions=true", &Resume{Positions: true}, nil},
		{"positions=1&since=e:4", &Resume{Positions: true, Since: []Since{{"", e4}}}, nil},
		{"positions=no", &Resume{}, nil},
		{"since=", nil, ErrPosition},
		{"since=4", nil, ErrPosition},
		{"since=:4", nil, ErrPosition},
		{"since=e:", nil, ErrPosition},
		{"since=e:-4", nil, ErrPosition},
		{"since=e:18446744073709551616", nil, ErrPosition},
		{"since=e%0A:4", nil, ErrPosition},
		{"since=" + strings.Repeat("e", 33) + ":1", nil, ErrPosition},
		{"since=%zz", nil, ErrQuery},
	} {
		got, err := RawResume(c.query)
		if !errors.Is(err, c.err) {
			t.Errorf("%q: %v, want %v", c.query, err, c.err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", c.query, d)
		}
	}
}

func TestResumeAt(t *testing.T) {
	r := &Resume{Since: []Since{{"", Position{"e", 1}}, {"b", Position{"e", 2}}}}
	for i, c := range []struct {
		channel string
		want    uint64
	}{{"a", 1}, {"b", 2}, {"c", 0}} {
		if got := r.At(i, c.channel); got.Offset != c.want {
			t.Errorf("channel %s: %v, want offset %d", c.channel, got, c.want)
		}
	}
	if got := (*Resume)(nil).At(0, "a"); got != (Position{}) {
		t.Errorf("nobody's resume: %v", got)
	}
}

func TestPositionRoundTrip(t *testing.T) {
	p := Position{"k3-1", 1<<64 - 1}
	if got, err := ParsePosition(p.String()); err != nil || got != p {
		t.Errorf("%v, %v", got, err)
	}
}
