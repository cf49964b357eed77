package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sluice/gateway/hub"
)

// fetchers is how many histories are read at the same time.
const fetchers = 16

// fetchTimeout bounds the reading of one, and an engine's answer to each question about it.
const fetchTimeout = 5 * time.Second

// fetches are the histories that are to be read. There is at most one for each
// channel that the hub has, and one more that it had.
type fetches struct {
	// Guarded by mu.
	mu   sync.Mutex
	jobs []fetchJob

	ready chan struct{} // one token for each fetcher that may look
}

type fetchJob struct {
	channel string
	limits  *hub.History
	after   Position
}

func (f *fetches) init() { f.ready = make(chan struct{}, fetchers) }

// Fetch implements hub.Broker.
func (b *Broker) Fetch(channel string, limits *hub.History, after Position, later bool) {
	if later {
		b.interests.again([]string{channel})
		return
	}
	f := &b.fetches
	f.mu.Lock()
	f.jobs = append(f.jobs, fetchJob{channel, limits, after})
	f.mu.Unlock()
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

func (f *fetches) take() (j fetchJob, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.jobs) == 0 {
		f.jobs = nil
		return j, false
	}
	j = f.jobs[0]
	f.jobs[0] = fetchJob{}
	f.jobs = f.jobs[1:]
	return j, true
}

// fetch is one of the fetchers.
func (b *Broker) fetch() {
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-b.fetches.ready:
		}
		for b.ctx.Err() == nil {
			j, ok := b.fetches.take()
			if !ok {
				break
			}
			b.read(j)
		}
	}
}

// read reads one history, and gives it to the hub.
func (b *Broker) read(j fetchJob) {
	ctx, cancel := context.WithTimeout(b.ctx, fetchTimeout)
	defer cancel()
	past, err := b.History(ctx, j.channel, j.limits, j.after, j.limits.Size, 0)
	if err != nil && b.up.Load() && b.ctx.Err() == nil {
		b.log.Warn().Err(err).Str("channel", j.channel).Msg("reading a history failed; it is tried again")
		b.interests.again([]string{j.channel})
	}
	b.sink.Caught(j.channel, past, err)
}

// History reads at most limit messages of a channel's history after a position (none: the newest), and
// at most the first that come to more than so many bytes (0: there is no bound). Those that are too long
// for this node are Missing, and do not count.
// hub.ErrDown: the engine cannot be asked, or does not answer.
func (b *Broker) History(ctx context.Context, channel string, limits *hub.History, after Position, limit, bytes int) (hub.Past, error) {
	var past hub.Past
	b.Counters.Fetches.Add(1)
	size, kept := 0, 0
	for first := true; ; first = false {
		bounded, cancel := context.WithTimeout(ctx, fetchTimeout)
		p, err := b.link.Read(bounded, ClassOf(limits), channel, after, limit-kept, bytes)
		cancel()
		if err != nil {
			b.Counters.Failed.Add(1)
			if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
				err = Down(fmt.Errorf("no answer within %v", fetchTimeout))
			}
			return hub.Past{}, refusal(err)
		}
		if first || !p.Complete { // what is missing now lies behind what was read before
			past, kept = hub.Past{Floor: p.Floor, Complete: p.Complete, Before: p.Before}, 0
		}
		past.Top = p.Top
		for _, m := range p.Messages {
			after = m.Position
			e, err := b.open(m.Message)
			if err != nil {
				b.Counters.Malformed.Add(1)
				if err == errSize { // subscribers are told, as they are of a live one
					past.Kept = append(past.Kept, hub.Kept{Position: m.Position, Missing: true})
				}
				continue
			}
			size += len(e.payload)
			kept++
			past.Kept = append(past.Kept, hub.Kept{Position: m.Position, Payload: e.payload, Binary: e.binary, At: m.At})
		}
		if !p.More || len(p.Messages) == 0 || kept >= limit || bytes > 0 && size > bytes && kept > 1 {
			return past, nil
		}
	}
}
