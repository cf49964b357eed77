package natsbroker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"sluice/gateway/broker"
)

// Read implements broker.Link. The leader of the stream says which message is the
// channel's last one; the messages come from any replica, which may be behind, and
// is asked again until it has that one; then the leader says what is gone by now. Where
// messages were dropped meanwhile, what is read from the first on that is still there is whole.
func (l *Link) Read(ctx context.Context, of broker.Class, channel string, after broker.Position, limit, bytes int) (broker.Past, error) {
	c, err := l.live()
	if err != nil {
		return broker.Past{}, err
	}
	k := c.class(of)
	for first := true; ; first = false {
		epoch, err := k.ensured(ctx)
		if err != nil {
			return broker.Past{}, unavailable(err)
		}
		past, err := c.read(ctx, reading{
			stream: l.stream(of.Name), subject: l.subject("h."+of.Name, channel), epoch: epoch, size: of.Size, limit: limit, bytes: bytes, piece: maxReadBytes,
		}, after)
		if errors.Is(err, errAnew) && first {
			k.forget()
			continue
		}
		return past, unavailable(c.failure(err))
	}
}

// errAnew: the stream has another epoch than it had.
var errAnew = errors.New("natsbroker: the stream was made anew meanwhile")

// unavailable is err, or ErrDown where the servers that keep the history have no
// leader at the moment: some are gone, or have just come back.
func unavailable(err error) error {
	var refused *apiError
	if errors.Is(err, errNoJetStream) || errors.Is(err, nats.ErrNoResponders) || errors.As(err, &refused) && refused.Code == 503 {
		return broker.Down(err)
	}
	return err
}

// reading is what is asked for.
type reading struct {
	stream, subject, epoch string
	size, limit            int
	bytes                  int // 0: no bound
	piece                  int // bytes that are asked for at a time
}

// retryPause is between two looks at a replica that is behind.
const retryPause = 20 * time.Millisecond

// staleTimeout is how long a stream whose end lies before the position that was
// asked for is asked again: a leader that was cut off answers until it hears of
// the new one. After that, the messages are lost, and so it is told.
const staleTimeout = 2 * time.Second

func (c *conn) read(ctx context.Context, q reading, after broker.Position) (past broker.Past, err error) {
	begun := time.Now()
	for {
		last, err := c.last(ctx, q)
		if err != nil {
			return past, err
		}
		from := uint64(1)
		asked := after.Epoch == q.epoch
		switch {
		case asked && after.Offset > 0:
			from = after.Offset // itself, too: if it is there, nothing behind it is missing
		case !asked && last > 0 && q.limit+worthLooking < q.size:
			if from, err = c.newest(ctx, q, last); err != nil {
				return past, err
			}
		}
		list, more, err := c.get(ctx, q, from, asked)
		if err != nil {
			return past, err
		}
		info, err := c.info(ctx, q.stream, q.subject)
		if err != nil {
			return past, err
		}
		if epoch := epochOf(info.Created); epoch != q.epoch {
			return past, errAnew
		}
		holed := false
		if len(list) > 1 && info.State.Subjects[q.subject] > uint64(q.size) {
			oldest, err := c.next(ctx, q, list[0].Offset)
			if err != nil {
				return past, err
			}
			list = slices.DeleteFunc(list, func(m broker.Stored) bool { return oldest == 0 || m.Offset < oldest })
			holed = len(list) == 0
		}
		newest := uint64(0)
		if len(list) > 0 {
			newest = list[len(list)-1].Offset
		}
		behind := !more && newest < last && !(asked && last <= after.Offset)
		stale := asked && after.Offset > max(last, newest, info.State.Last) && time.Since(begun) < staleTimeout
		if stale || behind || holed || len(list) == 0 && last == 0 && info.State.Subjects[q.subject] > 0 {
			select {
			case <-ctx.Done():
				return past, ctx.Err()
			case <-time.After(retryPause):
			}
			continue
		}
		return q.past(list, more && newest < last, max(last, newest), info, after, asked), nil
	}
}

