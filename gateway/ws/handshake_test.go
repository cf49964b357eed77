package ws

import "testing"

func TestHandshakeRFCExample(t *testing.T) {
	// RFC 6455 section 1.3.
	const key, accept = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	b := AppendUpgradeRequest(nil, "server.example.com", "/chat?a=b", key, "Origin: http://example.com", "Sec-WebSocket-Protocol: chat, superchat")
	req, n, err := ParseRequest(&HandshakeLimits{}, b)
	if err != nil || n != len(b) || !req.Upgrade {
		t.Fatal(req, n, err)
	}
	if req.Path != "/chat" || req.RawQuery != "a=b" || req.Host != "server.example.com" || req.Origin != "http://example.com" || req.Key != key {
		t.Errorf("%+v", req)
	}
	out := AppendUpgradeResponse(nil, &req, "chat")
	want := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + "\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
	if string(out) != want {
		t.Errorf("%q", out)
	}
	if n, err := ParseUpgradeResponse(out, key); n != len(out) || err != nil {
		t.Error(n, err)
	}
}
