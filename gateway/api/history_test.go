package api

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/gateway/hub"
)

func TestHistory(t *testing.T) {
	const (
		one  = `{"position":"e:3","at":"2026-11-25T12:00:00.5Z","text":"one"}`
		two  = `{"position":"e:5","at":"2026-11-25T12:00:00.5Z","text":"zwei ü\n"}`
		blob = `{"position":"e:7","at":"2026-11-25T12:00:00.5Z","b64data":"AP8="}`
	)
	// The fourth is as large as an answer may be.
	for _, tt := range []struct {
		query  string
		status int
		want   string // a piece of the answer
	}{
		{"channel=k&since=e:2&limit=3", 200, `{"result":{"channel":"k","publications":[` + one + "," + two + "," + blob + `],"position":"e:9","complete":true,"truncated":true}}`},
		{"channel=k&since=e:2", 200, `"publications":[` + one + "," + two + "," + blob + `],"position":"e:9","complete":true,"truncated":true}}`},
		{"channel=k&since=e:3&limit=1", 200, `"publications":[` + two + `],"position":"e:9","complete":true,"truncated":true}}`},
		{"channel=k&since=e:9", 200, `"publications":[],"position":"e:9","complete":true,"truncated":false}}`},
		{"channel=k&since=e:1&limit=1", 200, `"publications":[` + one + `],"position":"e:9","complete":false,"truncated":true}}`},
		{"channel=k&since=other:7&limit=1", 200, `"complete":false`},
		{"limit=1&channel=k", 200, `xxx"}],"position":"e:9","complete":true,"truncated":true}}`}, // the newest
		{"channel=a", 404, `"code":"no_history"`},
		{"", 400, `the query lacks \"channel\"`},
		{"channel=", 400, `"code":"invalid_channel"`},
		{"channel=kk", 400, `"code":"invalid_channel"`},
		{"channel=k&since=", 400, `\"since\" must be EPOCH:OFFSET`},
		{"channel=k&since=e", 400, `\"since\"`},
		{"channel=k&since=e:-1", 400, `\"since\"`},
		{"channel=k&limit=0", 400, `\"limit\" must be from 1 to 10000`},
		{"channel=k&limit=10001", 400, `\"limit\"`},
		{"channel=k&channel=k", 400, `has \"channel\" twice`},
		{"channel=k&from=1", 400, `unknown parameter \"from\"`},
		{"channel=%zz", 400, `not well-formed`},
	} {
		res := exchange(t, New(options(&fakeHub{})), request("GET", "/api/history?"+tt.query, ""))
		if res.status != tt.status || !strings.Contains(res.body, tt.want) {
			t.Errorf("%s: %d %.300s\nwant %d with %.300s", tt.query, res.status, res.body, tt.status, tt.want)
		}
	}
}

// An answer to "the newest" is bounded by bytes from the other end.
func TestHistoryWindow(t *testing.T) {
	var kept []hub.Kept
	for _, n := range []int{10, maxHistoryBytes / 2, maxHistoryBytes / 2, maxHistoryBytes + 1, 5} {
		kept = append(kept, hub.Kept{Payload: make([]byte, n)})
	}
	for _, tt := range []struct {
		from, limit int
		newest      bool
		want        int
		cut         bool
	}{
		{0, 9, false, 2, true},
		{1, 9, false, 2, true},
		{1, 1, false, 1, true},
		{3, 9, false, 1, true}, // one that is too large comes alone
		{4, 9, false, 1, false},
		{0, 9, true, 1, true},
		{5, 9, true, 0, false},
	} {
		list, whole, cut := window(kept[tt.from:], tt.limit, tt.newest)
		if len(list) != tt.want || !whole || cut != tt.cut {
			t.Errorf("%+v: %d, %v, %v", tt, len(list), whole, cut)
		}
		if tt.newest && len(list) > 0 && &list[len(list)-1].Payload[0] != &kept[len(kept)-1].Payload[0] {
			t.Errorf("%+v: not the newest", tt)
		}
	}
}

// What this node lacks of a history is not listed; an answer that is cut off before it is whole.
func TestHistoryMissing(t *testing.T) {
	for _, tt := range []struct {
		kept       string // x: one that is missing
		limit      int
		newest     bool
		want       string
		whole, cut bool
	}{
		{"axb", 2, false, "ab", false, false},
		{"axbc", 2, false, "ab", false, true},
		{"abxc", 2, false, "ab", true, true},
		{"abcx", 2, false, "ab", true, true},
		{"abx", 2, false, "ab", false, false},
		{"x", 2, false, "", false, false},
		{"axb", 2, true, "ab", true, false},
		{"axbc", 2, true, "bc", true, true},
	} {
		var kept []hub.Kept
		for _, c := range tt.kept {
			kept = append(kept, hub.Kept{Payload: []byte(string(c)), Missing: c == 'x'})
		}
		list, whole, cut := window(kept, tt.limit, tt.newest)
		got := ""
		for _, k := range list {
			got += string(k.Payload)
		}
		if got != tt.want || whole != tt.whole || cut != tt.cut {
			t.Errorf("%+v: %s, %v, %v", tt, got, whole, cut)
		}
	}
}

