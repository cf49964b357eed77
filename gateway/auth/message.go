package auth

import (
	"bytes"
	"encoding/json"
)

// MessageToken reads the message by which a client shows its token over an open
// connection: {"type":"auth","token":"TOKEN"}, and nothing else in it. Any
// other message is none; most are told apart by their first bytes.
func MessageToken(b []byte) (token string, ok bool) {
	if !bytes.HasPrefix(b, []byte("{")) || !bytes.Contains(b, []byte(`"auth"`)) || wellFormed(b) != nil {
		return "", false
	}
	var m map[string]string // unlike a struct's, its names are exact
	if json.Unmarshal(b, &m) != nil || len(m) != 2 || m["type"] != "auth" || m["token"] == "" {
		return "", false
	}
	return m["token"], true
}
