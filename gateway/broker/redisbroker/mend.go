package redisbroker

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"sluice/gateway/broker"
)

// Resubscribing is paced, so that a fleet's nodes do not fall upon a master that has just come.
const (
	mendBatch = 1000
	mendPause = 20 * time.Millisecond
)

// maxMendPause bounds the random pause between attempts: when a replica has become
// the master, each second more is one of missed messages.
const maxMendPause = 2 * time.Second

// keep is the goroutine that mends.
func (s *shards) keep() {
	ctx, cancel := context.WithCancel(s.c.link.ctx)
	defer cancel()
	s.c.workers.Go(func() {
		select {
		case <-s.c.broken:
			cancel()
		case <-ctx.Done():
		}
	})
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		s.mendUntilWhole(ctx)
	}
}

// mendUntilWhole tries until each master has a connection, and each channel is at its master. The first failure is a warning.
func (s *shards) mendUntilWhole(ctx context.Context) {
	log, level := s.c.link.o.Log, zerolog.WarnLevel
	for attempts := (broker.Backoff{Max: maxMendPause}); ctx.Err() == nil; attempts.Pause(ctx) {
		err := s.mend(ctx)
		if err == nil {
			if level != zerolog.WarnLevel {
				log.Info().Msg("redis: all masters can be reached, and all channels are subscribed to again")
			}
			return
		}
		if ctx.Err() == nil {
			log.WithLevel(level).Err(err).Msg("redis: some masters are away, and their channels cannot be subscribed to; it is tried again")
			level = zerolog.DebugLevel
		}
	}
}

// mend learns who has which slot, connects to masters that are new, and brings
// each channel to its master. Its error is why that is not done.
func (s *shards) mend(ctx context.Context) error {
	err := s.learn(ctx)
	s.missing(s.release())
	for sh, list := range s.strayed() {
		s.missing(list)
		s.working.Lock()
		s.within(ctx, func(ctx context.Context) { s.leave(ctx, sh, list) })
		s.working.Unlock()
	}
	for sh, list := range s.homeless() {
		for len(list) > 0 && ctx.Err() == nil {
			n := min(len(list), mendBatch)
			s.working.Lock()
			s.within(ctx, func(ctx context.Context) { err = errors.Join(err, s.send(ctx, sh, s.still(list[:n]))) })
			s.working.Unlock()
			list = list[n:]
			time.Sleep(mendPause)
		}
	}
	if err == nil && !s.whole() {
		err = errNowhere
	}
	return err
}

var errNowhere = errors.New("some slots have no master")

// within bounds what is asked of one master.
func (s *shards) within(ctx context.Context, f func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	f(ctx)
}

// moved asks whether any slot has another master than it had.
func (s *shards) moved() bool {
	ctx, cancel := context.WithTimeout(s.c.link.ctx, silence)
	defer cancel()
	now, err := ownersOf(ctx, s.c.out, s.c.address)
	if err != nil {
		return false // check will say so
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.Equal(now, s.owners)
}

// openPause is how long new masters are waited for. Those that are slower, or silent, are left to go on alone.
const openPause = time.Second

var errSlow = errors.New("some masters have not answered yet")

// learn asks who has which slot, and connects to masters that are new. Its error
// is why there is not a connection to each.
func (s *shards) learn(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	o, err := ownersOf(asking, s.c.out, s.c.address)
	if err != nil {
		return err
	}
	masters := o.masters()
	s.mu.Lock()
	s.owners = o
	for address := range masters {
		switch {
		case s.opening[address]:
			err = errSlow
		case s.live[address] == nil:
			s.opening[address] = true
			continue
		}
		delete(masters, address)
	}
	s.mu.Unlock()
	opened := make(chan error, len(masters))
	for address := range masters {
		s.c.workers.Go(func() {
			err := s.open(address)
			s.mu.Lock()
			delete(s.opening, address)
			s.mu.Unlock()
			opened <- err
		})
	}
	enough := time.After(openPause)
	for range masters {
		select {
		case e := <-opened:
			err = errors.Join(err, e)
		case <-enough:
			return errors.Join(err, errSlow)
		}
	}
	return err
}

// strayed are channels that another master has now, by the connections that they were on. They are nowhere then.
func (s *shards) strayed() map[*shard][]string {
	by := map[*shard][]string{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, at := range s.places {
		if at != nil && s.master(name) != at.address {
			s.places[name] = nil
			by[at] = append(by[at], name)
		}
	}
	return by
}

// release closes connections to servers that are no masters any more, without a
// word to them: they may be silent. It returns their channels, which are nowhere then.
func (s *shards) release() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	masters := s.owners.masters()
	for address, sh := range s.live {
		if !masters[address] {
			names = append(names, s.forget(sh)...)
			s.c.workers.Go(sh.close)
		}
	}
	return names
}

// homeless are channels that are nowhere, by the connections that they belong on.
func (s *shards) homeless() map[*shard][]string {
	by := map[*shard][]string{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, at := range s.places {
		if at != nil {
			continue
		}
		if sh := s.live[s.master(name)]; sh != nil {
			by[sh] = append(by[sh], name)
		}
	}
	return by
}

// still are those of the names that are wanted, and nowhere.
func (s *shards) still(names []string) (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if at, wanted := s.places[name]; wanted && at == nil {
			list = append(list, name)
		}
	}
	return list
}

// whole says whether all channels are somewhere.
func (s *shards) whole() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.places {
		if at == nil {
			return false
		}
	}
	return true
}
