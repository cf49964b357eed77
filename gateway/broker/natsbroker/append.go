package natsbroker

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"sluice/gateway/broker"
)

// appends are those that are not confirmed yet.
type appends struct {
	// Guarded by mu.
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]*pending
	ended   bool
}

// pending is one append. Its done is called once: by whoever takes it out of the map.
type pending struct {
	class *class
	size  int
	until time.Time
	done  func(broker.Position, error)
}

func (a *appends) init() { a.waiting = map[uint64]*pending{} }

// add gives p a number; false: the connection has ended.
func (a *appends) add(p *pending) (number uint64, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return 0, false
	}
	a.last++
	a.waiting[a.last] = p
	return a.last, true
}

func (a *appends) take(number uint64) *pending {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.waiting[number]
	delete(a.waiting, number)
	return p
}

// takeIf takes those that f says.
func (a *appends) takeIf(f func(*pending) bool) (list []*pending) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for number, p := range a.waiting {
		if f(p) {
			list = append(list, p)
			delete(a.waiting, number)
		}
	}
	return list
}

// Append implements broker.Link.
func (l *Link) Append(of broker.Class, channel string, m []byte, done func(broker.Position, error)) error {
	c, err := l.live()
	if err != nil {
		return err
	}
	k := c.class(of)
	o := op{subject: l.subject("h."+of.Name, channel), data: m, held: true}
	if err := c.out.Reserve(o); err != nil {
		return err
	}
	number, ok := c.appends.add(&pending{class: k, size: o.Size(), until: time.Now().Add(appendTimeout), done: done})
	if !ok {
		return broker.ErrDown
	}
	o.reply = c.inbox + "." + strconv.FormatUint(number, 10)
	k.send(o)
	return nil
}

// answer is JetStream's to a message that it was to store.
type answer struct {
	Sequence uint64    `json:"seq"`
	Error    *apiError `json:"error"`
}

// apiError is an error of JetStream's API.
type apiError struct {
	Code        int    `json:"code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string { return "JetStream: " + e.Description }

// errNoJetStream: nobody stores anything.
var errNoJetStream = errors.New("natsbroker: no JetStream answers: histories need it, with most of its servers up")

// errWithoutJetStream is the case of it where there seems to be none.
var errWithoutJetStream = fmt.Errorf("%w (nats-server needs -js, or jetstream in its configuration, and the user's account to be allowed it)", errNoJetStream)

// confirmed is called for what came to the inbox.
func (c *conn) confirmed(number string, m *nats.Msg) {
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return
	}
	p := c.appends.take(n)
	if p == nil {
		return // it has timed out
	}
	c.out.Free(p.size)
	var a answer
	switch {
	case m.Header.Get("Status") == noResponders:
		p.class.forget()
		p.done(broker.Position{}, errNoJetStream)
	case json.Unmarshal(m.Data, &a) != nil:
		p.done(broker.Position{}, fmt.Errorf("natsbroker: an answer of JetStream is not understood: %.100q", m.Data))
	case a.Error != nil:
		p.class.forget()
		p.done(broker.Position{}, a.Error)
	default:
		p.done(broker.Position{Epoch: p.class.at(a.Sequence), Offset: a.Sequence}, nil)
	}
}

// noResponders is the status of a request that nobody is there to answer.
const noResponders = "503"

// rejected is called for an op that was not sent.
func (c *conn) rejected(o *op, err error) {
	if o.lost != nil {
		o.lost(err)
		return
	}
	c.link.o.Log.Warn().Err(err).Str("subject", o.subject).Msg("nats: a message was not sent")
	if !o.held {
		return
	}
	number, _ := strconv.ParseUint(o.reply[len(c.inbox)+1:], 10, 64)
	if p := c.appends.take(number); p != nil {
		c.out.Free(p.size)
		p.done(broker.Position{}, err)
	}
}

// expire ends the wait for answers that do not come.
func (c *conn) expire(now time.Time) {
	for _, p := range c.appends.takeIf(func(p *pending) bool { return p.until.Before(now) }) {
		c.out.Free(p.size)
		p.class.forget()
		p.done(broker.Position{}, fmt.Errorf("natsbroker: JetStream did not confirm a message within %v", appendTimeout))
	}
}

// fail ends the wait for all answers.
func (c *conn) fail() {
	c.appends.mu.Lock()
	c.appends.ended = true
	c.appends.mu.Unlock()
	for _, p := range c.appends.takeIf(func(*pending) bool { return true }) {
		p.done(broker.Position{}, broker.ErrUnconfirmed)
	}
}
