package api

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/hub"
)

func nested(depth int) string {
	return strings.Repeat("[", depth) + strings.Repeat("]", depth)
}

func TestPublish(t *testing.T) {
	const tooBig = testMessageSize + 1
	one := func(payload string, binary bool) []published {
		return []published{{[]string{"b"}, payload, binary}}
	}
	tests := []struct {
		name, body string
		status     int
		want       string // a piece of the answer
		published  []published
	}{
		{"data", `{"channel":"b","data":{"x":1}}`, 200, `{"result":{"subscribers":2}}`, one(`{"x":1}`, false)},
		{"data is published as it was sent", "{\"channel\":\"b\",\"data\": \t[1.0, 1e2,\n\"\\u0041\\/\"] }", 200, ``, one("[1.0, 1e2,\n\"\\u0041\\/\"]", false)},
		{"data null", `{"channel":"b","data":null}`, 200, ``, one(`null`, false)},
		{"data string keeps its quotes", `{"channel":"b","data":"x"}`, 200, ``, one(`"x"`, false)},
		{"data with equal keys is the receivers' affair", `{"channel":"b","data":{"a":1,"a":2}}`, 200, ``, one(`{"a":1,"a":2}`, false)},
		{"text", `{"text":"gr\u00fc\u00df \ud83d\ude00\n\"\\\/\b\f\r\t","channel":"b"}`, 200, ``, one("grüß 😀\n\"\\/\b\f\r\t", false)},
		{"text in UTF-8", `{"channel":"b","text":"grüß 😀"}`, 200, ``, one("grüß 😀", false)},
		{"empty text", `{"channel":"b","text":""}`, 200, ``, one("", false)},
		{"text NUL", `{"channel":"b","text":"\u0000"}`, 200, ``, one("\x00", false)},
		{"b64data", `{"channel":"b","b64data":"AP+A"}`, 200, ``, one("\x00\xff\x80", true)},
		{"b64data escaped", `{"channel":"b","b64data":"\/\/\/\/"}`, 200, ``, one("\xff\xff\xff", true)},
		{"empty b64data", `{"channel":"b","b64data":""}`, 200, ``, one("", true)},
		{"channel escaped", `{"channel":"\u0062","text":"x"}`, 200, ``, one("x", false)},
		{"nobody there", `{"channel":"z","text":"x"}`, 200, `{"result":{"subscribers":0}}`, []published{{[]string{"z"}, "x", false}}},
		{"white space around", " \r\n{\"channel\" : \"b\" , \"text\":\"x\"} \n", 200, ``, one("x", false)},
		{"as large as allowed", fmt.Sprintf(`{"channel":"b","text":%q}`, strings.Repeat("x", testMessageSize)), 200, ``, one(strings.Repeat("x", testMessageSize), false)},
		{"as large as allowed, escaped", `{"channel":"b","text":"` + strings.Repeat(`\u0000`, testMessageSize) + `"}`, 200, ``, one(strings.Repeat("\x00", testMessageSize), false)},
		{"32 levels", `{"channel":"b","data":` + nested(31) + `}`, 200, ``, one(nested(31), false)},

		{"text too large", fmt.Sprintf(`{"channel":"b","text":%q}`, strings.Repeat("x", tooBig)), 413, `"code":"message_too_large","message":"the message has 101 bytes, limits.message_size is 100"`, nil},
		{"data too large", fmt.Sprintf(`{"channel":"b","data":%q}`, strings.Repeat("x", tooBig-2)), 413, `has 101 bytes`, nil},
		{"b64data too large", fmt.Sprintf(`{"channel":"b","b64data":%q}`, base64.StdEncoding.EncodeToString(make([]byte, tooBig))), 413, `has 101 bytes`, nil},
		{"bad channel", `{"channel":"bb","text":"x"}`, 400, `"code":"invalid_channel","message":"channel \"bb\": it must have one byte"`, nil},
		{"empty channel", `{"channel":"","text":"x"}`, 400, `invalid_channel`, nil},
		{"long bad channel is cut", `{"channel":"` + strings.Repeat("é", 300) + `","text":"x"}`, 400, strings.Repeat("é", 32) + `\"...:`, nil},

		{"33 levels", `{"channel":"b","data":` + nested(32) + `}`, 400, `nested deeper than 32`, nil},
		{"a million levels", `{"channel":"b","data":` + strings.Repeat("[", 1e5), 400, `nested deeper than 32`, nil},
		{"no channel", `{"text":"x"}`, 400, `lacks \"channel\"`, nil},
		{"no payload", `{"channel":"b"}`, 400, `exactly one of \"data\", \"text\" and \"b64data\"`, nil},
		{"data and text", `{"channel":"b","data":1,"text":"x"}`, 400, `exactly one of`, nil},
		{"text and b64data", `{"channel":"b","b64data":"","text":"x"}`, 400, `exactly one of`, nil},
		{"unknown field", `{"channel":"b","text":"x","tags":[]}`, 400, `unknown field \"tags\"`, nil},
		{"a broadcast's field", `{"channels":["b"],"text":"x"}`, 400, `unknown field \"channels\"`, nil},
		{"another case", `{"Channel":"b","text":"x"}`, 400, `unknown field \"Channel\"`, nil},
		{"channel twice", `{"channel":"b","text":"x","channel":"c"}`, 400, `has \"channel\" twice`, nil},
		{"channel twice, once escaped", `{"channel":"b","text":"x","\u0063hannel":"c"}`, 400, `has \"channel\" twice`, nil},
		{"text twice", `{"channel":"b","text":"x","text":"x"}`, 400, `has \"text\" twice`, nil},
		{"channel a number", `{"channel":1,"text":"x"}`, 400, `\"channel\" must be a string`, nil},
		{"channel null", `{"channel":null,"text":"x"}`, 400, `\"channel\" must be a string`, nil},
		{"channel a list", `{"channel":["b"],"text":"x"}`, 400, `\"channel\" must be a string`, nil},
		{"channel nothing", `{"channel":,"text":"x"}`, 400, `invalid_json`, nil},
		{"text a number", `{"channel":"b","text":1}`, 400, `\"text\" must be a string`, nil},
		{"b64data without padding", `{"channel":"b","b64data":"AA"}`, 400, `standard base64`, nil},
		{"b64data of URLs", `{"channel":"b","b64data":"__8="}`, 400, `standard base64`, nil},
		{"b64data with loose bits", `{"channel":"b","b64data":"AB=="}`, 400, `standard base64`, nil},

		{"empty", ``, 400, `"code":"invalid_json","message":"the JSON text ends at byte 0`, nil},
		{"array", `[]`, 400, `the request must be an object`, nil},
		{"trailing data", `{"channel":"b","text":"x"}{}`, 400, `byte 26 of the JSON text is '{'`, nil},
		{"trailing word", `{"channel":"b","text":"x"} x`, 400, `invalid_json`, nil},
		{"trailing comma", `{"channel":"b","text":"x",}`, 400, `a key in quotes`, nil},
		{"cut", `{"channel":"b","te`, 400, `a closing quote`, nil},
		{"half a pair", `{"channel":"b","text":"\ud83d"}`, 400, `surrogate`, nil},
		{"half a pair and more", `{"channel":"b","text":"\ud83d\u0041"}`, 400, `surrogate`, nil},
		{"the second half", `{"channel":"b","text":"\ude00"}`, 400, `surrogate`, nil},
		{"not UTF-8", "{\"channel\":\"b\",\"text\":\"\xff\"}", 400, `not UTF-8`, nil},
		{"UTF-16", "\xff\xfe{\x00}\x00", 400, `not UTF-8`, nil},
		{"byte order mark", "\ufeff{}", 400, `invalid_json`, nil},
		{"a control character", "{\"channel\":\"b\",\"text\":\"\n\"}", 400, `control characters`, nil},
		{"a form", `channel=b&text=x`, 400, `invalid_json`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &fakeHub{}
			res := exchange(t, New(options(h)), request("POST", "/api/publish", tt.body))
			got := res.body
			if res.status != tt.status || !strings.Contains(got, tt.want) {
				t.Errorf("%d %s\nwant %d with %s", res.status, got, tt.status, tt.want)
			}
			if diff := cmp.Diff(tt.published, h.published); diff != "" {
				t.Errorf("published: %s", diff)
			}
		})
	}
}

