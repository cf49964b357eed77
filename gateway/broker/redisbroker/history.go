package redisbroker

import (
	"cmp"
	"context"
	"crypto/rand" //nolint:gosec // what Redis names scripts by
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
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

// currentEpoch begins both scripts: it is the channel's epoch, and what it has of
// the one before. What Redis has confirmed it may lose, when a replica becomes the
// master or an older file is loaded, and would give the lost offsets again. So the
// channel gets another epoch in each run of a server; up to its newest offset of then,
// it is the old one.
//
// KEYS[1] is the channel's hash, KEYS[2] its stream; fresh is an epoch that no history
// has had; created: there was none.
const currentEpoch = `
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'run', 'offset', 'before', 'common')
local epoch, before, common = meta[1], meta[4] or '', meta[5] or '0'
local created = not epoch
if created then
  epoch = fresh
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'run', run)
  redis.call('DEL', KEYS[2])
elseif meta[2] ~= run then
  before, common, epoch = epoch, meta[3] or '0', fresh
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'run', run, 'before', before, 'common', common)
end
`

// appendScript gives a message its offset, stores and publishes it.
//
//	KEYS: meta, stream. ARGV: message, size, lifetime of a message and of the
//	channel's epoch in ms, pub/sub channel, the epoch if there is to be a new one, PUBLISH or SPUBLISH.
var appendScript = newScript(`
local fresh = ARGV[6]` + currentEpoch + `
local offset = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'offset', 1))
local t = redis.call('TIME')
redis.call('XADD', KEYS[2], 'MAXLEN', '=', ARGV[2], offset .. '-0', 'm', ARGV[1], 't', t[1] .. string.format('%06d', t[2]))
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
local reached = redis.call(ARGV[7], ARGV[5], '\0sluice1a ' .. epoch .. ' ' .. offset .. '\n' .. ARGV[1])
return {epoch, offset, reached}
`)

// readScript returns the epoch, the newest offset, the epoch before with the newest
// offset that both have, and messages. Those that have outlived their time, which the
// stream has until later ones take their places, do not count.
//
//	KEYS: meta, stream. ARGV: epoch and offset that were asked for ('' and 0: the
//	newest), how many, the lifetime of the epoch in ms, the epoch if there is to be a new one,
//	after how many bytes of messages it is enough, and the lifetime of a message in ms.
var readScript = newScript(`
local fresh = ARGV[5]` + currentEpoch + `
if created then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
local list, left, bytes = {}, tonumber(ARGV[3]), tonumber(ARGV[6])
local t = redis.call('TIME')
local oldest = t[1] * 1000000 + t[2] - ARGV[7] * 1000
local function read(command, from, to)
  local count
  repeat
    local part = redis.call(command, KEYS[2], from, to, 'COUNT', count or math.min(left, 100))
    count = 100
    for _, entry in ipairs(part) do
      from = '(' .. entry[1]
      if tonumber(entry[2][4]) >= oldest then
        list[#list + 1] = entry
        left, bytes, count = left - 1, bytes - #entry[2][2], nil
        if left == 0 or bytes < 0 then return end
      end
    end
  until #part == 0
end
if ARGV[1] == epoch then
  read('XRANGE', '(' .. ARGV[2] .. '-0', '+')
elseif ARGV[1] ~= '' and ARGV[1] == before then
  local from = string.format('%.0f', math.min(tonumber(ARGV[2]), tonumber(common)))
  read('XRANGE', '(' .. from .. '-0', '+')
else
  read('XREVRANGE', '+', '-')
end
return {epoch, redis.call('HGET', KEYS[1], 'offset') or '0', before, common, list}
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
	return c.outbox.Put(op{kind: opAppend, name: l.name(channel), text: string(m), channel: channel, class: class, answered: done})
}

// appending is the command of an append.
func (c *conn) appending(p *op) rueidis.Completed {
	meta, stream := c.link.keys(p.channel)
	return c.keyed.B().Evalsha().Sha1(appendScript.sha).Numkeys(2).Key(meta, stream).Arg(c.appendArguments(p)...).Build()
}

func (c *conn) appendArguments(p *op) []string {
	publish := "PUBLISH"
	if c.shards != nil {
		publish = "SPUBLISH"
	}
	return []string{
		p.text, strconv.Itoa(p.class.Size), milliseconds(p.class.TTL), milliseconds(epochLife(p.class.TTL)), p.name, newEpoch(), publish,
	}
}

// appended reads the answer, an epoch, an offset and how many were reached. A server that does not know the script yet gets it.
func (c *conn) appended(ctx context.Context, p *op, r rueidis.RedisResult) (at broker.Position, err error) {
	if e, ok := rueidis.IsRedisErr(r.Error()); ok && e.IsNoScript() {
		meta, stream := c.link.keys(p.channel)
		r = c.keyed.Do(ctx, c.keyed.B().Eval().Script(appendScript.text).Numkeys(2).Key(meta, stream).Arg(c.appendArguments(p)...).Build())
	}
	list, err := r.ToArray()
	if err != nil {
		return at, err
	}
	if at, err = positionOf(list); err == nil && len(list) == 3 {
		c.note(p.name, &list[2])
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
func (l *Link) Read(ctx context.Context, class broker.Class, channel string, after broker.Position, limit, bytes int) (broker.Past, error) {
	c, err := l.live()
	if err != nil {
		return broker.Past{}, err
	}
	meta, stream := l.keys(channel)
	count := min(limit, class.Size) + 1 // one more tells whether there is more
	arguments := []string{after.Epoch, strconv.FormatUint(after.Offset, 10), strconv.Itoa(count), milliseconds(epochLife(class.TTL)), newEpoch(), strconv.Itoa(cmp.Or(bytes, math.MaxInt32)), milliseconds(class.TTL)}
	b := c.keyed.B()
	r := c.keyed.Do(ctx, b.Evalsha().Sha1(readScript.sha).Numkeys(2).Key(meta, stream).Arg(arguments...).Build())
	if e, ok := rueidis.IsRedisErr(r.Error()); ok && e.IsNoScript() {
		r = c.keyed.Do(ctx, b.Eval().Script(readScript.text).Numkeys(2).Key(meta, stream).Arg(arguments...).Build())
	}
	list, err := r.ToArray()
	if err != nil {
		return broker.Past{}, c.keyedFailure(err)
	}
	if len(list) != 5 {
		return broker.Past{}, fmt.Errorf("redisbroker: an answer of %d parts", len(list))
	}
	top, err1 := positionOf(list)
	before, err2 := positionOf(list[2:])
	messages, err3 := storedOf(list[4], top.Epoch)
	if err := errors.Join(err1, err2, err3); err != nil {
		return broker.Past{}, err
	}
	return past(messages, top, before, after, min(limit, class.Size)), nil
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

// past says what list is of a history: what lies after the position, one more than
// the limit if there is more; or the newest, in reverse. Of a position of the epoch
// before that this one does not have, list is what lies after what both have.
func past(list []broker.Stored, top, before, after broker.Position, limit int) (p broker.Past) {
	p.Top, p.Before = top, before
	from := after.In(top.Epoch, before)
	lost := from.Epoch != "" && from.Epoch == before.Epoch
	if lost {
		from = broker.Position{Epoch: top.Epoch, Offset: before.Offset}
	}
	asked := from.Epoch == top.Epoch
	if !asked {
		for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
			list[i], list[j] = list[j], list[i]
		}
		list = list[max(0, len(list)-limit):]
	}
	whole := after.Epoch == ""
	if asked {
		list = list[:min(limit, len(list))]
		p.More = len(list) > 0 && list[len(list)-1].Offset < top.Offset
		whole = from.Offset == top.Offset || len(list) > 0 && list[0].Offset == from.Offset+1
	}
	p.Messages, p.Complete = list, whole && !lost
	switch {
	case whole && asked:
		p.Floor = from.Offset
	case len(list) > 0:
		p.Floor = list[0].Offset - 1
	default:
		p.Floor = top.Offset
	}
	return p
}
