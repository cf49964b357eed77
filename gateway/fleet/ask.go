package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Patience is how long a node may take to answer.
const Patience = 2 * time.Second

const (
	maxPart   = 24 << 10 // bytes of an answer that go into one message: at most twice as many, when they are a string, within 64 KiB
	maxAnswer = 16 << 20 // bytes of a node's answer
)

// question is one that was asked, and what has come by now.
type question struct {
	// Guarded by the Fleet's mu.
	left    map[string]bool // nodes that have not answered
	parts   map[string]*parts
	answers map[string]json.RawMessage
	failed  map[string]error
	nobody  bool          // static: there was nobody to ask
	all     chan struct{} // closed when nobody is left
}

// parts are those of one node's answer.
type parts struct {
	strings.Builder
	n int
}

// leave notes that nothing more comes from a node.
func (q *question) leave(node string) {
	if q.left[node] {
		if delete(q.left, node); len(q.left) == 0 {
			close(q.all)
		}
	}
}

// Answers are what nodes said.
type Answers struct {
	// ByNode has the answers.
	ByNode map[string]json.RawMessage
	// Failed are the errors of those that could not answer.
	Failed map[string]error
	// Missing are nodes that did not answer in time, or fell silent and may be there all the same.
	Missing []string
}

// Ask asks all nodes that are there, this one included, and waits until each
// has answered, or left, or Patience or ctx is over.
func (f *Fleet) Ask(ctx context.Context, what string, body any) (*Answers, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	id, q := f.begin("")
	defer f.end(id)
	alone := q.nobody
	if !alone {
		f.send("", &message{Kind: kindAsk, ID: id, What: what, Body: raw})
	}
	own, ownErr := f.answer(what, raw)
	if !alone {
		select {
		case <-q.all:
		case <-ctx.Done():
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	a := &Answers{ByNode: q.answers, Failed: q.failed}
	for name := range q.left {
		a.Missing = append(a.Missing, name)
	}
	for name := range f.doubted {
		a.Missing = append(a.Missing, name)
	}
	if ownErr != nil {
		a.Failed[f.o.Node] = ownErr
	} else {
		a.ByNode[f.o.Node] = own
	}
	q.answers, q.failed = nil, nil // late parts find nobody
	return a, nil
}

// ErrSilent: the node did not answer in time, or is not there.
var ErrSilent = errors.New("fleet: the node does not answer")

// AskOne asks one other node, and waits as Ask does. Any other error than
// ErrSilent is the node's own.
func (f *Fleet) AskOne(ctx context.Context, node, what string, body any) (json.RawMessage, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	id, q := f.begin(node)
	defer f.end(id)
	if q.nobody {
		return nil, ErrSilent
	}
	f.send(node, &message{Kind: kindAsk, ID: id, What: what, Body: raw})
	select {
	case <-q.all:
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := q.failed[node]; err != nil {
		return nil, err
	}
	if a, ok := q.answers[node]; ok {
		return a, nil
	}
	return nil, ErrSilent
}

// begin opens a question to a node, or to all others ("").
func (f *Fleet) begin(node string) (id uint64, q *question) {
	q = &question{
		left: map[string]bool{}, parts: map[string]*parts{},
		answers: map[string]json.RawMessage{}, failed: map[string]error{}, all: make(chan struct{}),
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	for name := range f.nodes {
		if node == "" || node == name {
			q.left[name] = true
		}
	}
	q.nobody = len(q.left) == 0
	f.questions[f.last] = q
	return f.last, q
}

func (f *Fleet) end(id uint64) {
	f.mu.Lock()
	delete(f.questions, id)
	f.mu.Unlock()
}

// answer is what this node says.
func (f *Fleet) answer(what string, body json.RawMessage) (json.RawMessage, error) {
	h := f.handlers[what]
	if h == nil {
		return nil, fmt.Errorf("fleet: %s is not known here", what)
	}
	v, err := h(body)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// asked answers another node's question, aside from the others. Above maxAnswers
// it is not answered, which the other node sees.
func (f *Fleet) asked(m *message) {
	select {
	case f.work <- struct{}{}:
	default:
		f.Dropped.Add(1)
		return
	}
	f.wg.Go(func() {
		defer func() { <-f.work }()
		raw, err := f.answer(m.What, m.Body)
		if err != nil {
			f.send(m.From, &message{Kind: kindAnswer, ID: m.ID, Fail: err.Error()})
			return
		}
		text := string(raw)
		for nth := 0; ; nth++ {
			n := min(len(text), maxPart)
			for n < len(text) && text[n]&0xC0 == 0x80 { // not within a character
				n--
			}
			f.send(m.From, &message{Kind: kindAnswer, ID: m.ID, Part: text[:n], Nth: nth, More: n < len(text)})
			if text = text[n:]; text == "" {
				return
			}
		}
	})
}

// answered takes a part of an answer.
func (f *Fleet) answered(m *message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.questions[m.ID]
	if q == nil || q.answers == nil || !q.left[m.From] {
		return
	}
	if m.Fail != "" {
		q.failed[m.From] = errors.New(m.Fail)
		q.leave(m.From)
		return
	}
	b := q.parts[m.From]
	if b == nil {
		b = &parts{}
		q.parts[m.From] = b
	}
	if m.Nth != b.n { // the bus has lost some, or one came twice
		q.failed[m.From] = errors.New("fleet: a part of the answer is missing")
		q.leave(m.From)
		return
	}
	b.n++
	if b.Len()+len(m.Part) > maxAnswer {
		q.failed[m.From] = fmt.Errorf("fleet: an answer of more than %d bytes", maxAnswer)
		q.leave(m.From)
		return
	}
	b.WriteString(m.Part)
	if !m.More {
		q.answers[m.From] = json.RawMessage(b.String())
		q.leave(m.From)
	}
}
