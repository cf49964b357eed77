package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// poster publishes over the server's HTTP API, as the plan's dialect says. One
// goroutine per poster keeps its messages in order, and the loop never waits for it.
type poster struct {
	// Static after construction.
	url      url.URL
	key      string
	signed   bool
	body     template
	refusals []string
	client   *http.Client

	// answered is told of every publish, from the poster's goroutine; nil: nobody is. Set it before the first send.
	answered func(seq uint64, err error)

	queue    chan posting // bounded: when it is full, the message is dropped and counted
	wg       sync.WaitGroup
	failures atomic.Int64
	first    atomic.Pointer[string] // the first failure
}

func newPoster(plan *Plan) (*poster, error) {
	base, err := url.Parse(strings.TrimSuffix(plan.API, "/") + plan.Dialect.API.Path)
	if err != nil {
		return nil, fmt.Errorf("bench: api: %w", err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 1}
	if transport.TLSClientConfig, err = tlsConfig(plan); err != nil {
		return nil, err
	}
	p := &poster{
		url:      *base,
		key:      plan.APIKey,
		signed:   plan.Dialect.API.Signed,
		body:     parseTemplate(plan.Dialect.API.Body),
		refusals: plan.Dialect.Refusals,
		client:   &http.Client{Timeout: 10 * time.Second, Transport: transport},
		queue:    make(chan posting, 1<<14),
	}
	p.wg.Go(p.work)
	return p, nil
}

// posting is one publish: its sequence number and the body of the request.
type posting struct {
	seq  uint64
	body []byte
}

// send takes a copy of payload.
func (p *poster) send(index, channel int, seq uint64, payload []byte) {
	select {
	case p.queue <- posting{seq, p.body.append(nil, index, channel, payload)}:
	default:
		p.fail(seq, fmt.Errorf("more than %d publishes wait for %s", cap(p.queue), p.url.String()))
	}
}

// stop ends the goroutine after what it has in hand; what is queued is dropped.
func (p *poster) stop() {
	for {
		select {
		case <-p.queue:
			continue
		default:
		}
		break
	}
	close(p.queue)
	p.wg.Wait()
	p.client.CloseIdleConnections()
}

func (p *poster) work() {
	for next := range p.queue {
		if err := p.post(next.body); err != nil {
			p.fail(next.seq, err)
		} else if p.answered != nil {
			p.answered(next.seq, nil)
		}
	}
}

func (p *poster) post(body []byte) error {
	to := p.url
	if p.signed {
		to.RawQuery = signQuery(http.MethodPost, to.Path, p.key, body, time.Now())
	}
	req, err := http.NewRequest(http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if p.key != "" && !p.signed {
		req.Header.Set("X-API-Key", p.key)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s: %s", p.url.String(), res.Status, answer)
	}
	for _, r := range p.refusals {
		if strings.Contains(string(answer), r) {
			return fmt.Errorf("%s: %s", p.url.String(), answer)
		}
	}
	return nil
}

// failure says how many publishes failed, and why the first did; nil: none,
// as where there is no poster.
func (p *poster) failure() error {
	if p == nil || p.failures.Load() == 0 {
		return nil
	}
	return fmt.Errorf("bench: %d publishes failed: %s", p.failures.Load(), *p.first.Load())
}

func (p *poster) fail(seq uint64, err error) {
	if p.answered != nil {
		p.answered(seq, err)
	}
	s := err.Error()
	p.first.CompareAndSwap(nil, &s)
	p.failures.Add(1) // after first, which is read when this is not 0
}
