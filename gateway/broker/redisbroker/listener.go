package redisbroker

import (
	"context"

	"github.com/redis/rueidis"
)

// listener is a connection to one server, on which messages come in.
type listener struct {
	in    rueidis.DedicatedClient
	leave func()
	lost  <-chan error // it has ended
}

// listen makes one of a client's connections a listener. The hooks are called on
// its goroutine, in the order of what comes.
func listen(client rueidis.Client, hooks rueidis.PubSubHooks) *listener {
	l := &listener{}
	l.in, l.leave = client.Dedicate()
	l.lost = l.in.SetPubSubHooks(hooks)
	return l
}

// do sends a command for each name, and returns their answers once all have come.
func (l *listener) do(ctx context.Context, names []string, command func(b rueidis.Builder, name string) rueidis.Completed) []rueidis.RedisResult {
	list := make([]rueidis.Completed, len(names))
	for i, name := range names {
		list[i] = command(l.in.B(), name)
	}
	return l.in.DoMulti(ctx, list...)
}

// The commands.

func subscribe(b rueidis.Builder, name string) rueidis.Completed {
	return b.Subscribe().Channel(name).Build()
}

func unsubscribe(b rueidis.Builder, name string) rueidis.Completed {
	return b.Unsubscribe().Channel(name).Build()
}

func ssubscribe(b rueidis.Builder, name string) rueidis.Completed {
	return b.Ssubscribe().Channel(name).Build()
}

func sunsubscribe(b rueidis.Builder, name string) rueidis.Completed {
	return b.Sunsubscribe().Channel(name).Build()
}

func firstError(answers []rueidis.RedisResult) error {
	for _, r := range answers {
		if err := r.Error(); err != nil {
			return err
		}
	}
	return nil
}
