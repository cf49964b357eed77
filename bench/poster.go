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

	queue    chan []byte // bodies; bounded: when it is full, the message is dropped and counted
	wg       sync.WaitGroup
	failures atomic.Int64
	first    atomic.Pointer[string] // the first failure
}

func newPoster(plan *Plan) (*poster, error) {
	base, err := url.Parse(strings.TrimSuffix(plan.API, "/") + plan.Dialect.API.Path)
	if err != nil {
		return nil, fmt.Errorf("bench: api: %w", err)
	}
	p := &poster{
		url:      *base,
		key:      plan.APIKey,
		signed:   plan.Dialect.API.Signed,
		body:     parseTemplate(plan.Dialect.API.Body),
		refusals: plan.Dialect.Refusals,
		client:   &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1}},
		queue:    make(chan []byte, 1<<14),
	}
	p.wg.Go(p.work)
	return p, nil
}

// send takes a copy of payload.
func (p *poster) send(index, channel int, payload []byte) {
	select {
	case p.queue <- p.body.append(nil, index, channel, payload):
	default:
		p.fail(fmt.Errorf("more than %d publishes wait for %s", cap(p.queue), p.url.String()))
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
	for body := range p.queue {
		if err := p.post(body); err != nil {
			p.fail(err)
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

func (p *poster) fail(err error) {
	s := err.Error()
	p.first.CompareAndSwap(nil, &s)
	p.failures.Add(1) // after first, which is read when this is not 0
}
