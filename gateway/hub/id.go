package hub

import (
	"errors"
	"strconv"
)

// ID names an open connection on this node: shard, slot and the slot's
// generation, so that it is found without a table and never names a later one.
// No connection has the ID 0.
type ID uint64

// String is the ID as the server API shows it: 16 hexadecimal digits.
func (id ID) String() string {
	const digits = "0123456789abcdef"
	var b [16]byte
	for i := range b {
		b[i] = digits[id>>(60-4*i)&15]
	}
	return string(b[:])
}

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	if len(s) != 16 {
		return 0, errors.New("hub: a connection id has 16 hexadecimal digits")
	}
	n, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		return 0, errors.New("hub: a connection id has 16 hexadecimal digits")
	}
	return ID(n), nil
}

// An ID is 8 bits of shard, 24 bits of generation, 32 bits of slot.
const maxGen = 1<<24 - 1

func makeID(shard int, slot, gen uint32) ID {
	return ID(uint64(shard)<<56 | uint64(gen&maxGen)<<32 | uint64(slot))
}

func (id ID) split() (shard int, slot, gen uint32) {
	return int(id >> 56), uint32(id), uint32(id>>32) & maxGen
}
