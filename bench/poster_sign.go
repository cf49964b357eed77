package bench

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// signQuery makes the query that signs a request of the Pusher HTTP API: the
// parameters in alphabetical order, then an HMAC-SHA256 over method, path and
// them. credentials are "KEY:SECRET".
func signQuery(method, path, credentials string, body []byte, now time.Time) string {
	key, secret, _ := strings.Cut(credentials, ":")
	sum := md5.Sum(body) // what the API asks for; the signature is what protects
	query := "auth_key=" + key +
		"&auth_timestamp=" + strconv.FormatInt(now.Unix(), 10) +
		"&auth_version=1.0&body_md5=" + hex.EncodeToString(sum[:])
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(method + "\n" + path + "\n" + query))
	return query + "&auth_signature=" + hex.EncodeToString(mac.Sum(nil))
}
