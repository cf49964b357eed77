package natsbroker

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// The servers have several connections to each other, and say of each the same; what belongs to a
// restart is for those who debug.
func TestServerLog(t *testing.T) {
	var b bytes.Buffer
	s := &serverLog{log: zerolog.New(&b)}
	for range 4 {
		s.Errorf("Error trying to connect to route (attempt %d): dial tcp %s: connect: connection refused", 1, "10.0.0.1:6222")
		s.Errorf("Error trying to connect to route (attempt %d): dial tcp %s: connect: connection refused", 1, "10.0.0.2:6222")
		s.Warnf("Catchup for stream '%s > %s' resetting first sequence: %d on catchup request", "$G", "sluice_news", 1)
		s.Warnf("Catchup for stream '%s > %s' stalled", "$G", "sluice_news")
	}
	s.Errorf("JetStream out of resources")
	var got []string
	for d := json.NewDecoder(&b); d.More(); {
		var line struct{ Level, Message string }
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line.Level != "debug" {
			got = append(got, line.Level+" "+line.Message)
		}
	}
	if d := cmp.Diff([]string{
		"warn Error trying to connect to route (attempt 1): dial tcp 10.0.0.1:6222: connect: connection refused",
		"warn Error trying to connect to route (attempt 1): dial tcp 10.0.0.2:6222: connect: connection refused",
		"warn Catchup for stream '$G > sluice_news' stalled",
		"error JetStream out of resources",
	}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
