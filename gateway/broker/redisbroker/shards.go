package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"sluice/gateway/broker"
)

// shards are a node's subscriptions by sharded pub/sub: each channel's at the
// master that has its slot.
//
// Masters go and slots move while the link is up. One goroutine mends that: it
// subscribes again, wherever the slots are now. The receiver is told of each channel
// that is nowhere, and when it is somewhere again. See mend.go.
type shards struct {
	c    *conn         // what comes in goes to it
	wake chan struct{} // something is to be mended

	working sync.Mutex // held while subscriptions change

	// Guarded by mu, a leaf.
	mu      sync.Mutex
	owners  owners
	live    map[string]*shard // by address
	opening map[string]bool   // addresses that are being connected to
	places  map[string]*shard // of the channels that are wanted; nil: nowhere at the moment
}

// shard is a connection to one master, on which its channels' messages come in.
type shard struct {
	*listener
	address string
	client  rueidis.Client
	gone    atomic.Bool // what still comes in on it counts as missed
}

func newShards(c *conn) *shards {
	return &shards{c: c, wake: make(chan struct{}, 1), live: map[string]*shard{}, opening: map[string]bool{}, places: map[string]*shard{}}
}

var errUnsharded = errors.New("the servers have no sharded pub/sub (Redis 7 and Valkey do): set broker.redis_pubsub to plain, on all nodes")

// sharded returns an error if the server cannot do it.
func sharded(ctx context.Context, server rueidis.Client) error {
	list, err := server.Do(ctx, server.B().CommandInfo().CommandName("ssubscribe").Build()).ToArray()
	if err == nil && (len(list) == 0 || list[0].IsNil()) {
		err = errUnsharded
	}
	return err
}

// open connects to a master.
func (s *shards) open(address string) error {
	client, err := s.c.link.single(address)
	if err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	sh := &shard{address: address, client: client}
	sh.listener = listen(client, rueidis.PubSubHooks{
		OnMessage: func(m rueidis.PubSubMessage) {
			if !sh.gone.Load() {
				s.c.message(m)
			}
		},
		OnSubscription: func(e rueidis.PubSubSubscription) { s.subscription(sh, e) },
	})
	ctx, cancel := context.WithTimeout(s.c.link.ctx, silence)
	defer cancel()
	if err := sh.in.Do(ctx, sh.in.B().Ping().Build()).Error(); err != nil { // it is the second to the server, which may have room for one
		sh.close()
		return fmt.Errorf("%s: %w", address, err)
	}
	s.mu.Lock()
	s.live[address] = sh
	s.mu.Unlock()
	s.c.workers.Go(func() {
		select {
		case err := <-sh.lost:
			s.drop(sh, err)
		case <-s.c.broken:
		}
	})
	return nil
}

// drop gives a connection up, once. Its channels are nowhere then.
func (s *shards) drop(sh *shard, err error) {
	s.mu.Lock()
	if s.live[sh.address] != sh {
		s.mu.Unlock()
		return
	}
	names := s.forget(sh)
	s.mu.Unlock()
	s.missing(names)
	sh.close()
	s.c.link.o.Log.Warn().Err(err).Str("master", sh.address).Int("channels", len(names)).Msg("redis: lost a master; its channels are subscribed to again")
	s.mendSoon()
}

// forget is the end of a connection for all but itself. It returns the channels that are nowhere then. mu is held.
func (s *shards) forget(sh *shard) (names []string) {
	delete(s.live, sh.address)
	sh.gone.Store(true)
	for name, at := range s.places {
		if at == sh {
			s.places[name] = nil
			names = append(names, name)
		}
	}
	return names
}

// missing tells the receiver of channels that are nowhere now. It is called without mu, so they
// may be somewhere again before it returns: whoever hands that over looks at where they are then.
func (s *shards) missing(names []string) {
	for _, name := range names {
		s.c.come(incoming{missing: name})
	}
}

// nowhere says whether a channel is wanted, and no master has it.
func (s *shards) nowhere(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, wanted := s.places[name]
	return wanted && at == nil
}

func (sh *shard) close() {
	sh.in.Close()
	sh.client.Close()
}