// past says what list is of the history. Top is the channel's last offset, 0 if it has none.
func (q *reading) past(list []broker.Stored, more bool, top uint64, info *streamInfo, after broker.Position, asked bool) (p broker.Past) {
	for i := range list {
		list[i].Epoch = q.epoch
	}
	s := &info.State
	here := s.Subjects[q.subject]
	floor := max(s.First, 1) - 1 // what has expired lies before it, or at it
	if top == 0 {
		top = s.Last
	}
	p.Top = broker.Position{Epoch: q.epoch, Offset: top}
	p.More = more
	if asked && after.Offset <= max(s.Last, top) {
		itself := len(list) > 0 && list[0].Offset == after.Offset
		if itself {
			list = list[1:]
		}
		if len(list) > q.limit {
			list, p.More = list[:q.limit], true
		}
		p.Messages = list
		p.Top.Offset = max(top, after.Offset)
		p.Complete = itself || floor <= after.Offset && here <= uint64(q.size)
		p.Floor = after.Offset
		switch {
		case p.Complete:
		case len(list) > 0:
			p.Floor = list[0].Offset - 1
		default:
			p.Floor = p.Top.Offset
		}
		return p
	}
	p.Complete = after.Epoch == ""
	if here > uint64(q.size) && len(list) > q.size {
		floor = list[0].Offset // one more than anybody gets
		list = list[1:]
	}
	if len(list) > q.limit {
		list = list[len(list)-q.limit:]
	}
	if len(list) > 0 && here > uint64(len(list)) {
		floor = list[0].Offset - 1
	}
	p.Floor = min(floor, top)
	p.Messages = list
	return p
}

// worthLooking is how many messages a history has to have beyond those that are asked for, so that the
// place where they begin is searched for: each look costs a message, too.
const worthLooking = 50

// newest is an offset from which on the channel has as many messages as are asked for, and not more than twice
// as many; 1 where it has fewer. A channel's offsets grow with gaps, so it is searched for, from the end on.
func (c *conn) newest(ctx context.Context, q reading, last uint64) (low uint64, err error) {
	limit := uint64(q.limit)
	low, high, n := last+1, last+1, uint64(0) // from low on there are n; from high on, too few
	for distance := limit; n < limit && low > 1; distance *= 2 {
		high, low = low, last+1-min(distance, last)
		if n, err = c.count(ctx, q, low); err != nil {
			return 0, err
		}
	}
	for n > 2*limit && high-low > 1 {
		middle := low + (high-low)/2
		m, err := c.count(ctx, q, middle)
		if err != nil {
			return 0, err
		}
		if m < limit {
			high = middle
		} else {
			low, n = middle, m
		}
	}
	return low, nil
}

// count asks any replica how many messages the channel has from an offset on. Servers before 2.11 do not say: 0.
func (c *conn) count(ctx context.Context, q reading, from uint64) (uint64, error) {
	request, err := json.Marshal(getRequest{Sequence: from, Next: q.subject, Batch: 1})
	if err != nil {
		return 0, err
	}
	m, err := c.nc.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+q.stream, request)
	if err != nil {
		return 0, err
	}
	pending := m.Header.Get(headerPending)
	if pending == "" || m.Header.Get("Status") != "" {
		return 0, nil // there is none, or get says what is wrong
	}
	behind, err := strconv.ParseUint(pending, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("natsbroker: how many messages there are is not understood: %w", err)
	}
	return behind + 1, nil
}

// maxReadBytes bounds what one read takes from a replica at a time.
const maxReadBytes = 8 << 20

// get asks any replica for the channel's messages from an offset on. With asked,
// for one more than the limit, as the first may be the one that was asked for;
// else for all, of which it keeps the newest.
func (c *conn) get(ctx context.Context, q reading, from uint64, asked bool) (list []broker.Stored, more bool, err error) {
	inbox := c.nc.NewInbox()
	sub, err := c.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	batch, keep := q.size+1, q.limit
	if asked {
		batch = min(q.limit, q.size) + 1
	} else if keep >= q.size {
		keep = q.size + 1 // past wants to know whether there is one more
	}
	size, itself, piece := 0, from, q.piece
	if q.bytes > 0 {
		piece = min(piece, q.bytes)
	}
	for {
		left := batch
		if asked {
			if left -= len(list); left <= 0 {
				return list, true, nil
			}
		}
		request, err := json.Marshal(getRequest{Sequence: from, Next: q.subject, Batch: left, MaxBytes: piece})
		if err != nil {
			return nil, false, err
		}
		if err := c.nc.PublishRequest("$JS.API.DIRECT.GET."+q.stream, inbox, request); err != nil {
			return nil, false, err
		}
		n, end, err := c.batch(ctx, sub, &list)
		if err != nil {
			return nil, false, err
		}
		for _, m := range list[len(list)-n:] {
			if !asked || m.Offset != itself {
				size += len(m.Message)
			}
		}
		over := func(size int) bool { return q.bytes > 0 && size > q.bytes && len(list) > 1 }
		for !asked && (len(list) > keep || len(list) > 0 && over(size-len(list[0].Message))) {
			size -= len(list[0].Message)
			list[0] = broker.Stored{}
			list = list[1:]
		}
		if end || n == 0 {
			return list, false, nil
		}
		if asked && over(size) {
			return list, true, nil
		}
		from = list[len(list)-1].Offset + 1
	}
}

