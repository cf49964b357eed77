package config

import (
	"errors"
	"math"
	"strconv"
)

// Share is a part of a whole: 0.85 is 85 hundredths of it.
type Share float64

var errShare = errors.New("must be a share such as 0.85")

// UnmarshalText reads a decimal number. What is not finite is an error.
func (s *Share) UnmarshalText(text []byte) error {
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return errShare
	}
	*s = Share(f)
	return nil
}

// String is the number in its shortest form.
func (s Share) String() string { return strconv.FormatFloat(float64(s), 'g', -1, 64) }
