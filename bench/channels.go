package bench

import (
	"math"
	"math/rand/v2"
	"strconv"
)

// channels tells who is in which channel. Publisher p publishes to channel p mod
// n, and is connection p, so that is where connection p is. Of the others,
// connection i is in channel i mod n too, or where a Zipf distribution puts it.
type channels struct {
	n       int
	columns int      // publishers per channel, at most
	zipf    []uint32 // by connection; nil: i mod n
}

func channelsOf(p *Plan) channels {
	n := max(1, p.Channels)
	c := channels{n: n, columns: (p.Publishers + n - 1) / n}
	if p.Zipf > 0 && n > 1 {
		c.zipf = zipfChannels(p.Connections, n, min(p.Connections, max(n, p.Publishers)), p.Zipf, p.Seed)
	}
	return c
}

// of is the channel of connection i.
//
// hot: once per received message.
func (c channels) of(i int) int {
	if c.zipf != nil {
		return int(c.zipf[i])
	}
	return i % c.n
}

// target is the channel that publisher p publishes to, column which of its publishers it is.
func (c channels) target(p int) int { return p % c.n }
func (c channels) column(p int) int { return p / c.n }

// zipfChannels deals connections to n channels: the k-th largest channel has a
// share of 1/k^s of the largest one's, rounded so that all are dealt, and no
// channel is empty. The first fixed connections are dealt in
// turns, as publishers are; in which order the others come is shuffled by seed.
func zipfChannels(connections, n, fixed int, s float64, seed uint64) []uint32 {
	of := make([]uint32, connections)
	have := make([]int, n)
	for i := range fixed {
		of[i] = uint32(i % n)
		have[i%n]++
	}
	weight, sum := make([]float64, n), 0.0
	for k := range weight {
		weight[k] = math.Pow(float64(k+1), -s)
		sum += weight[k]
	}
	// Where the fixed ones alone are more than a channel's share, the rest is
	// shared out among the other channels.
	next, left := fixed, connections-fixed
	share := 0.0
	for k := range weight {
		weight[k] = max(0, weight[k]/sum*float64(connections)-float64(have[k]))
		share += weight[k]
	}
	carried := 0.0
	for k := range weight {
		if share == 0 {
			break
		}
		carried += weight[k] / share * float64(left)
		for ; float64(next-fixed) < math.Round(carried) && next < connections; next++ {
			of[next] = uint32(k)
		}
	}
	rest := of[fixed:]
	rand.New(rand.NewPCG(seed, uint64(n))).Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	return of
}

func channelName(ch int) string { return string(appendChannelName(nil, ch)) }

func appendChannelName(dst []byte, ch int) []byte {
	return strconv.AppendInt(append(dst, "flood-"...), int64(ch), 10)
}
