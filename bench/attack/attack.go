package attack

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Attack is one kind of hostile client.
type Attack struct {
	Name  string
	About string // what it does, in one line
	Wants string // what a server should do about it, in words
	// TLS: it makes sense against wss alone. Auth: it needs an endpoint that asks
	// for a token.
	TLS, Auth bool
	// Few > 0: it comes from FewSources addresses, as it is about limits by address.
	// They are others than those of other attacks, which may be barred: it says which.
	Few int
	// holds: that attempts last to the end is no breach, where it lasts as long.
	holds bool
	// prepare makes what attempts send, before the first of them; nil: there is nothing to make.
	prepare func()
	// attempt is one connection, from its dial to its end; worker is whose, from 0.
	attempt func(a *assault, worker int) outcome
}

// FewSources is how many addresses an attack with Few comes from.
const FewSources = 4

// All are all there are, in the order in which they are played.
func All() []Attack {
	var all []Attack
	for _, group := range [][]Attack{drips(), requests(), frames(), floods(), secure()} {
		all = append(all, group...)
	}
	return all
}

// Named is false when there is none.
func Named(name string) (Attack, bool) {
	for _, a := range All() {
		if a.Name == name {
			return a, true
		}
	}
	return Attack{}, false
}

// Order is what to play, as data.
type Order struct {
	Attack  string `json:"attack"`
	URL     string `json:"url"`               // ws://host:port/path or wss://
	Channel string `json:"channel,omitempty"` // attackers join ?channel=CHANNEL-N, which nobody else should; "": the URL is used as it is
	// Sources are local addresses, taken in turns; empty: the kernel chooses.
	Sources  []string      `json:"sources,omitempty"`
	Sockets  int           `json:"sockets"` // open at a time, at most
	Duration time.Duration `json:"duration_ns"`
	// CPUs pins the process that plays; empty: it runs where it may. Idle has it take
	// only what others leave of those.
	CPUs []int `json:"cpus,omitempty"`
	Idle bool  `json:"idle,omitempty"`
}

// Report is what came of it.
type Report struct {
	Attempts uint64 `json:"attempts"` // connections that were begun
	// Ends are how attempts ended: "HTTP 503", "close 1008", "cut" (without a word),
	// "open at the end" (they lasted until the attack was over), ...
	Ends map[string]uint64 `json:"ends"`
	// Breaches are what a server must not do, by what it did.
	Breaches map[string]uint64 `json:"breaches,omitempty"`
	Sent     uint64            `json:"sent_bytes"`
	// Longest is how long the server kept an attempt, at most.
	Longest time.Duration `json:"longest_ns"`
	Error   string        `json:"error,omitempty"` // the attack could not be played
}

// ErrOrder: an order that cannot be played.
var ErrOrder = errors.New("attack: order")

// Play plays the order, and returns after its duration, or when ctx ends. All of
// its sockets are reset then.
func Play(ctx context.Context, o Order) (*Report, error) {
	what, ok := Named(o.Attack)
	if !ok {
		return nil, fmt.Errorf("%w: no attack %q", ErrOrder, o.Attack)
	}
	if o.Sockets < 1 || o.Duration <= 0 {
		return nil, fmt.Errorf("%w: %d sockets for %v", ErrOrder, o.Sockets, o.Duration)
	}
	a, err := newAssault(o, what)
	if err != nil {
		return nil, err
	}
	if what.prepare != nil {
		what.prepare() // on a busy machine that takes seconds, in which the server keeps nobody
	}
	// Not a deadline: a dial would fail for it before ctx says that it is over.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(o.Duration, cancel).Stop()
	return a.play(ctx), nil
}
