package redisbroker

import (
	"context"
	"crypto/rand" //nolint:gosec // what Redis names scripts by
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"sluice/gateway/broker"
)

// script is a Lua script, and the name that Redis has for it.
type script struct{ text, sha string }

func newScript(text string) script {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // see above
	return script{text, hex.EncodeToString(sum[:])}
}

// appendScript gives a message its offset, stores and publishes it.
//
//	KEYS: meta, stream. ARGV: message, size, lifetime of a message and of the
//	channel's epoch in ms, pub/sub channel, the epoch if there is none yet.
var appendScript = newScript(`
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  epoch = ARGV[6]
  redis.call('HSET', KEYS[1], 'epoch', epoch)
  redis.call('DEL', KEYS[2])
end
local offset = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'offset', 1))
local t = redis.call('TIME')
redis.call('XADD', KEYS[2], 'MAXLEN', '=', ARGV[2], offset .. '-0', 'm', ARGV[1], 't', t[1] .. string.format('%06d', t[2]))
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
local reached = redis.call('PUBLISH', ARGV[5], '\0sluice1a ' .. epoch .. ' ' .. offset .. '\n' .. ARGV[1])
return {epoch, offset, reached}
`)

// readScript returns the epoch, the newest offset, the time and messages.
//
//	KEYS: meta, stream. ARGV: epoch and offset that were asked for ('' and 0: the
//	newest), how many, the lifetime of the epoch in ms, the epoch if there is none yet.
var readScript = newScript(`
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  epoch = ARGV[5]
  redis.call('HSET', KEYS[1], 'epoch', epoch)
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  redis.call('DEL', KEYS[2])
end
local list
if ARGV[1] == epoch then
  list = redis.call('XRANGE', KEYS[2], '(' .. ARGV[2] .. '-0', '+', 'COUNT', ARGV[3])
else
  list = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', ARGV[3])
end
local t = redis.call('TIME')
return {epoch, redis.call('HGET', KEYS[1], 'offset') or '0', t[1] .. string.format('%06d', t[2]), list}
`)

// epochLife is how long a channel's epoch is kept after its last message: for so
// long a client that comes back learns whether it has missed anything.
func epochLife(ttl time.Duration) time.Duration { return 2*ttl + 10*time.Minute }

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// newEpoch is one that no history has had.
func newEpoch() string { return strings.ToLower(rand.Text()[:16]) }

// Append implements broker.Link.
func (l *Link) Append(class broker.Class, channel string, m []byte, done func(broker.Position, error)) error {
	c, err := l.live()
	if err != nil {
		return err
	}
	return c.put(op{kind: opAppend, name: l.name(channel), text: string(m), channel: channel, class: class, answered: done})
}

// appending is the command of an append.
func (c *conn) appending(p *op) rueidis.Completed {
	meta, stream := c.link.keys(p.channel)
	return c.keyed.B().Evalsha().Sha1(appendScript.sha).Numkeys(2).Key(meta, stream).Arg(p.appendArguments()...).Build()
}

func (p *op) appendArguments() []string {
	return []string{
		p.text, strconv.Itoa(p.class.Size), milliseconds(p.class.TTL), milliseconds(epochLife(p.class.TTL)), p.name, newEpoch(),
	}
}

// appended reads the answer, an epoch, an offset and how many were reached. A server that does not know the script yet gets it.
func (c *conn) appended(ctx context.Context, p *op, r rueidis.RedisResult) (at broker.Position, err error) {
	if e, ok := rueidis.IsRedisErr(r.Error()); ok && e.IsNoScript() {
		meta, stream := c.link.keys(p.channel)
		r = c.keyed.Do(ctx, c.keyed.B().Eval().Script(appendScript.text).Numkeys(2).Key(meta, stream).Arg(p.appendArguments()...).Build())
	}
	list, err := r.ToArray()
	if err != nil {
		return at, err
	}
	if at, err = positionOf(list); err == nil && len(list) == 3 && !c.link.o.Cluster {
		if n, err := list[2].AsInt64(); err == nil {
			c.reached.note(p.name, int(n))
		}
	}
	return at, err
}

