package natsbroker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// serverLog takes the server's log lines. Some of what the server says nowhere else it understands.
type serverLog struct {
	log     zerolog.Logger // set before the first line
	fatal   atomic.Pointer[string]
	strange [len(rejections)]rejection

	// Guarded by mu, a leaf.
	mu   sync.Mutex
	said map[string]time.Time // when a line was logged last
}

// rejection is when two servers rejected each other last for one of the reasons.
type rejection struct{ heard, said atomic.Int64 } // in ns since 1970

// rejections are why servers do not take each other, and what the server says then.
var rejections = [...]struct {
	err  error
	says string
	own  string // by which this node is the one that is rejected; "": each says the same
}{
	{errNamesake, "duplicate name", ""},
	{errSecret, "authentication error", "Authorization Violation"},
	{errCluster, "cluster name", ""},
}

// Why a node takes no part in its fleet.
var (
	errNamesake = errors.New("another node of the fleet has this one's name: give each its own broker.node")
	errSecret   = errors.New("the other nodes have another secret: give all the same broker.cluster.secret")
	errCluster  = errors.New("the nodes in broker.cluster.routes are another fleet's: give all the same broker.cluster.name")
)

// Noticef and the other methods implement the server's Logger.
func (s *serverLog) Noticef(format string, v ...any) { s.log.Debug().Msgf(format, v...) }

// usual are in the warnings of a cluster that is as it should be.
var usual = []string{
	"Waiting for routing to be established", "JetStream has not established contact with a meta leader", "Metalayer blocking snapshot",
	"resetting first sequence", // a node that was restarted gets its histories
}

// Warnf keeps usual warnings for those who debug.
func (s *serverLog) Warnf(format string, v ...any) {
	level, text := zerolog.WarnLevel, fmt.Sprintf(format, v...)
	if slices.ContainsFunc(usual, func(part string) bool { return strings.Contains(text, part) }) {
		level = zerolog.DebugLevel
	}
	s.say(level, text)
}

// repeatPause is within what a line that says the same is for those who debug: there are several
// connections to each server, and all fare alike.
const repeatPause = 10 * time.Second

// maxSaid bounds the lines that are remembered.
const maxSaid = 100

// say logs a line, unless it was logged just now.
func (s *serverLog) say(level zerolog.Level, text string) {
	if level > zerolog.DebugLevel && s.repeated(text) {
		level = zerolog.DebugLevel
	}
	s.log.WithLevel(level).Msg(text)
}

func (s *serverLog) repeated(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.said[text]) < repeatPause {
		return true
	}
	if s.said == nil || len(s.said) >= maxSaid {
		s.said = map[string]time.Time{}
	}
	s.said[text] = now
	return false
}

// Errorf understands why servers reject each other.
func (s *serverLog) Errorf(format string, v ...any) {
	level, text := zerolog.ErrorLevel, fmt.Sprintf(format, v...)
	switch {
	case strings.HasPrefix(text, "Error trying to connect to route"), strings.Contains(text, "Error flushing"):
		level = zerolog.WarnLevel // a node that is down, or not up yet
	case s.rejected(text):
		level = zerolog.DebugLevel // several times a second
	case strings.Contains(text, "Parse Error") && s.rejection() != nil:
		level = zerolog.DebugLevel // what comes behind that
	}
	s.say(level, text)
}

// Fatalf keeps why the server cannot start.
func (s *serverLog) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	s.fatal.CompareAndSwap(nil, &text)
}

func (s *serverLog) Debugf(format string, v ...any) { s.log.Debug().Msgf(format, v...) }
func (s *serverLog) Tracef(format string, v ...any) { s.log.Trace().Msgf(format, v...) }

const (
	// rejectionMemory is for how long it counts; each server tries about once a second.
	rejectionMemory = 5 * time.Second
	// rejectionPause is between two lines of the log about one reason.
	rejectionPause = 30 * time.Second
)

// rejected says whether a line is of servers that do not take each other, notes that, and logs it now and then.
func (s *serverLog) rejected(text string) bool {
	for i, why := range rejections {
		own := why.own != "" && strings.Contains(text, why.own)
		if !own && !strings.Contains(text, why.says) {
			continue
		}
		now, r := time.Now(), &s.strange[i]
		if own || why.own == "" {
			r.heard.Store(now.UnixNano())
		}
		if said := r.said.Load(); now.Sub(time.Unix(0, said)) > rejectionPause && r.said.CompareAndSwap(said, now.UnixNano()) {
			from, _, _ := strings.Cut(text, " ")
			s.log.Warn().Err(why.err).Str("from", from).Msg("nodes do not take each other")
		}
		return true
	}
	return false
}

// rejection is why other servers have rejected this one, or it them, just now; nil: none has.
func (s *serverLog) rejection() error {
	for i := range s.strange {
		if time.Since(time.Unix(0, s.strange[i].heard.Load())) < rejectionMemory {
			return rejections[i].err
		}
	}
	return nil
}
