package redisbroker

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strconv"

	"github.com/redis/rueidis"
)

// slots is how many slots a cluster has.
// https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
const slots = 16384

// owners are a cluster's masters, by their slots, in order.
type owners []span

// span is slots in a row that one master has.
type span struct {
	first, last uint16
	master      string // its address
}

// ownersOf asks a server, whose own address is given, for the masters that it knows.
func ownersOf(ctx context.Context, server rueidis.Client, address string) (o owners, err error) {
	ranges, err := server.Do(ctx, server.B().ClusterSlots().Build()).ToArray()
	if err != nil {
		return nil, err
	}
	for _, r := range ranges { // of each: the first and the last slot, the master, its replicas
		parts, err := r.ToArray()
		if err != nil {
			return nil, err
		}
		if len(parts) < 3 {
			return nil, errSlots
		}
		first, err1 := parts[0].AsUint64()
		last, err2 := parts[1].AsUint64()
		master, err3 := masterOf(parts[2], address)
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, err
		}
		if first >= slots || last >= slots {
			return nil, errSlots
		}
		o = append(o, span{uint16(first), uint16(last), master})
	}
	slices.SortFunc(o, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	return o, nil
}

var errSlots = errors.New("redisbroker: an answer to CLUSTER SLOTS that cannot be read")

// masterOf reads a server's host and port. A server that does not know its own
// host leaves it out: it is the one that was asked.
func masterOf(m rueidis.RedisMessage, asked string) (string, error) {
	parts, err := m.ToArray()
	if err != nil {
		return "", err
	}
	if len(parts) < 2 {
		return "", errSlots
	}
	port, err := parts[1].AsInt64()
	if err != nil {
		return "", err
	}
	host, err := parts[0].ToString()
	if err != nil || host == "" || host == "?" {
		if host, _, err = net.SplitHostPort(asked); err != nil {
			return "", err
		}
	}
	return net.JoinHostPort(host, strconv.FormatInt(port, 10)), nil
}

// slotOf is the slot of a pub/sub channel.
func slotOf(b rueidis.Builder, name string) uint16 {
	c := b.Ssubscribe().Channel(name).Build()
	return c.Slot() % slots
}

// of is the address of a slot's master; "": it has none.
func (o owners) of(slot uint16) string {
	i, _ := slices.BinarySearchFunc(o, slot, func(s span, slot uint16) int { return cmp.Compare(s.last, slot) })
	if i == len(o) || slot < o[i].first {
		return ""
	}
	return o[i].master
}

// masters are the addresses, each once.
func (o owners) masters() map[string]bool {
	all := map[string]bool{}
	for _, s := range o {
		all[s.master] = true
	}
	return all
}
