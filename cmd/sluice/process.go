package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/rs/zerolog"

	"sluice/cmd/sluice/internal/doctor"
	"sluice/gateway/config"
)

// cgroupShare is the part of a cgroup's memory limit that the collector aims
// at. The rest is what the kernel charges to the cgroup for sockets.
const cgroupShare = 0.9

// prepare fits the process to the host and the configuration: processors,
// memory limit, open files. It runs before the event loop starts, which sizes
// its tables by the file limit, and logs what the host can hold.
func prepare(cfg *config.Config, log zerolog.Logger) {
	if n := cfg.Engine.GOMAXPROCS; n > 0 {
		runtime.GOMAXPROCS(n)
	}
	limitMemory(int64(cfg.Engine.MemoryLimit), log)

	files, err := raiseFileLimit()
	if err != nil {
		log.Warn().Err(err).Msg("open files stay at the soft limit")
	}

	report, err := doctor.Examine(os.DirFS("/"), 0)
	if err != nil {
		log.Warn().Err(err).Msg("capacity is unknown")
		return
	}
	log.Info().Uint64("open_files", files).Int64("connections", report.Connections).
		Str("binds", report.Binds).Int("gomaxprocs", runtime.GOMAXPROCS(0)).Msg("capacity")
	if n := int64(cfg.Engine.MaxConnections); n > report.Connections && report.Binds != "" {
		log.Warn().Int64("max_connections", n).Int64("connections", report.Connections).Str("binds", report.Binds).
			Msg("engine.max_connections is more than this host can hold: see sluice doctor")
	}
}

// limitMemory sets the collector's soft limit: the configured bytes, else what
// GOMEMLIMIT says, else a share of the cgroup's limit, else none.
func limitMemory(bytes int64, log zerolog.Logger) {
	if bytes > 0 {
		debug.SetMemoryLimit(bytes)
	} else {
		_, err := memlimit.Set(memlimit.WithRatio(cgroupShare), memlimit.WithProvider(memlimit.FromCgroup))
		if err != nil && !errors.Is(err, memlimit.ErrNoCgroup) {
			log.Warn().Err(err).Msg("cgroup memory limit is unknown")
		}
	}
	log.Debug().Int64("bytes", debug.SetMemoryLimit(-1)).Msg("memory limit")
}

// raiseFileLimit makes sure that the soft limit on open files is the hard one,
// and returns the limit in force. Go's os package raises it before main; this
// holds it to that, since the capacity of the node hangs on it.
func raiseFileLimit() (uint64, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("read RLIMIT_NOFILE: %w", err)
	}
	if l.Cur >= l.Max {
		return l.Cur, nil
	}
	raised := syscall.Rlimit{Cur: l.Max, Max: l.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err != nil {
		return l.Cur, fmt.Errorf("raise RLIMIT_NOFILE: %w", err)
	}
	return raised.Cur, nil
}