// getRequest is JetStream's (ADR-31). Servers before 2.11 know no batch, and answer with one message.
type getRequest struct {
	Sequence uint64 `json:"seq,omitempty"`
	Next     string `json:"next_by_subj,omitempty"`
	Last     string `json:"last_by_subj,omitempty"`
	Batch    int    `json:"batch,omitempty"`
	MaxBytes int    `json:"max_bytes,omitempty"`
}

// batch reads one answer, of n messages. end: the channel has no more.
func (c *conn) batch(ctx context.Context, sub *nats.Subscription, list *[]broker.Stored) (n int, end bool, err error) {
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return n, false, err
		}
		switch m.Header.Get("Status") {
		case "":
		case "204": // the end of the batch
			return n, m.Header.Get(headerPending) == "0", nil
		case "404":
			return n, true, nil
		case noResponders:
			return n, false, errNoJetStream
		default:
			return n, false, fmt.Errorf("natsbroker: reading a history: %s %s", m.Header.Get("Status"), m.Header.Get("Description"))
		}
		offset, err := strconv.ParseUint(m.Header.Get(headerSequence), 10, 64)
		if err != nil {
			return n, false, fmt.Errorf("natsbroker: a stored message has no offset: %w", err)
		}
		at, err := time.Parse(time.RFC3339Nano, m.Header.Get(headerTime))
		if err != nil {
			return n, false, fmt.Errorf("natsbroker: a stored message has no time: %w", err)
		}
		*list = append(*list, broker.Stored{Position: broker.Position{Offset: offset}, Message: m.Data, At: at})
		n++
		if m.Header.Get(headerPending) == "" {
			return n, false, nil
		}
	}
}

// last asks the leader for the offset of the channel's last message; 0: there is none.
func (c *conn) last(ctx context.Context, q reading) (uint64, error) {
	return c.offset(ctx, q, getRequest{Last: q.subject})
}

// next asks the leader for that of the channel's first message from an offset on; 0: there is none.
func (c *conn) next(ctx context.Context, q reading, from uint64) (uint64, error) {
	return c.offset(ctx, q, getRequest{Sequence: from, Next: q.subject})
}

func (c *conn) offset(ctx context.Context, q reading, request getRequest) (uint64, error) {
	var answer struct {
		Message struct {
			Sequence uint64 `json:"seq"`
		} `json:"message"`
		Error *apiError `json:"error"`
	}
	err := c.ask(ctx, "$JS.API.STREAM.MSG.GET."+q.stream, request, &answer)
	switch {
	case err != nil:
		return 0, err
	case answer.Error != nil && answer.Error.Code == 404:
		return 0, nil
	case answer.Error != nil:
		return 0, answer.Error
	default:
		return answer.Message.Sequence, nil
	}
}

// streamInfo is what is of interest in a stream's state.
type streamInfo struct {
	Created time.Time `json:"created"`
	State   struct {
		First    uint64            `json:"first_seq"`
		Last     uint64            `json:"last_seq"`
		Subjects map[string]uint64 `json:"subjects"`
	} `json:"state"`
	Error *apiError `json:"error"`
}

// info asks the leader for the stream's state, and how many messages it has of a subject.
func (c *conn) info(ctx context.Context, stream, subject string) (*streamInfo, error) {
	var s streamInfo
	request := struct {
		Filter string `json:"subjects_filter,omitempty"`
	}{subject}
	if err := c.ask(ctx, "$JS.API.STREAM.INFO."+stream, request, &s); err != nil {
		return nil, err
	}
	if s.Error != nil {
		return nil, s.Error
	}
	return &s, nil
}

func (c *conn) ask(ctx context.Context, subject string, request, answer any) error {
	b, err := json.Marshal(request)
	if err != nil {
		return err
	}
	m, err := c.nc.RequestWithContext(ctx, subject, b)
	if err != nil {
		return err
	}
	return json.Unmarshal(m.Data, answer)
}
