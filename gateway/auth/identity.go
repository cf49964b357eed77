package auth

import (
	"errors"
	"time"

	"sluice/gateway/metrics"
)

// Identity is who a client is, as a verified token says; or nobody in
// particular, on an endpoint that lets such clients in. It is read only, and
// may be shared.
type Identity struct {
	// User is the token's sub; empty for anonymous clients.
	User string
	// TokenID is the token's jti; may be empty.
	TokenID string
	// Issued is the token's iat; zero if it has none.
	Issued time.Time
	// Expires is the token's exp; zero for anonymous clients.
	Expires time.Time
	// Subscribe and Publish are the channels that the token itself names.
	Subscribe, Publish []Pattern
	// Meta is the token's meta claim, a JSON object; nil if it has none.
	Meta []byte

	segment string // User as a segment of a channel name
}

// Anonymous is the identity of clients without a token: they may join what the
// patterns say, and publish nothing.
func Anonymous(subscribe []Pattern) *Identity { return &Identity{Subscribe: subscribe} }

// Refused is why a token is not taken. Nothing of the token stands in it.
type Refused struct{ Reason metrics.TokenRefusal }

// Error implements error.
func (r *Refused) Error() string { return "auth: token refused: " + r.Reason.String() }

// refuse is a refusal for a reason.
func refuse(r metrics.TokenRefusal) error { return &Refused{r} }

// ReasonOf is why err refuses a token. What is no refusal counts as malformed.
func ReasonOf(err error) metrics.TokenRefusal {
	var r *Refused
	if errors.As(err, &r) {
		return r.Reason
	}
	return metrics.TokenMalformed
}