func TestBroadcast(t *testing.T) {
	channels := func(n int) string {
		return strings.TrimSuffix(strings.Repeat(`"b",`, n), ",")
	}
	tests := []struct {
		name, body string
		status     int
		want       string
		published  []published
	}{
		{"two", `{"channels":["a","c"],"data":{}}`, 200, `{"result":{"subscribers":4}}`, []published{{[]string{"a", "c"}, "{}", false}}},
		{"twice counts once", `{"channels":["c","a","c"],"b64data":"AA=="}`, 200, `{"result":{"subscribers":4}}`, []published{{[]string{"c", "a"}, "\x00", true}}},
		{"1000", `{"channels":[` + channels(1000) + `],"text":"x"}`, 200, `{"result":{"subscribers":2}}`, []published{{[]string{"b"}, "x", false}}},
		{"1001", `{"channels":[` + channels(1001) + `],"text":"x"}`, 400, `more than 1000`, nil},
		{"none", `{"channels":[],"text":"x"}`, 400, `at least one`, nil},
		{"no channels", `{"text":"x"}`, 400, `lacks \"channels\"`, nil},
		{"one is bad", `{"channels":["a","bb"],"text":"x"}`, 400, `invalid_channel`, nil},
		{"one is a number", `{"channels":["a",1],"text":"x"}`, 400, `each of \"channels\" must be a string`, nil},
		{"a string", `{"channels":"a","text":"x"}`, 400, `\"channels\" must be an array`, nil},
		{"a publish's field", `{"channel":"a","text":"x"}`, 400, `unknown field \"channel\"`, nil},
		{"trailing comma", `{"channels":["a",],"text":"x"}`, 400, `invalid_json`, nil},
		{"open", `{"channels":["a"`, 400, `a closing bracket`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &fakeHub{}
			res := exchange(t, New(options(h)), request("POST", "/api/broadcast", tt.body))
			got := res.body
			if res.status != tt.status || !strings.Contains(got, tt.want) {
				t.Errorf("%d %s\nwant %d with %s", res.status, got, tt.status, tt.want)
			}
			if diff := cmp.Diff(tt.published, h.published); diff != "" {
				t.Errorf("published: %s", diff)
			}
		})
	}
}

