package ws

// set is a set of bytes.
type set [256]bool

const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

var (
	// isToken: what header names and subprotocols are made of (RFC 9110 section 5.6.2).
	isToken = setOf("!#$%&'*+-.^_`|~" + alphanumeric)

	// isHost: what a name, an address or a port may have in it. No comma, and
	// no "@" or "/", at which readers of URLs disagree.
	isHost = setOf("-._~%:[]" + alphanumeric)

	// isTarget: visible ASCII but "#", which would start a fragment. This is
	// more than RFC 3986 has, because browsers send it in queries.
	isTarget = setOf("!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~" + alphanumeric)
)

func setOf(chars string) (s set) {
	for i := range len(chars) {
		s[chars[i]] = true
	}
	return s
}

// validHost checks the value of Host (RFC 9110 section 7.2), which has to name something.
func validHost(s string) bool {
	for i := range len(s) {
		if !isHost[s[i]] {
			return false
		}
	}
	return s != ""
}
