package api

import "testing"

// Who is there, and how many, with the nodes that did not answer.
func TestPresence(t *testing.T) {
	for _, tt := range []struct {
		path   string
		status int
		body   string
	}{
		{
			"/api/presence?channel=k", 200,
			`{"result":{"channel":"k","members":[{"node":"a","connection":"0000000000000001","user":"alice","meta":{"plan":"pro"}},` +
				`{"node":"b","connection":"0000000000000001","user":"alice"},{"node":"b","connection":"0000000000000002"}],"total":4,"truncated":true,"missing":["c"]}}`,
		},
		{"/api/presence?channel=k&limit=1", 200, `{"result":{"channel":"k","members":[{"node":"a","connection":"0000000000000001","user":"alice","meta":{"plan":"pro"}}],"total":4,"truncated":true,"missing":["c"]}}`},
		{"/api/presence_stats?channel=k", 200, `{"result":{"channel":"k","connections":4,"users":1,"truncated":true,"missing":["c"]}}`},
		{"/api/presence?channel=a", 404, `{"error":{"code":"no_presence","message":"channel \"a\": its namespace has no presence (namespaces[].presence)"}}`},
		{"/api/presence", 400, `{"error":{"code":"invalid_request","message":"the query lacks \"channel\""}}`},
		{"/api/presence_stats?channel=k&limit=1", 400, `{"error":{"code":"invalid_request","message":"the query has the unknown parameter \"limit\""}}`},
		{"/api/presence?channel=k&channel=k", 400, `{"error":{"code":"invalid_request","message":"the query has \"channel\" twice"}}`},
	} {
		res := exchange(t, New(options(&fakeHub{})), request("GET", tt.path, ""))
		if res.status != tt.status || res.body != tt.body {
			t.Errorf("%s: %d %s", tt.path, res.status, res.body)
		}
	}
}
