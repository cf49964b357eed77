package redisbroker

import (
	"bytes"
	"strconv"

	"sluice/gateway/broker"
)

// A message of a node begins with magic, and a line:
//
//	p LINK\n               published by LINK, whose node has delivered it itself
//	a EPOCH OFFSET\n       stored, at this position
//
// All else is from a backend, and taken as it is. (Text never begins with a zero
// byte, nor does an envelope.)
const magic = "\x00sluice1"

// published is m from a link.
func published(link string, m []byte) string {
	b := make([]byte, 0, len(magic)+len(link)+4+len(m))
	b = append(append(append(b, magic...), 'p', ' '), link...)
	return string(append(append(b, '\n'), m...))
}

// frame is a message taken apart.
type frame struct {
	link    string // that published it; "" for none
	at      broker.Position
	message []byte
}

// parse takes b apart. Message is a part of b.
func parse(b []byte) frame {
	rest, ours := bytes.CutPrefix(b, []byte(magic))
	line, message, ok := bytes.Cut(rest, []byte{'\n'})
	if !ours || !ok || len(line) < 2 || line[1] != ' ' {
		return frame{message: b}
	}
	switch words := bytes.Fields(line); {
	case line[0] == 'p' && len(words) == 2:
		return frame{link: string(words[1]), message: message}
	case line[0] == 'a' && len(words) == 3:
		if n, err := strconv.ParseUint(string(words[2]), 10, 64); err == nil {
			return frame{at: broker.Position{Epoch: string(words[1]), Offset: n}, message: message}
		}
	}
	return frame{message: b}
}