// positionOf reads an epoch and an offset.
func positionOf(list []rueidis.RedisMessage) (at broker.Position, err error) {
	if len(list) < 2 {
		return at, fmt.Errorf("redisbroker: an answer of %d parts", len(list))
	}
	if at.Epoch, err = list[0].ToString(); err != nil {
		return at, err
	}
	at.Offset, err = list[1].AsUint64()
	return at, err
}

// Read implements broker.Link.
func (l *Link) Read(ctx context.Context, class broker.Class, channel string, after broker.Position, limit int) (broker.Past, error) {
	c, err := l.live()
	if err != nil {
		return broker.Past{}, err
	}
	meta, stream := l.keys(channel)
	count := min(limit, class.Size) + 1 // one more tells whether there is more
	arguments := []string{after.Epoch, strconv.FormatUint(after.Offset, 10), strconv.Itoa(count), milliseconds(epochLife(class.TTL)), newEpoch()}
	b := c.keyed.B()
	r := c.keyed.Do(ctx, b.Evalsha().Sha1(readScript.sha).Numkeys(2).Key(meta, stream).Arg(arguments...).Build())
	if e, ok := rueidis.IsRedisErr(r.Error()); ok && e.IsNoScript() {
		r = c.keyed.Do(ctx, b.Eval().Script(readScript.text).Numkeys(2).Key(meta, stream).Arg(arguments...).Build())
	}
	list, err := r.ToArray()
	if err != nil {
		return broker.Past{}, c.keyedFailure(err)
	}
	top, err := positionOf(list)
	if err != nil || len(list) != 4 {
		return broker.Past{}, fmt.Errorf("redisbroker: an answer of %d parts: %w", len(list), err)
	}
	now, err := list[2].AsInt64()
	if err != nil {
		return broker.Past{}, err
	}
	messages, err := storedOf(list[3], top.Epoch)
	if err != nil {
		return broker.Past{}, err
	}
	return past(messages, top, after, time.UnixMicro(now).Add(-class.TTL), min(limit, class.Size)), nil
}

// storedOf reads the entries of a stream.
func storedOf(m rueidis.RedisMessage, epoch string) (list []broker.Stored, err error) {
	entries, err := m.AsXRange()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		text, _, _ := strings.Cut(e.ID, "-")
		offset, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("redisbroker: entry %s: %w", e.ID, err)
		}
		at, err := strconv.ParseInt(e.FieldValues["t"], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("redisbroker: entry %s has no time: %w", e.ID, err)
		}
		list = append(list, broker.Stored{
			Position: broker.Position{Epoch: epoch, Offset: offset}, Message: []byte(e.FieldValues["m"]), At: time.UnixMicro(at),
		})
	}
	return list, nil
}

// past says what list is of a history: what lies after the position, one more
// than the limit if there is more; or the newest, in reverse.
func past(list []broker.Stored, top, after broker.Position, oldest time.Time, limit int) (p broker.Past) {
	p.Top = top
	asked := after.Epoch == top.Epoch
	if !asked {
		for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
			list[i], list[j] = list[j], list[i]
		}
		list = list[max(0, len(list)-limit):]
	}
	for len(list) > 0 && list[0].At.Before(oldest) {
		list = list[1:]
	}
	if asked {
		if p.More = len(list) > limit; p.More {
			list = list[:limit]
		}
		p.Complete = after.Offset == top.Offset || len(list) > 0 && list[0].Offset == after.Offset+1
	} else {
		p.Complete = after.Epoch == ""
	}
	p.Messages = list
	switch {
	case p.Complete && asked:
		p.Floor = after.Offset
	case len(list) > 0:
		p.Floor = list[0].Offset - 1
	default:
		p.Floor = top.Offset
	}
	return p
}