// L11: so many histories are read at once, and no more.
func TestL11HistoriesAtOnce(t *testing.T) {
	s := New(options(&fakeHub{}))
	for range maxHistories {
		s.histories <- struct{}{}
	}
	if res := exchange(t, s, request("GET", "/api/history?channel=k&limit=1", "")); res.status != 429 || res.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", res.status, res.body)
	}
	<-s.histories
	for range 3 { // each gives its place back
		if res := exchange(t, s, request("GET", "/api/history?channel=k&limit=1", "")); res.status != 200 {
			t.Errorf("%d %s", res.status, res.body)
		}
	}
}

func TestHistoryFailures(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		code   string
	}{
		{hub.ErrDown, 503, "fleet_down"},
		{hub.ErrBusy, 503, "fleet_down"},
		{errors.New("x"), 500, "internal"},
	} {
		res := exchange(t, New(options(&fakeHub{fail: tt.err})), request("GET", "/api/history?channel=k", ""))
		if e := refusal(t, res); res.status != tt.status || e.Code != tt.code {
			t.Errorf("%v: %d %s", tt.err, res.status, res.body)
		}
	}
}

// A publisher learns the position of what it published, where there is one.
func TestPublishPosition(t *testing.T) {
	s := New(options(&fakeHub{}))
	for _, tt := range [][3]string{
		{"/api/publish", `{"channel":"k","text":"x"}`, `{"result":{"subscribers":0,"position":"e:1"}}`},
		{"/api/publish", `{"channel":"b","text":"x"}`, `{"result":{"subscribers":2}}`},
		{"/api/broadcast", `{"channels":["k"],"text":"x"}`, `{"result":{"subscribers":0,"position":"e:3"}}`},
		{"/api/broadcast", `{"channels":["k","b"],"text":"x"}`, `{"result":{"subscribers":2}}`},
		{"/api/batch", `{"publish":[{"channel":"k","text":"x"},{"channel":"b","text":"x"}]}`, `{"results":[{"result":{"subscribers":0,"position":"e:5"}},{"result":{"subscribers":2}}]}`},
	} {
		if res := exchange(t, s, request("POST", tt[0], tt[1])); res.status != 200 || res.body != tt[2] {
			t.Errorf("%s %s: %d %s, want %s", tt[0], tt[1], res.status, res.body, tt[2])
		}
	}
}

// D2: the answer waits for the fleet, and says so when it does not come. A
// batch's messages are all on their way before the first is waited for.
func TestD2Confirmations(t *testing.T) {
	const batch = `{"publish":[{"channel":"k","text":"1"},{"channel":"kk","text":"no"},{"channel":"b","text":"2"}]}`
	bubble := func(name string, h *fakeHub, f func(t *testing.T, s *Server)) {
		t.Run(name, func(t *testing.T) {
			contract(t) // not read in the bubble for the first time
			synctest.Test(t, func(t *testing.T) { f(t, New(options(h))) })
		})
	}
	h := &fakeHub{late: true}
	bubble("in time", h, func(t *testing.T, s *Server) {
		var res reply
		done := make(chan struct{})
		go func() {
			defer close(done)
			res = exchange(t, s, request("POST", "/api/batch", batch))
		}()
		synctest.Wait()
		h.mu.Lock()
		waiting := h.waiting
		h.mu.Unlock()
		if len(waiting) != 2 {
			t.Fatalf("%d are on their way", len(waiting))
		}
		for i := range waiting {
			waiting[len(waiting)-1-i]()
		}
		<-done
		if !strings.HasPrefix(res.body, `{"results":[{"result":{"subscribers":0,"position":"e:1"}},{"error":{"code":"invalid_channel"`) ||
			!strings.HasSuffix(res.body, `{"result":{"subscribers":2}}]}`) {
			t.Errorf("%d %s", res.status, res.body)
		}
	})
	bubble("never", &fakeHub{late: true}, func(t *testing.T, s *Server) {
		start := time.Now()
		res := exchange(t, s, request("POST", "/api/batch", batch))
		if n := strings.Count(res.body, `"code":"unconfirmed"`); n != 2 || time.Since(start) != confirmTimeout {
			t.Errorf("after %v: %s", time.Since(start), res.body)
		}
		if res := exchange(t, s, request("POST", "/api/publish", `{"channel":"k","text":"x"}`)); res.status != 504 {
			t.Errorf("%d %s", res.status, res.body)
		}
	})
	bubble("lost", &fakeHub{lost: errors.New("the link went down")}, func(t *testing.T, s *Server) {
		res := exchange(t, s, request("POST", "/api/publish", `{"channel":"k","text":"x"}`))
		if e := refusal(t, res); res.status != 504 || e.Code != "unconfirmed" || !strings.Contains(e.Message, "may have been published") {
			t.Errorf("%d %s", res.status, res.body)
		}
	})
	bubble("down", &fakeHub{fail: hub.ErrDown}, func(t *testing.T, s *Server) {
		res := exchange(t, s, request("POST", "/api/publish", `{"channel":"k","text":"x"}`))
		var a errorAnswer
		if err := json.Unmarshal([]byte(res.body), &a); err != nil || res.status != 503 || a.Error.Code != "fleet_down" || res.header.Get("Retry-After") == "" {
			t.Errorf("%d %s", res.status, res.body)
		}
	})
}
