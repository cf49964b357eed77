package edge

import "strings"

// hostAllowed says whether a client may ask for this host: one of the list,
// without regard to case; with its port where the entry has one. An empty list is
// any host. (A page on the web can reach a node by a private address under a name
// of its own, and would pass for one of the same origin: DNS rebinding.)
func hostAllowed(host string, allow []string) bool {
	if len(allow) == 0 {
		return true
	}
	name := host
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		name = host[:i]
	}
	for _, entry := range allow {
		candidate := name
		if i := strings.LastIndexByte(entry, ':'); i > strings.LastIndexByte(entry, ']') {
			candidate = host
		}
		domain, wild := strings.CutPrefix(entry, "*.")
		if !wild && strings.EqualFold(candidate, entry) {
			return true
		}
		at := len(candidate) - len(domain)
		if wild && at > 1 && candidate[at-1] == '.' && strings.EqualFold(candidate[at:], domain) {
			return true
		}
	}
	return false
}
