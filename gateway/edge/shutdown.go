package edge

import (
	"context"
	"reflect"
	"time"

	"github.com/lesismal/nbio"
)

// insistAfter is how long nbio gets to stop by itself, and then how often it is told again.
const insistAfter = 20 * time.Millisecond

// shutdown stops nbio's engine, which closes what is still open, and waits
// until its pollers have ended or ctx is done.
//
// A poller of v1.6.12 clears its stop flag when its goroutine begins. When the
// engine is stopped right after its start, the flag may be set before that: the
// poller forgets it, and spins on the event that should have woken it. So the
// flag is set again until all have seen it.
func shutdown(ctx context.Context, engine *nbio.Engine) error {
	done := make(chan error, 1)
	go func() { done <- engine.Shutdown(ctx) }()
	t := time.NewTicker(insistAfter)
	defer t.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-t.C:
			for _, flag := range stopFlags(engine) {
				*flag = true
			}
		}
	}
}

// stopFlags are the private stop flags of the engine's pollers; none if
// another version of nbio names them otherwise.
func stopFlags(engine *nbio.Engine) (flags []*bool) {
	pollers := reflect.ValueOf(engine).Elem().FieldByName("pollers")
	if pollers.Kind() != reflect.Slice {
		return nil
	}
	for i := range pollers.Len() {
		p := pollers.Index(i)
		if p.Kind() != reflect.Pointer || p.IsNil() {
			continue
		}
		if flag := p.Elem().FieldByName("shutdown"); flag.Kind() == reflect.Bool {
			flags = append(flags, (*bool)(flag.Addr().UnsafePointer()))
		}
	}
	return flags
}
