package bench

import (
	"fmt"
	"net/netip"
	"strings"
)

// ParseSources reads local addresses: "127.0.0.1", "127.0.0.1-127.0.0.32", or
// several of both, separated by commas.
func ParseSources(s string) ([]string, error) {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		from, to, ranged := strings.Cut(strings.TrimSpace(part), "-")
		a, err := netip.ParseAddr(from)
		if err != nil {
			return nil, fmt.Errorf("bench: sources: %w", err)
		}
		b := a
		if ranged {
			if b, err = netip.ParseAddr(to); err != nil {
				return nil, fmt.Errorf("bench: sources: %w", err)
			}
		}
		if a.BitLen() != b.BitLen() || b.Less(a) {
			return nil, fmt.Errorf("bench: sources: %s is no range", part)
		}
		for ; !b.Less(a); a = a.Next() {
			if len(out) == 4096 {
				return nil, fmt.Errorf("bench: sources: more than 4096 addresses")
			}
			out = append(out, a.String())
		}
	}
	return out, nil
}
