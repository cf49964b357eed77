// Package auth finds out who a client is and what it may do: it verifies
// tokens (JWT, RFC 7519, by the advice of RFC 8725) and decides about
// channels. It is pure: bytes and a time in, a decision out. It knows no
// sockets and no sessions, and fetches nothing.
//
//	token ─▶ Verifier: key by kid, signature, times, claims, Revocations ─▶ Identity
//	Identity, channel ─▶ Policy: the rules of the channel's namespace ─▶ yes or no
package auth
