package api

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/hub"
)

// A6: what can be revoked, and what is no revocation.
func TestA6Revoke(t *testing.T) {
	now := time.Now().Unix()
	for _, c := range []struct {
		body    string
		status  int
		revoked []Revocation
	}{
		{`{"user":"alice"}`, 200, []Revocation{{User: "alice"}}},
		{`{"token_id":"0b5d"}`, 200, []Revocation{{TokenID: "0b5d"}}},
		{fmt.Sprintf(`{"issued_before":%d}`, now-10), 200, []Revocation{{IssuedBefore: time.Unix(now-10, 0)}}},
		{fmt.Sprintf(`{"issued_before":%d}`, now+3600), 400, nil},
		{`{"issued_before":0}`, 400, nil},
		{`{"issued_before":"2026-01-01"}`, 400, nil},
		{`{"user":"alice","token_id":"x"}`, 400, nil},
		{`{"user":""}`, 400, nil},
		{`{"users":"alice"}`, 400, nil},
		{`{}`, 400, nil},
	} {
		h := &fakeHub{}
		res := exchange(t, New(options(h)), request("POST", "/api/revoke", c.body))
		if res.status != c.status || c.status == 200 && res.body != `{"result":{"connections":3}}` {
			t.Errorf("%s: %d %s", c.body, res.status, res.body)
		}
		if d := cmp.Diff(c.revoked, h.revoked); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.body, d)
		}
	}
}

// Who a client is stands with its connection, where it is known.
func TestConnectionsShowUsers(t *testing.T) {
	o := options(&fakeHub{})
	o.Hub = known{&fakeHub{}}
	var got struct {
		Result struct{ Connections []map[string]any }
	}
	res := exchange(t, New(o), request("GET", "/api/connections", ""))
	if err := json.Unmarshal([]byte(res.body), &got); err != nil {
		t.Fatal(err)
	}
	a, b := got.Result.Connections[0], got.Result.Connections[1]
	if d := cmp.Diff([]any{"alice", map[string]any{"plan": "pro"}, "2026-11-23T12:00:00Z"}, []any{a["user"], a["meta"], a["expires"]}); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, there := b["user"]; there {
		t.Errorf("a user where there is none: %v", b)
	}
}

type known struct{ *fakeHub }

func (known) Connections(int) []hub.ConnectionInfo {
	return []hub.ConnectionInfo{{ID: 1, Conn: knownConn{}}, {ID: 2, Conn: fakeConn{}}}
}
