package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes.
type Size int64

// Units of Size.
const (
	B   Size = 1
	KiB      = 1024 * B
	MiB      = 1024 * KiB
	GiB      = 1024 * MiB
	TiB      = 1024 * GiB
)

var (
	errSize      = errors.New("must be a size in bytes such as 65536, 64KiB or 1.5MiB")
	errSizeLarge = errors.New("must be less than 8388608TiB")
	errSizeBytes = errors.New("must come to whole bytes")
)

// sizeUnit returns the bytes in a unit of Size: binary units, and the decimal
// ones of disks and networks, which are not the same and are not taken for them.
func sizeUnit(name string) (Size, bool) {
	switch name {
	case "", "B":
		return B, true
	case "KiB":
		return KiB, true
	case "MiB":
		return MiB, true
	case "GiB":
		return GiB, true
	case "TiB":
		return TiB, true
	case "kB", "KB":
		return 1e3, true
	case "MB":
		return 1e6, true
	case "GB":
		return 1e9, true
	case "TB":
		return 1e12, true
	}
	return 0, false
}

// ParseSize reads a number of bytes: 65536, 64KiB, 1.5MiB, 64KB (64,000). A
// fraction must come to whole bytes, and a negative size is an error.
func ParseSize(s string) (Size, error) {
	end := strings.LastIndexAny(s, "0123456789.") + 1
	number, name := s[:end], strings.TrimLeft(s[end:], " ")
	unit, ok := sizeUnit(name)
	if !ok || number == "" {
		return 0, errSize
	}
	whole, fraction, dot := strings.Cut(number, ".")
	n, err := strconv.ParseUint(whole, 10, 63)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errSizeLarge
	case err != nil:
		return 0, errSize
	case n > math.MaxInt64/uint64(unit):
		return 0, errSizeLarge
	}
	size := Size(n) * unit
	if !dot {
		return size, nil
	}
	part, err := fractionOf(fraction, unit)
	if err != nil {
		return 0, err
	}
	if size > math.MaxInt64-part {
		return 0, errSizeLarge
	}
	return size + part, nil
}

// fractionOf returns 0.digits of a unit, which has to be whole bytes.
func fractionOf(digits string, unit Size) (Size, error) {
	if digits == "" || len(digits) > 6 {
		return 0, errSize
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0, errSize
	}
	scale := Size(1)
	for range digits {
		scale *= 10
	}
	// At most 1e6 * 2^40: no overflow.
	if Size(n)*unit%scale != 0 {
		return 0, errSizeBytes
	}
	return Size(n) * unit / scale, nil
}

// String is the shortest exact form that ParseSize reads: 64KiB, 1000, 0.
func (s Size) String() string {
	units := [...]struct {
		size Size
		name string
	}{{TiB, "TiB"}, {GiB, "GiB"}, {MiB, "MiB"}, {KiB, "KiB"}}
	for _, u := range units {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText is String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is ParseSize.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := ParseSize(string(text))
	if err == nil {
		*s = n
	}
	return err
}
