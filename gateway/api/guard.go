package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
)

// keyHeader carries the API key.
const keyHeader = "X-Api-Key"

// A guard decides who may call. With a key, the key decides. Without one the
// listener is on loopback, where the danger is a web page in the operator's own
// browser, which can send requests there too: its name for this host (DNS
// rebinding) and its Origin (request forgery) give it away. The origin is
// looked at with a key as well.
type guard struct {
	// Static after construction.
	keyed bool
	key   [sha256.Size]byte
	cross *http.CrossOriginProtection
}

func newGuard(key string) guard {
	return guard{
		keyed: key != "",
		key:   sha256.Sum256([]byte(key)),
		cross: http.NewCrossOriginProtection(),
	}
}

// check is nil when r may go on.
func (g *guard) check(r *http.Request) *problem {
	if g.keyed {
		if !g.knows(r.Header[keyHeader]) {
			return fail(unauthorized, "the X-API-Key header must hold the configured key")
		}
	} else if !localName(r.Host) {
		return fail(forbidden, "without an API key, this listener is called by its IP address or as localhost, not as %s", quoted(r.Host))
	}
	if g.cross.Check(r) != nil {
		return fail(forbidden, "this listener takes no requests from web pages of other origins")
	}
	return nil
}

// knows compares hashes, in constant time: neither the key's bytes nor its
// length show in how long a refusal takes. A missing key is compared as well.
func (g *guard) knows(values []string) bool {
	given := ""
	if len(values) == 1 {
		given = values[0]
	}
	sum := sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(sum[:], g.key[:]) == 1
}

// localName says whether a Host header is one that no DNS server can claim.
// HTTP/1.0 callers may leave it out.
func localName(host string) bool {
	if host == "" || host == "localhost" {
		return true
	}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	if len(name) > 2 && name[0] == '[' && name[len(name)-1] == ']' {
		name = name[1 : len(name)-1]
	}
	_, err = netip.ParseAddr(name)
	return err == nil || name == "localhost"
}
