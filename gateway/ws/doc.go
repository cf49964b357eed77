// Package ws is the WebSocket protocol of RFC 6455 as pure functions over byte
// slices: it knows no sockets, goroutines or clocks.
//
// A connection starts with HTTP (handshake.go for a server, client.go for the
// other end), and then carries frames in both directions:
//
//	byte 0      FIN(1) RSV1-3(3) opcode(4)
//	byte 1      MASK(1) length(7)
//	            length 126: 2 more bytes hold it; 127: 8 more; big endian, in
//	            the shortest of the three forms
//	4 bytes     the masking key, in frames of a client only
//	payload     exclusive-or'ed with the key, repeated, in frames of a client
//
// A message is one frame with FIN, or a frame without it and continuation
// frames up to one with it; control frames (close, ping, pong) may stand
// between these. Parser turns bytes, cut anywhere, into messages; the Append
// functions turn messages into bytes.
package ws
