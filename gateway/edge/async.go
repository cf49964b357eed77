package edge

import (
	"reflect"
	"sync"

	"github.com/lesismal/nbio"
)

// asyncCalls are the calls that nbio makes on its one goroutine for them: the
// close callbacks. v1.6.12 leaves those it has made in the list's array, up to
// 1,024 of them, until others come. Each holds its connection, with all that it
// had read of an unfinished message: that was 38 MiB on a node with one client
// left, after 1,200 had been cut off.
type asyncCalls struct {
	mu   *sync.Mutex
	list *[]func() // Guarded by mu.
}

// asyncOf finds the list; the zero value when another version of nbio has it elsewhere.
func asyncOf(engine *nbio.Engine) asyncCalls {
	timer := reflect.ValueOf(engine).Elem().FieldByName("Timer")
	if timer.Kind() != reflect.Pointer || timer.IsNil() {
		return asyncCalls{}
	}
	mu, list := timer.Elem().FieldByName("asyncMux"), timer.Elem().FieldByName("asyncList")
	if !mu.IsValid() || mu.Type() != reflect.TypeFor[sync.Mutex]() || !list.IsValid() || list.Type() != reflect.TypeFor[[]func()]() {
		return asyncCalls{}
	}
	return asyncCalls{(*sync.Mutex)(mu.Addr().UnsafePointer()), (*[]func())(list.Addr().UnsafePointer())}
}

// Forget lets go of connections that have ended; the edge does so ten times a
// second. Whoever is about to judge how much memory is in use calls it first.
func (e *Edge) Forget() { asyncOf(e.engine).forget() }

// forget lets go of the calls that were made, when none is under way.
func (a asyncCalls) forget() {
	if a.mu == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if l := *a.list; len(l) == 0 && cap(l) > 0 {
		clear(l[:cap(l)])
	}
}
