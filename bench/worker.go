package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Work is one of the processes of a run: it does what it is told on in, and says
// on out how that goes (see order and word). It returns when its share is done,
// or when nobody is there any more.
func Work(in io.Reader, out io.Writer) error {
	w := &worker{in: json.NewDecoder(bufio.NewReader(in)), out: json.NewEncoder(out)}
	var first order
	if err := w.in.Decode(&first); err != nil {
		return fmt.Errorf("bench: worker: %w", err)
	}
	if first.Start == nil {
		return errors.New("bench: worker: not told what to do: this is for 'flood run --procs'")
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go w.listen(stop) // ends with stdin, at the latest when the process does
	return w.say(word{End: w.perform(ctx, first.Start)})
}

// worker is the crew as one of its processes sees it.
type worker struct {
	in *json.Decoder // Owned by listen, once the run has begun.

	saying sync.Mutex
	out    *json.Encoder // Guarded by saying.

	mu  sync.Mutex
	all *meeting // Guarded by mu; the last one that all came to.
}

func (w *worker) perform(ctx context.Context, s *start) *ending {
	p := s.plan()
	o := Options{Version: s.Version, Interval: s.Interval, Progress: func(p Progress) {
		_ = w.say(word{Glance: &p}) // nobody hears it: then stdin has ended, too
	}}
	share := share{s.Part, s.Others}
	if err := checkShare(&p, share); err != nil {
		return &ending{Error: err.Error()}
	}
	r := newRun(&p, o)
	r.share, r.crew = share, w
	r.started = s.Started
	end := &ending{Result: r.result}
	err := r.perform(ctx, o)
	if r.tails != nil { // also of a run that failed: what it measured is shown
		b, tailsErr := r.tails.MarshalBinary()
		end.Tails, err = b, firstOf(err, tailsErr)
	}
	if err != nil {
		end.Error = err.Error()
	}
	return end
}

// checkShare checks what is this process's own: its file limit.
func checkShare(p *Plan, s share) error {
	if err := p.normalise(); err != nil {
		return err
	}
	limits, err := Preflight(len(p.URLs), len(p.Sources))
	if err != nil {
		return err
	}
	if n := s.count(p.Connections); n > limits.Files {
		return fmt.Errorf("bench: %d connections of %d: a process can open %d", n, p.Connections, limits.Files)
	}
	return nil
}

func (w *worker) listen(stop func()) {
	defer stop()
	for {
		var o order
		if err := w.in.Decode(&o); err != nil || o.Stop {
			return
		}
		if o.Met != nil {
			w.mu.Lock()
			w.all = o.Met
			w.mu.Unlock()
		}
	}
}

func (w *worker) say(what word) error {
	w.saying.Lock()
	defer w.saying.Unlock()
	return w.out.Encode(what)
}

func (w *worker) bring(name string, value json.RawMessage) error {
	w.mu.Lock()
	w.all = nil
	w.mu.Unlock()
	return w.say(word{Meet: &meeting{Name: name, Values: []json.RawMessage{value}}})
}

func (w *worker) met(name string) ([]json.RawMessage, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil || w.all.Name != name {
		return nil, false
	}
	return w.all.Values, true
}

// maxSilence is how long a worker may say nothing; its glances come far more often.
const maxSilence = time.Minute
