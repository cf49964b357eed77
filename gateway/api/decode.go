package api

import (
	"encoding/base64"
	"slices"

	"sluice/gateway/hub"
)

const (
	// maxBatch is how many publishes one batch has at most.
	maxBatch = 1000
	// maxChannels is how many channels one broadcast has at most.
	maxChannels = 1000
	// maxReason is what a close frame has room for (RFC 6455 section 5.5): 125
	// bytes, two of them the code.
	maxReason = 123
	// defaultCloseCode is policy violation (RFC 6455 section 7.4.1): most
	// clients take it as a decision, not as an accident.
	defaultCloseCode = 1008
)

// A publication is what a publish or a broadcast asks for.
type publication struct {
	channels []string // at least one, none twice
	payload  []byte   // may lie in the body it was read from
	binary   bool
}

// The fields of a publication; channel and channels stand first.
const (
	fieldChannel = iota
	fieldData
	fieldText
	fieldB64
)

// decodePublish reads {"channel": c, and one of "data", "text", "b64data"}.
func decodePublish(body []byte) (publication, *problem) {
	return decodePublication(body, "channel", func(s *scanner) ([]string, *problem) {
		name, p := s.text(`"channel"`)
		return []string{string(name)}, p
	})
}

// decodeBroadcast reads {"channels": [c, ...], and one of the payloads}. A
// channel that is named twice counts once.
func decodeBroadcast(body []byte) (publication, *problem) {
	return decodePublication(body, "channels", decodeChannels)
}

// decodePublication reads an object whose field to says where the payload goes.
func decodePublication(body []byte, to string, channels func(s *scanner) ([]string, *problem)) (publication, *problem) {
	var pub publication
	var given uint64
	p := scan(body, func(s *scanner) (p *problem) {
		given, p = s.object("the request", []string{to, "data", "text", "b64data"}, func(i int) (p *problem) {
			switch i {
			case fieldChannel:
				pub.channels, p = channels(s)
			case fieldData:
				pub.payload, p = s.value()
			case fieldText:
				pub.payload, p = s.text(`"text"`)
			case fieldB64:
				pub.binary = true
				pub.payload, p = decodeBase64(s)
			}
			return p
		})
		return p
	})
	if p != nil {
		return publication{}, p
	}
	if given&(1<<fieldChannel) == 0 {
		return publication{}, fail(invalidRequest, "the request lacks %q", to)
	}
	switch given &^ (1 << fieldChannel) {
	case 1 << fieldData, 1 << fieldText, 1 << fieldB64:
		return pub, nil
	}
	return publication{}, fail(invalidRequest, `the request must have exactly one of "data", "text" and "b64data"`)
}

func decodeChannels(s *scanner) ([]string, *problem) {
	var list []string
	seen := make(map[string]struct{})
	p := s.array(`"channels"`, func(i int) *problem {
		if i >= maxChannels {
			return fail(invalidRequest, `"channels" has more than %d names`, maxChannels)
		}
		name, p := s.text(`each of "channels"`)
		if p != nil {
			return p
		}
		if _, twice := seen[string(name)]; !twice {
			list = append(list, string(name))
			seen[list[len(list)-1]] = struct{}{}
		}
		return nil
	})
	if p == nil && len(list) == 0 {
		return nil, fail(invalidRequest, `"channels" must name at least one`)
	}
	return list, p
}

func decodeBase64(s *scanner) ([]byte, *problem) {
	text, p := s.text(`"b64data"`)
	if p != nil {
		return nil, p
	}
	payload := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(payload, text)
	if err != nil {
		return nil, fail(invalidRequest, `"b64data" must be standard base64 with padding`)
	}
	return payload[:n], nil
}

// decodeBatch reads {"publish": [{...}, ...]} and returns each element as it was
// sent: well-formed JSON, the rest of which is its own affair.
func decodeBatch(body []byte) (items [][]byte, p *problem) {
	p = scan(body, func(s *scanner) *problem {
		given, p := s.object("the request", []string{"publish"}, func(int) *problem {
			return s.array(`"publish"`, func(i int) *problem {
				if i >= maxBatch {
					return fail(invalidRequest, `"publish" has more than %d elements`, maxBatch)
				}
				item, p := s.value()
				items = append(items, item)
				return p
			})
		})
		if p == nil && given == 0 {
			return fail(invalidRequest, `the request lacks "publish"`)
		}
		return p
	})
	return items, p
}

// A farewell is what a disconnect asks for: for one connection, or all of a user's.
type farewell struct {
	node   string // of id; "": this one
	id     hub.ID
	user   string // "": id
	code   uint16
	reason string
}

// decodeDisconnect reads {"connection": id or "user": id, "code": 1008, "reason": ""}.
func decodeDisconnect(body []byte) (f farewell, p *problem) {
	f.code = defaultCloseCode
	p = scan(body, func(s *scanner) *problem {
		given, p := s.object("the request", []string{"connection", "user", "code", "reason", "node"}, func(i int) (p *problem) {
			switch i {
			case 0:
				return f.setID(s)
			case 1:
				f.user, p = s.name(`"user"`)
				return p
			case 2:
				return f.setCode(s)
			case 3:
				return f.setReason(s)
			default:
				f.node, p = s.name(`"node"`)
				return p
			}
		})
		if which := given & 3; p == nil && which != 1 && which != 2 {
			return fail(invalidRequest, `the request must have exactly one of "connection" and "user"`)
		}
		if p == nil && f.node != "" && f.user != "" {
			return fail(invalidRequest, `"node" goes with "connection": a user's connections are closed on all nodes`)
		}
		return p
	})
	return f, p
}

func (f *farewell) setID(s *scanner) *problem {
	text, p := s.text(`"connection"`)
	if p != nil {
		return p
	}
	id, err := hub.ParseID(string(text))
	if err != nil {
		return fail(invalidRequest, `"connection" must be an id of 16 hexadecimal digits`)
	}
	f.id = id
	return nil
}

// setCode takes the codes of RFC 6455 section 7.4 that a server may send on an
// application's behalf, and those that the section leaves to applications.
func (f *farewell) setCode(s *scanner) *problem {
	n, p := s.integer(`"code"`)
	if p != nil {
		return p
	}
	if (n < 3000 || n > 4999) && !slices.Contains([]int{1000, 1001, 1008, 1011, 1012, 1013}, n) {
		return fail(invalidRequest, `"code" must be 1000, 1001, 1008, 1011, 1012, 1013 or from 3000 to 4999`)
	}
	f.code = uint16(n)
	return nil
}

func (f *farewell) setReason(s *scanner) *problem {
	text, p := s.text(`"reason"`)
	if p != nil {
		return p
	}
	if len(text) > maxReason {
		return fail(invalidRequest, `"reason" has %d bytes, of at most %d`, len(text), maxReason)
	}
	f.reason = string(text)
	return nil
}
