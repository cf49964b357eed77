//go:build fleet

package natsbroker

import (
	"testing"

	"github.com/nats-io/nats.go"

	"sluice/gateway/broker"
	"sluice/gateway/broker/enginetest"
	"sluice/gateway/broker/linktest"
)

// B4: a user with the rights that docs/fleet.md gives is enough.
func TestFleetRights(t *testing.T) {
	s := enginetest.NATSWith(t, enginetest.Fenced(t, "../../../docs/fleet.md", "authorization {")+"\n")
	s.Start(t)
	linktest.Run(t, linktest.Engine{
		Swaps: true,
		New: func(node string, queueBytes int) (broker.Link, error) {
			o := options(node, queueBytes)
			o.URLs, o.User, o.Password = []string{"nats://" + s.Address}, "sluice", "SECRET"
			return New(o)
		},
	})
	refused := make(chan error, 1)
	nc, err := nats.Connect("nats://"+s.Address, nats.UserInfo("sluice", "SECRET"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.SubscribeSync(">"); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := <-refused; err == nil {
		t.Error("the user may listen to everything")
	}
}
