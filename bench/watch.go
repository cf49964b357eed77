package bench

import "time"

// watch samples the server's memory and CPU time, which are then known up to
// its end, and to the highest value in between. Its samples go on the account of
// the loop: ten a second.
type watch struct {
	pids []int
	cpu  *cpuMeter
	next int64

	before, peak, last int64 // bytes; 0: never read
}

const watchEvery = 100 * time.Millisecond

// look samples when it is time to.
func (w *watch) look(now int64) {
	if len(w.pids) == 0 || now < w.next {
		return
	}
	w.next = now + int64(watchEvery)
	w.sample()
}

// mark makes what is now the value before, and the peak begin anew.
func (w *watch) mark() {
	if len(w.pids) > 0 {
		w.sample()
		w.before, w.peak = w.last, w.last
	}
}

// sample reads both. A process that has gone keeps the last values.
func (w *watch) sample() {
	_, _ = w.cpu.read()
	if bytes, err := rssAnon(w.pids); err == nil && bytes > 0 {
		w.last, w.peak = bytes, max(w.peak, bytes)
	}
}

// section says what was seen; empty without a pid.
func (w *watch) section(before, after string) (s section) {
	s.Title = "server memory (anonymous, resident)"
	if w.peak > 0 {
		s.bytes(before, w.before)
		s.bytes("highest", w.peak)
		s.bytes(after, w.last)
	}
	return s
}
