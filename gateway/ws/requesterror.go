package ws

import "strconv"

// RequestError says why a request is refused. The connection is answered with
// Status and closed. Reason is constant text that may be sent along; Header,
// where it is not empty, is a header line that the answer needs, with its CRLF.
type RequestError struct {
	Status int
	Reason string
	Header string
}

func (e *RequestError) Error() string {
	return "ws: " + strconv.Itoa(e.Status) + ": " + e.Reason
}

// Every reason to refuse a request, static, so that a hostile peer costs no
// allocation.
var (
	// The request line (RFC 9112 section 3).
	errNotHTTP      = &RequestError{400, "not an HTTP request", ""}
	errMethod       = &RequestError{405, "only GET and HEAD are served", "Allow: GET, HEAD\r\n"}
	errTarget       = &RequestError{400, "malformed request target", ""}
	errTargetLength = &RequestError{414, "the request line is too long", ""}
	errVersion      = &RequestError{400, "not HTTP/1.1", ""}

	// The headers (RFC 9112 sections 2.2, 5 and 6; RFC 9110 section 5).
	errHeaderBytes      = &RequestError{431, "the request is too large", ""}
	errHeaderLine       = &RequestError{431, "a header line is too long", ""}
	errHeaders          = &RequestError{431, "too many headers", ""}
	errBareLF           = &RequestError{400, "a line does not end in CRLF", ""}
	errFold             = &RequestError{400, "folded header line", ""}
	errFieldName        = &RequestError{400, "malformed header name", ""}
	errFieldValue       = &RequestError{400, "control character in a header", ""}
	errHost             = &RequestError{400, "malformed Host", ""}
	errHosts            = &RequestError{400, "more than one Host", ""}
	errNoHost           = &RequestError{400, "Host is missing", ""}
	errAuthority        = &RequestError{400, "the request target names another host than Host", ""}
	errTransferEncoding = &RequestError{400, "Transfer-Encoding is not accepted", ""}
	errContentLength    = &RequestError{400, "a body is not accepted", ""}
	errEmptyOrigin      = &RequestError{400, "empty Origin", ""}
	errOrigins          = &RequestError{400, "more than one Origin", ""}

	// The upgrade (RFC 6455 section 4.2).
	errNoUpgrade        = &RequestError{400, "Upgrade: websocket is missing (a proxy in between may have removed it)", ""}
	errUpgradeMethod    = &RequestError{400, "an upgrade has to be a GET", ""}
	errConnection       = &RequestError{400, "Connection: upgrade is missing", ""}
	errKey              = &RequestError{400, "Sec-WebSocket-Key is missing or not 16 bytes in base64", ""}
	errKeys             = &RequestError{400, "more than one Sec-WebSocket-Key", ""}
	errProtocol         = &RequestError{400, "malformed Sec-WebSocket-Protocol", ""}
	errExtension        = &RequestError{400, "malformed Sec-WebSocket-Extensions", ""}
	errVersions         = &RequestError{400, "more than one Sec-WebSocket-Version", ""}
	errWebSocketVersion = &RequestError{426, "only version 13 of the protocol is spoken", "Sec-WebSocket-Version: 13\r\n"}
)
