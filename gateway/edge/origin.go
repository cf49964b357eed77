package edge

import "strings"

// Origins are the pages whose scripts may connect to an endpoint. They are read only.
type Origins struct {
	// Allow are https://app.example.com, https://*.example.com, or *. None: the
	// same host and port as the request's own.
	Allow []string
	// Required: a request without an Origin is refused. It is no browser's, and
	// is let in otherwise: the check protects users of browsers from other sites
	// (RFC 6455 section 10.2).
	Required bool
}

// allow says whether a request of this origin ("" for none) to this host may connect.
func (o *Origins) allow(origin, host string) bool {
	if origin == "" {
		return !o.Required
	}
	allow := o.Allow
	scheme, rest, ok := strings.Cut(origin, "://")
	if !ok && !anyOrigin(allow) {
		return false // "null", and what is no origin at all
	}
	if len(allow) == 0 {
		return webScheme(scheme) && strings.EqualFold(withoutPort(rest, scheme), withoutPort(host, scheme))
	}
	for _, a := range allow {
		if a == "*" || strings.EqualFold(a, origin) || subdomain(a, origin) {
			return true
		}
	}
	return false
}

func anyOrigin(allow []string) bool {
	for _, a := range allow {
		if a == "*" {
			return true
		}
	}
	return false
}

// webScheme says whether pages of a site have origins like this: what calls itself
// file://HOST or app://HOST is no page of the host.
func webScheme(scheme string) bool {
	return strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")
}

// withoutPort removes the port that the scheme implies.
func withoutPort(host, scheme string) string {
	switch {
	case strings.EqualFold(scheme, "http"):
		return strings.TrimSuffix(host, ":80")
	case strings.EqualFold(scheme, "https"):
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

// subdomain matches patterns like https://*.example.com: any subdomain, with a
// label boundary.
func subdomain(pattern, origin string) bool {
	scheme, domain, ok := strings.Cut(pattern, "://*.")
	if !ok {
		return false
	}
	prefix := scheme + "://"
	if len(origin) <= len(prefix)+len(domain)+1 || !strings.EqualFold(origin[:len(prefix)], prefix) {
		return false
	}
	at := len(origin) - len(domain)
	return origin[at-1] == '.' && strings.EqualFold(origin[at:], domain)
}
