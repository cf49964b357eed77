package bench

import (
	"encoding/base64"
	"encoding/binary"

	"sluice/gateway/ws"
)

// This file is where the generator meets the WebSocket codec. Whole data frames,
// which is what a fast server sends, are read where they lie (swarm_read.go);
// everything else goes through the codec.

// rules are those of a client: frames come from a server, unmasked.
var rules = ws.Rules{Client: true, MaxMessage: maxFrame, MaxFragments: 1 << 16}

// maskKey is the same for all frames: it protects proxies from hostile scripts
// (RFC 6455 section 10.3), and a generator is its own script.
var maskKey = [4]byte{0x5A, 0xC3, 0x96, 0x1F}

func appendMasked(dst []byte, op ws.Opcode, payload []byte) []byte {
	return ws.AppendMaskedFrame(dst, op, maskKey, payload)
}

func appendClose(dst []byte) []byte {
	return appendMasked(dst, ws.Close, []byte{1000 >> 8, 1000 & 0xFF})
}

// websocketKey is a Sec-WebSocket-Key of 16 bytes (RFC 6455 section 4.1).
func websocketKey(a, b uint64) string {
	var k [16]byte
	binary.LittleEndian.PutUint64(k[:8], a)
	binary.LittleEndian.PutUint64(k[8:], b)
	return base64.StdEncoding.EncodeToString(k[:])
}

func appendRequest(dst []byte, host, path, key string, headers []string) []byte {
	return ws.AppendUpgradeRequest(dst, host, path, key, headers...)
}

// parseResponse returns the length of the response, 0 when it is not whole yet.
func parseResponse(b []byte, key string) (int, error) {
	return ws.ParseUpgradeResponse(b, key)
}
