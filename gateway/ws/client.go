package ws

import (
	"bytes"
	"errors"
)

// AppendUpgradeRequest appends a client's upgrade request (RFC 6455 section
// 4.1). target is the path and the query; key is 16 random bytes in base64;
// each of headers is a line "Name: value" without its CRLF. They are sent as
// they are: the caller answers for them.
func AppendUpgradeRequest(dst []byte, host, target, key string, headers ...string) []byte {
	dst = append(dst, "GET "...)
	dst = append(dst, target...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, host...)
	dst = append(dst, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	dst = append(dst, key...)
	for _, line := range headers {
		dst = append(dst, "\r\n"...)
		dst = append(dst, line...)
	}
	return append(dst, "\r\n\r\n"...)
}

// maxResponse is the largest response that ParseUpgradeResponse reads, in bytes.
const maxResponse = 8 << 10

// Errors of ParseUpgradeResponse.
var (
	ErrResponseSize = errors.New("ws: the response to the upgrade is too large")
	ErrResponse     = errors.New("ws: the response to the upgrade is not HTTP/1.1")
	ErrNotUpgraded  = errors.New("ws: the server did not switch protocols")
	ErrAccept       = errors.New("ws: the server's Sec-WebSocket-Accept does not answer the key")
)

// ParseUpgradeResponse reads the response to the upgrade request that was sent
// with key, and returns its size n; frames follow it. n is 0, with a nil error,
// when b ends before the response does: call again with all bytes so far and
// those that follow. It checks what RFC 6455 section 4.1 has a client check;
// the status stands in b[9:12] when the error is ErrNotUpgraded.
func ParseUpgradeResponse(b []byte, key string) (n int, err error) {
	const status = "HTTP/1.1 "
	if k := min(len(b), len(status)); view(b[:k]) != status[:k] {
		return 0, ErrResponse
	}
	switch end := bytes.Index(b, []byte("\r\n\r\n")); {
	case end >= 0 && end+4 <= maxResponse:
		n = end + 4
	case len(b) >= maxResponse:
		return 0, ErrResponseSize
	default:
		return 0, nil
	}
	if view(b[len(status):len(status)+4]) != "101 " {
		return 0, ErrNotUpgraded
	}
	if err := checkUpgrade(b[:n-2], key); err != nil {
		return 0, err
	}
	return n, nil
}

// checkUpgrade checks the status line and the header lines of a 101.
func checkUpgrade(head []byte, key string) error {
	_, size, e := nextLine(head, len(head))
	if e != nil {
		return ErrResponse
	}
	head = head[size:]
	var upgrade, connection, accept bool
	for len(head) > 0 {
		line, size, e := nextLine(head, len(head))
		if e != nil || size == 0 {
			return ErrResponse
		}
		name, value, e := splitField(line)
		if e != nil {
			return ErrResponse
		}
		switch {
		case equalFold(name, "upgrade"):
			upgrade = equalFold(value, "websocket")
		case equalFold(name, "connection"):
			connection = connection || listHas(value, "upgrade")
		case equalFold(name, "sec-websocket-accept"):
			var want [28]byte
			accept = value == view(AppendAccept(want[:0], key))
		}
		head = head[size:]
	}
	switch {
	case !upgrade || !connection:
		return ErrNotUpgraded
	case !accept:
		return ErrAccept
	}
	return nil
}
