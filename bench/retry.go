package bench

import (
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Back-off of a client that cannot connect: a random wait of up to firstBackOff,
// twice as much with each failure, and never more than lastBackOff.
const (
	firstBackOff = 200 * time.Millisecond
	lastBackOff  = 5 * time.Second
)

// backOff is how long to wait after so many failures in a row.
func backOff(r *rand.Rand, failures int) time.Duration {
	most := min(firstBackOff<<min(failures-1, 10), lastBackOff)
	return time.Duration(r.Int64N(int64(most)))
}

// failureKind names why a dial failed, in a word or two.
func failureKind(err error) string {
	var status *statusError
	switch {
	case errors.As(err, &status):
		return "HTTP " + strings.Trim(status.status, "\x00 ")
	case errors.Is(err, errTimeout), errors.Is(err, unix.ETIMEDOUT):
		return "timeout"
	case errors.Is(err, unix.ECONNREFUSED):
		return "refused"
	case errors.Is(err, errRefused):
		return "refused by the protocol"
	case errors.Is(err, errEnded), errors.Is(err, unix.ECONNRESET):
		return "ended by the server"
	case errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return "no port or file left here"
	default:
		return "other"
	}
}
