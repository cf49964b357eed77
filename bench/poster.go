package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// poster publishes over the server's HTTP API. One goroutine per poster keeps
// its messages in order, and the loop never waits for it.
type poster struct {
	// Static after construction.
	url, key string
	client   *http.Client

	queue    chan publication // bounded: when it is full, the message is dropped and counted
	wg       sync.WaitGroup
	failures atomic.Int64
	first    atomic.Pointer[string] // the first failure
}

type publication struct {
	Channel string `json:"channel"`
	Text    string `json:"text"`
}

func newPoster(api, key string) *poster {
	p := &poster{
		url:    api + "/api/publish",
		key:    key,
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1}},
		queue:  make(chan publication, 1<<14),
	}
	p.wg.Go(p.work)
	return p
}

// send takes a copy of payload.
func (p *poster) send(channel string, payload []byte) {
	select {
	case p.queue <- publication{channel, string(payload)}:
	default:
		p.fail(fmt.Errorf("more than %d publishes wait for %s", cap(p.queue), p.url))
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
	for m := range p.queue {
		if err := p.post(m); err != nil {
			p.fail(err)
		}
	}
}

func (p *poster) post(m publication) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if p.key != "" {
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
		return fmt.Errorf("%s: %s: %s", p.url, res.Status, answer)
	}
	return nil
}

func (p *poster) fail(err error) {
	s := err.Error()
	p.first.CompareAndSwap(nil, &s)
	p.failures.Add(1) // after first, which is read when this is not 0
}
