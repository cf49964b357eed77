package edge

import (
	"os"
	"slices"
	"syscall"
	"time"

	"sluice/gateway/metrics"
)

// watchInterval is how often the files of TLS are looked at.
const watchInterval = time.Second

// stamp tells versions of a file apart.
type stamp struct {
	modified, size int64
	inode          uint64
}

// watch reads certificates again when their files change.
func (e *Edge) watch() {
	t := time.NewTicker(watchInterval)
	defer t.Stop()
	seen := e.stamps()
	for {
		select {
		case <-e.stop:
			return
		case <-t.C:
		}
		now := e.stamps()
		for i, l := range e.listeners {
			if l.secure == nil || slices.Equal(now[i], seen[i]) {
				continue
			}
			// What was seen before reading: a file that changes meanwhile is read again.
			seen[i] = now[i]
			l.reload()
		}
	}
}

// stamps are those of each listener's files.
func (e *Edge) stamps() [][]stamp {
	all := make([][]stamp, len(e.listeners))
	for i, l := range e.listeners {
		if l.secure == nil {
			continue
		}
		for _, f := range l.secure.options.files() {
			info, err := os.Stat(f)
			if err != nil {
				all[i] = append(all[i], stamp{})
				continue
			}
			all[i] = append(all[i], stamp{info.ModTime().UnixNano(), info.Size(), inode(info)})
		}
	}
	return all
}

// ReloadTLS reads the files of all listeners' TLS again. Where they are good,
// new handshakes use them; where one is not, all of that listener's stay as
// they are, which is logged and counted. Connections are not touched. Any
// goroutine may call it.
func (e *Edge) ReloadTLS() {
	for _, l := range e.listeners {
		if l.secure != nil {
			l.reload()
		}
	}
}

func (l *listener) reload() {
	e := l.edge
	if err := l.secure.load(); err != nil {
		e.cell.TLSReloadFailures.Add(1)
		e.log.Error().Err(err).Str("listen", l.address.String()).Msg("certificates not reloaded, the old ones stay")
		return
	}
	e.cell.TLSReloads.Add(1)
	e.log.Info().Str("listen", l.address.String()).Time("until", time.Unix(l.secure.expiry.Load(), 0).UTC()).Msg("certificates reloaded")
}

// inode is a file's number: a file that was moved in the place of another has another.
func inode(info os.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

// TLS is the state of the listeners that speak it, or nil when there are none.
func (e *Edge) TLS() *metrics.TLSGauges {
	if e.plain == nil {
		return nil
	}
	g := &metrics.TLSGauges{Loop: e.loop, Release: e.buffers.ok}
	for _, l := range e.listeners {
		if l.secure == nil {
			continue
		}
		g.Handshakes += l.secure.handshakes.underWay()
		if end := time.Unix(l.secure.expiry.Load(), 0); g.Expiry.IsZero() || end.Before(g.Expiry) {
			g.Expiry = end
		}
	}
	return g
}
