package api

import (
	"errors"
	"time"
)

// Revocation is what a revoke takes back: one of the three.
type Revocation struct {
	// User: this user's tokens that were issued up to now.
	User string
	// TokenID: the token with this jti.
	TokenID string
	// IssuedBefore: every token that was issued before it.
	IssuedBefore time.Time
}

// Errors of Options.Revoke.
var (
	// ErrAuthOff: this node asks nobody for a token.
	ErrAuthOff = errors.New("api: auth is off")
	// ErrRevocationsFull: as much is revoked as may be. Nothing was.
	ErrRevocationsFull = errors.New("api: the list of revocations is full")
)

// maxName is the longest user or token id, in bytes.
const maxName = 255

// Cut is what became of connections that were to be closed.
type Cut struct {
	// Connections that were.
	Connections int `json:"connections"`
	// Missing are nodes that did not answer: there may be more on them.
	Missing []string `json:"missing,omitempty"`
	// Pending: the broker is down. Of a revocation the other nodes are told when it is back.
	Pending bool `json:"pending,omitempty"`
}

// revoke takes tokens back: connections with them are closed, and they are
// refused from now on.
func (s *Server) revoke(body []byte) (any, *problem) {
	r, p := decodeRevoke(body, time.Now())
	if p != nil {
		return nil, p
	}
	n, err := s.options.Revoke(r)
	switch {
	case err == nil:
		s.log.Info().Int("connections", n.Connections).Strs("missing", n.Missing).Msg("revoked")
		return resultAnswer{n}, nil
	case errors.Is(err, ErrAuthOff):
		return nil, fail(authOff, "auth is off on this node: there are no tokens")
	case errors.Is(err, ErrRevocationsFull):
		return nil, fail(revocationsFull, "auth.max_revocations users and tokens are revoked already; nothing was revoked")
	default:
		s.log.Error().Err(err).Msg("revoke failed")
		return nil, fail(internalError, "nothing could be revoked; the node's log says why")
	}
}

// decodeRevoke reads {"user": id}, {"token_id": id} or {"issued_before": seconds}.
func decodeRevoke(body []byte, now time.Time) (r Revocation, p *problem) {
	p = scan(body, func(s *scanner) *problem {
		given, p := s.object("the request", []string{"user", "token_id", "issued_before"}, func(i int) (p *problem) {
			switch i {
			case 0:
				r.User, p = s.name(`"user"`)
			case 1:
				r.TokenID, p = s.name(`"token_id"`)
			default:
				var n int
				if n, p = s.whole(`"issued_before"`, 11); p != nil {
					return p
				}
				// What lies in the future would refuse tokens that are not made yet.
				if n < 1 || int64(n) > now.Unix()+1 {
					return fail(invalidRequest, `"issued_before" must be seconds since 1970, and not in the future`)
				}
				r.IssuedBefore = time.Unix(int64(n), 0)
			}
			return p
		})
		if p == nil && given != 1 && given != 2 && given != 4 {
			return fail(invalidRequest, `the request must have exactly one of "user", "token_id" and "issued_before"`)
		}
		return p
	})
	return r, p
}

// name reads the id of a user or a token.
func (s *scanner) name(what string) (string, *problem) {
	text, p := s.text(what)
	if p != nil {
		return "", p
	}
	if len(text) == 0 || len(text) > maxName {
		return "", fail(invalidRequest, "%s must have 1 to %d bytes", what, maxName)
	}
	return string(text), nil
}
