package ws

import (
	"crypto/sha1" // what RFC 6455 asks for; nothing is kept secret by it
	"encoding/base64"
)

// keySize is the length of a Sec-WebSocket-Key: 16 bytes in base64.
const keySize = 24

// acceptGUID is appended to the key (RFC 6455 section 1.3).
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// validKey reports whether key is 16 bytes in base64 (RFC 6455 section 4.1).
func validKey(key string) bool {
	if len(key) != keySize {
		return false
	}
	var raw [18]byte
	n, err := base64.StdEncoding.Decode(raw[:], bytesOf(key))
	return err == nil && n == 16
}

// AppendAccept appends the Sec-WebSocket-Accept that answers a key: the base64
// of a SHA-1 (RFC 6455 section 4.2.2).
func AppendAccept(dst []byte, key string) []byte {
	var in [keySize + len(acceptGUID)]byte
	text := append(append(in[:0], key...), acceptGUID...)
	sum := sha1.Sum(text)
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}

// AppendUpgradeResponse appends the 101 that answers an upgrade (RFC 6455
// section 4.2.2), after which both sides send frames. subprotocol is the one
// that was chosen of Request.Protocols, in the server's own spelling, or empty:
// nothing that the client sent stands in a response, but a hash of its key. d is
// what was agreed on about compression.
func AppendUpgradeResponse(dst []byte, req *Request, subprotocol string, d Deflate) []byte {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = AppendAccept(dst, req.Key)
	if subprotocol != "" {
		dst = append(dst, "\r\nSec-WebSocket-Protocol: "...)
		dst = append(dst, subprotocol...)
	}
	return append(d.append(dst), "\r\n\r\n"...)
}
