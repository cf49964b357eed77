package attack

import (
	"bytes"
	"time"

	"sluice/gateway/ws"
)

// floods are the attacks with good messages: too many, or for those who do not read.
func floods() []Attack {
	return []Attack{
		{
			Name: "message-flood", About: "publishes small messages at full speed",
			Wants: "1008 above the rate", holds: true,
			attempt: func(a *assault, n int) outcome {
				many := bytes.Repeat(masked(ws.Text, []byte("flooded by messages")), 100)
				return a.joined(n, func(c *conn) outcome { return c.flood(0, func() []byte { return many }) })
			},
		},
		{
			Name: "byte-flood", About: "publishes messages of 32 KiB at full speed",
			Wants: "1008 above the rate", holds: true,
			attempt: func(a *assault, n int) outcome {
				large := masked(ws.Text, bytes.Repeat([]byte{'x'}, 32<<10))
				return a.joined(n, func(c *conn) outcome { return c.flood(0, func() []byte { return large }) })
			},
		},
		{
			Name: "non-readers", About: "joins a channel that others of it fill with 16 KiB messages, and reads nothing",
			Wants: "1013", holds: true,
			attempt: func(a *assault, n int) outcome {
				c, o := a.upgrade(a.channel("busy"))
				if c == nil {
					return o
				}
				defer c.drop()
				if n < fillers {
					// Below the rate that suits people, and so for as long as it likes.
					large := masked(ws.Text, bytes.Repeat([]byte{'x'}, 16<<10))
					o := c.flood(100*time.Millisecond, func() []byte { return large })
					o.what = "publishers: " + o.what
					return o
				}
				c.squeeze()
				return c.unread()
			},
		},
	}
}

// fillers are those of the non-readers who publish, and read.
const fillers = 2