func TestBatch(t *testing.T) {
	const good = `{"channel":"b","text":"x"}`
	list := func(n int) string { return strings.TrimSuffix(strings.Repeat(good+",", n), ",") }
	tests := []struct {
		name, body string
		status     int
		want       string
		published  int
	}{
		{"two", `{"publish":[{"channel":"a","text":"1"},{"channel":"c","data":2}]}`, 200, `{"results":[{"result":{"subscribers":1}},{"result":{"subscribers":3}}]}`, 2},
		{"none", `{"publish":[]}`, 200, `{"results":[]}`, 0},
		{
			"each by itself", `{"publish":[` + good + `,{"channel":"bb","text":"x"},7,{"channel":"b"},` + good + `]}`, 200,
			`{"results":[{"result":{"subscribers":2}},{"error":{"code":"invalid_channel","message":"channel \"bb\": it must have one byte"}},{"error":{"code":"invalid_request","message":"the request must be an object"}},`, 2,
		},
		{"1000", `{"publish":[` + list(1000) + `]}`, 200, `{"results":[`, 1000},
		{"1001", `{"publish":[` + list(1001) + `]}`, 400, `more than 1000`, 0},
		{"malformed at the end", `{"publish":[` + good + `,{"channel":"b","text":}]}`, 400, `invalid_json`, 0},
		{"nothing", `{}`, 400, `lacks \"publish\"`, 0},
		{"twice", `{"publish":[],"publish":[` + good + `]}`, 400, `twice`, 0},
		{"an object", `{"publish":{}}`, 400, `must be an array`, 0},
		{"unknown field", `{"commands":[]}`, 400, `unknown field \"commands\"`, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &fakeHub{}
			res := exchange(t, New(options(h)), request("POST", "/api/batch", tt.body))
			got := res.body
			if res.status != tt.status || !strings.Contains(got, tt.want) {
				t.Errorf("%d %s\nwant %d with %s", res.status, got, tt.status, tt.want)
			}
			if len(h.published) != tt.published {
				t.Errorf("published %d, want %d", len(h.published), tt.published)
			}
		})
	}
}