// mendSoon wakes the goroutine that mends.
func (s *shards) mendSoon() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// subscription is called on a shard's goroutine, in order with its messages.
func (s *shards) subscription(sh *shard, e rueidis.PubSubSubscription) {
	s.mu.Lock()
	if sh.gone.Load() { // who was given up confirms too late
		s.mu.Unlock()
		return
	}
	at, wanted := s.places[e.Channel]
	again := e.Kind == "ssubscribe" && wanted && at == nil
	moved := e.Kind == "sunsubscribe" && wanted && at == sh // what we asked for was unwanted or nowhere before
	switch {
	case again:
		s.places[e.Channel] = sh
	case moved:
		s.places[e.Channel] = nil
	}
	s.mu.Unlock()
	switch {
	case again:
		s.c.come(incoming{missed: e.Channel})
	case moved:
		s.missing([]string{e.Channel})
		s.mendSoon()
	}
}

// subscribe returns when all is confirmed, but for channels of masters that are away.
func (s *shards) subscribe(ctx context.Context, names []string) error {
	s.working.Lock()
	defer s.working.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	var wg sync.WaitGroup
	for sh, list := range s.place(names) {
		if sh == nil {
			s.missing(list)
			s.mendSoon()
			continue
		}
		wg.Go(func() {
			if s.send(ctx, sh, list) != nil {
				s.mendSoon()
			}
		})
	}
	wg.Wait()
	select {
	case <-s.c.broken:
		return broker.ErrDown
	default:
		return nil
	}
}

// place notes names that are wanted from now on, by the connections that are to have
// them. Those that have been nowhere before still are.
func (s *shards) place(names []string) map[*shard][]string {
	by := map[*shard][]string{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		sh, wanted := s.places[name]
		if !wanted {
			sh = s.live[s.master(name)]
			s.places[name] = sh
		}
		if !wanted || sh == nil {
			by[sh] = append(by[sh], name)
		}
	}
	return by
}

// master is the address of a channel's master; "": it has none. mu is held.
func (s *shards) master(name string) string { return s.owners.of(slotOf(s.c.out.B(), name)) }

// send subscribes at a master. What it does not confirm is nowhere afterwards. working is held.
func (s *shards) send(ctx context.Context, sh *shard, names []string) (cause error) {
	var refused []string
	begun := time.Now()
	for i, r := range sh.do(ctx, names, ssubscribe) {
		err := r.Error()
		if err == nil {
			continue
		}
		if _, answered := rueidis.IsRedisErr(err); !answered {
			if ctx.Err() == nil || time.Since(begun) > silence/2 {
				s.drop(sh, err)
				return err
			}
			refused, cause = names, err // who asked has not waited long enough to say more
			break
		}
		refused, cause = append(refused, names[i]), fmt.Errorf("%s: %w", sh.address, err)
	}
	s.mu.Lock()
	for _, name := range refused {
		if s.places[name] == sh {
			s.places[name] = nil
		}
	}
	s.mu.Unlock()
	s.missing(refused)
	return cause
}

// unsubscribe returns when all is confirmed that a master has.
func (s *shards) unsubscribe(ctx context.Context, names []string) error {
	s.working.Lock()
	defer s.working.Unlock()
	by := map[*shard][]string{}
	s.mu.Lock()
	for _, name := range names {
		if sh := s.places[name]; sh != nil {
			by[sh] = append(by[sh], name)
		}
		delete(s.places, name)
	}
	s.mu.Unlock()
	for sh, list := range by {
		s.within(context.WithoutCancel(ctx), func(ctx context.Context) { s.leave(ctx, sh, list) })
	}
	return nil
}

// leave unsubscribes at a master, which may not have all of them any more. working is held.
func (s *shards) leave(ctx context.Context, sh *shard, names []string) {
	for _, r := range sh.do(ctx, names, sunsubscribe) {
		if err := r.Error(); err != nil {
			if _, answered := rueidis.IsRedisErr(err); !answered {
				s.drop(sh, err)
				return
			}
		}
	}
}

// end closes all connections.
func (s *shards) end() {
	s.mu.Lock()
	live := s.live
	s.live = map[string]*shard{}
	s.mu.Unlock()
	for _, sh := range live {
		sh.close()
	}
}
