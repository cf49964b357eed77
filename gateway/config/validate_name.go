package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"sluice/gateway/protocol"
)

// pathProblem says what is wrong with an endpoint's path, or "".
func pathProblem(path string) string {
	if !strings.HasPrefix(path, "/") {
		return "must start with /, not " + show(path)
	}
	if i := strings.IndexFunc(path, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '?' || r == '#' }); i >= 0 {
		return fmt.Sprintf("must be the path alone, percent-encoded, without a query, not %s", show(path))
	}
	return ""
}

// channelProblem says what is wrong with a channel name, or "". The rules are
// those for names that clients send, so that what is configured can be joined.
func channelProblem(name string, longest int) string {
	if err := protocol.CheckChannel(name, longest); err != nil {
		return show(name) + ": " + err.Error()
	}
	return ""
}

// patternProblem is channelProblem for an exact name, or a prefix and a *.
func patternProblem(pattern string, longest int) string {
	prefix, isPrefix := strings.CutSuffix(pattern, "*")
	switch {
	case isPrefix && prefix == "":
		return ""
	case strings.Contains(prefix, "*"):
		return show(pattern) + ": a * stands at the end only"
	case isPrefix:
		prefix = strings.TrimSuffix(prefix, ".") // chat.* is the usual form
	}
	return channelProblem(prefix, longest)
}

// originProblem says what is wrong with an entry of an origin list, or "".
func originProblem(origin string) string {
	const form = `must be "*" or scheme://host[:port], such as https://app.example.com or https://*.example.com, not `
	if origin == "*" {
		return ""
	}
	if strings.EqualFold(origin, "null") {
		return `"null" is what sandboxed pages and local files of anyone send: it cannot be allowed`
	}
	scheme, host, ok := strings.Cut(origin, "://")
	if !ok || !isScheme(scheme) || host == "" {
		return form + show(origin)
	}
	if before, _, slash := strings.Cut(host, "/"); slash {
		return "an origin has no path: write " + redact(scheme+"://"+before)
	}
	for web, port := range map[string]string{"http": ":80", "https": ":443"} {
		if before, ok := strings.CutSuffix(host, port); ok && strings.EqualFold(scheme, web) {
			return "browsers leave out the port that the scheme implies: write " + redact(scheme+"://"+before)
		}
	}
	if name, ok := strings.CutPrefix(host, "*."); ok {
		if scheme != "https" || !strings.Contains(strings.Trim(name, "."), ".") {
			return "a wildcard must be https://*. and a domain of two labels or more, such as https://*.example.com, not " + show(origin)
		}
		host = name
	}
	if !isHostAndPort(host) {
		return form + show(origin)
	}
	return ""
}

// isScheme follows RFC 3986, section 3.1.
func isScheme(s string) bool {
	for i, r := range []byte(strings.ToLower(s)) {
		isLetter := r >= 'a' && r <= 'z'
		if !isLetter && (i == 0 || (r < '0' || r > '9') && r != '+' && r != '-' && r != '.') {
			return false
		}
	}
	return s != ""
}

// isHostAndPort says that s is a host, or an address in an origin's form
// (IPv6 in brackets), with a port from 1 to 65535 or none.
func isHostAndPort(s string) bool {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port = s[:i], s[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		ip, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return err == nil && ip.Is6() && ip.Zone() == "" && strings.HasSuffix(inner, "]")
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Is4() || isHostname(host)
}