func TestHubRefuses(t *testing.T) {
	tests := []struct {
		err    error
		status int
		code   string
		retry  string
	}{
		{hub.ErrBusy, 503, "busy", "1"},
		{fmt.Errorf("wrapped: %w", hub.ErrBusy), 503, "busy", "1"},
		{hub.ErrStopped, 503, "stopping", "1"},
		{errors.New("secret detail"), 500, "internal", ""},
	}
	for _, tt := range tests {
		s := New(options(&fakeHub{fail: tt.err}))
		for path, body := range map[string]string{
			"/api/publish":   `{"channel":"a","text":"x"}`,
			"/api/broadcast": `{"channels":["a","b"],"text":"x"}`,
		} {
			res := exchange(t, s, request("POST", path, body))
			e := refusal(t, res)
			if res.status != tt.status || e.Code != tt.code || res.header.Get("Retry-After") != tt.retry {
				t.Errorf("%v: %d %+v, Retry-After %q", tt.err, res.status, e, res.header.Get("Retry-After"))
			}
			if strings.Contains(e.Message, "secret") {
				t.Errorf("%v: the message shows the error: %s", tt.err, e.Message)
			}
		}
		res := exchange(t, s, request("POST", "/api/batch", `{"publish":[{"channel":"a","text":"x"}]}`))
		if got := res.body; res.status != http.StatusOK || !strings.Contains(got, `{"error":{"code":"`+tt.code) {
			t.Errorf("%v in a batch: %d %s", tt.err, res.status, got)
		}
	}
}

func TestDisconnect(t *testing.T) {
	const id = `"connection":"00000000000000ab"`
	tests := []struct {
		name, body string
		status     int
		want       string
		closed     []farewell
	}{
		{"defaults", `{` + id + `}`, 200, `{"result":{}}`, []farewell{{"", 0xab, "", 1008, ""}}},
		{"code and reason", `{"code":4001,"reason":"gr\u00fc\u00df",` + id + `}`, 200, `{"result":{}}`, []farewell{{"", 0xab, "", 4001, "grüß"}}},
		{"unknown", `{"connection":"00000000000000ff"}`, 404, `"code":"unknown_connection","message":"this node has no open connection 00000000000000ff"`, []farewell{{"", 0xff, "", 1008, ""}}},
		{"longest reason", `{` + id + `,"reason":"` + strings.Repeat("x", 123) + `"}`, 200, ``, []farewell{{"", 0xab, "", 1008, strings.Repeat("x", 123)}}},
		{"too long a reason", `{` + id + `,"reason":"` + strings.Repeat("x", 124) + `"}`, 400, `124 bytes, of at most 123`, nil},
		{"reason a number", `{` + id + `,"reason":1}`, 400, `\"reason\" must be a string`, nil},
		{"a user", `{"user":"alice","code":4001}`, 200, `{"result":{"connections":5}}`, []farewell{{"", 0, "alice", 4001, ""}}},
		{"on another node", `{"node":"edge-2",` + id + `}`, 200, `{"result":{}}`, []farewell{{"edge-2", 0xab, "", 1008, ""}}},
		{"unknown there", `{"node":"edge-2","connection":"00000000000000ff"}`, 404, `node \"edge-2\" has no open connection`, []farewell{{"edge-2", 0xff, "", 1008, ""}}},
		{"a user on a node", `{"node":"edge-2","user":"alice"}`, 400, `\"node\" goes with`, nil},
		{"both", `{` + id + `,"user":"alice"}`, 400, `exactly one of`, nil},
		{"an empty user", `{"user":""}`, 400, `1 to 255 bytes`, nil},
		{"neither", `{}`, 400, `exactly one of \"connection\" and \"user\"`, nil},
		{"short id", `{"connection":"ab"}`, 400, `16 hexadecimal digits`, nil},
		{"id a number", `{"connection":171}`, 400, `must be a string`, nil},
		{"code a string", `{` + id + `,"code":"4000"}`, 400, `must be an integer`, nil},
		{"code a fraction", `{` + id + `,"code":4000.0}`, 400, `must be an integer`, nil},
		{"code an exponent", `{` + id + `,"code":4e3}`, 400, `must be an integer`, nil},
		{"code huge", `{` + id + `,"code":40000000000000000000000}`, 400, `must be an integer`, nil},
		{"code null", `{` + id + `,"code":null}`, 400, `must be an integer`, nil},
		{"code nothing", `{` + id + `,"code":}`, 400, `invalid_json`, nil},
		{"unknown field", `{` + id + `,"users":"u"}`, 400, `unknown field \"users\"`, nil},
		{"id twice", `{` + id + `,` + id + `}`, 400, `twice`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &fakeHub{}
			res := exchange(t, New(options(h)), request("POST", "/api/disconnect", tt.body))
			got := res.body
			if res.status != tt.status || !strings.Contains(got, tt.want) {
				t.Errorf("%d %s\nwant %d with %s", res.status, got, tt.status, tt.want)
			}
			if diff := cmp.Diff(tt.closed, h.closed, cmp.AllowUnexported(farewell{})); diff != "" {
				t.Errorf("closed: %s", diff)
			}
		})
	}
}

