package edge

import "testing"

// C6: which pages may connect.
func TestOriginAllowed(t *testing.T) {
	list := []string{"https://app.example.com", "https://*.example.org", "http://localhost:3000"}
	for _, c := range []struct {
		name, origin, host string
		allow              []string
		want               bool
	}{
		{"no browser", "", "gw.example.com", nil, true},
		{"no browser, with a list", "", "gw.example.com", list, true},
		{"same host", "http://gw.example.com", "gw.example.com", nil, true},
		{"same host and port", "http://127.0.0.1:8080", "127.0.0.1:8080", nil, true},
		{"same host, upper case", "HTTP://GW.example.COM", "gw.example.com", nil, true},
		{"default port written out", "https://gw.example.com", "gw.example.com:443", nil, true},
		{"other port", "http://127.0.0.1:8081", "127.0.0.1:8080", nil, false},
		{"other host", "http://evil.example", "gw.example.com", nil, false},
		{"own host, as a file", "file://gw.example.com", "gw.example.com", nil, false},
		{"own host, as an app", "app://gw.example.com", "gw.example.com", nil, false},
		{"null", "null", "gw.example.com", nil, false},
		{"null, with a list", "null", "gw.example.com", list, false},
		{"on the list", "https://app.example.com", "x", list, true},
		{"on the list, upper case", "https://APP.example.com", "x", list, true},
		{"other scheme", "http://app.example.com", "x", list, false},
		{"other port than listed", "https://app.example.com:8443", "x", list, false},
		{"longer than listed", "https://app.example.com.evil.tld", "x", list, false},
		{"own host is not on the list", "https://x", "x", list, false},
		{"subdomain", "https://a.example.org", "x", list, true},
		{"subdomain of a subdomain", "https://a.b.example.org", "x", list, true},
		{"no label boundary", "https://evilexample.org", "x", list, false},
		{"the domain itself", "https://example.org", "x", list, false},
		{"an empty label", "https://.example.org", "x", list, false},
		{"subdomain, other scheme", "http://a.example.org", "x", list, false},
		{"any", "http://evil.example", "x", []string{"*"}, true},
		{"any, null", "null", "x", []string{"*"}, true},
	} {
		for _, required := range []bool{false, true} {
			o := Origins{Allow: c.allow, Required: required}
			if got, want := o.allow(c.origin, c.host), c.want && (c.origin != "" || !required); got != want {
				t.Errorf("%s, required %v: %q of %q is allowed: %v", c.name, required, c.origin, c.host, got)
			}
		}
	}
}