// Who asks to close connections of nodes that cannot be asked is not told that there were none.
func TestDisconnectUnheard(t *testing.T) {
	for body, want := range map[string]string{
		`{"node":"edge-2","connection":"00000000000000ff"}`: `"code":"fleet_down","message":"node \"edge-2\" does not answer`,
		`{"user":"alice"}`: `"code":"fleet_down","message":"the link to the broker is down: 5 connections of this node were closed`,
	} {
		res := exchange(t, New(options(&fakeHub{unheard: hub.ErrDown})), request("POST", "/api/disconnect", body))
		if res.status != 503 || !strings.Contains(res.body, want) {
			t.Errorf("%d %s\nwant 503 with %s", res.status, res.body, want)
		}
	}
}

// A connection is named with its node where there are others, or may be: this one has another with that number.
func TestDisconnectNeedsNode(t *testing.T) {
	for want, nodes := range map[int]func() ([]Node, bool){
		200: func() ([]Node, bool) { return make([]Node, 1), false },
		400: func() ([]Node, bool) { return make([]Node, 2), false },
		// The others are not heard.
		-400: func() ([]Node, bool) { return make([]Node, 1), true },
	} {
		o := options(&fakeHub{})
		o.Nodes = nodes
		if res := exchange(t, New(o), request("POST", "/api/disconnect", `{"connection":"00000000000000ab"}`)); res.status != max(want, -want) {
			t.Errorf("%d %s, want %d", res.status, res.body, want)
		}
	}
}

// TestDisconnectCodes: RFC 6455 section 7.4.1 forbids some codes on the wire,
// and keeps others for the protocol itself.
func TestDisconnectCodes(t *testing.T) {
	allowed := map[int]bool{1000: true, 1001: true, 1008: true, 1011: true, 1012: true, 1013: true, 3000: true, 4000: true, 4999: true}
	for _, code := range []int{-1, 0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 2999, 3000, 4000, 4999, 5000, 65536 + 4000} {
		_, p := decodeDisconnect(fmt.Appendf(nil, `{"connection":"00000000000000ab","code":%d}`, code))
		if (p == nil) != allowed[code] {
			t.Errorf("code %d: %v", code, p)
		}
	}
}
