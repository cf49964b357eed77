package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/rs/zerolog"

	"sluice/gateway/config"
)

// Exit codes.
const (
	exitFailed = 1 // it could not be done
	exitWrong  = 2 // the command line or the configuration is wrong
)

// usageError is a command line that cannot be understood.
type usageError struct{ error }

// problemsError is a configuration that serve and config refuse.
type problemsError struct{ problems config.Problems }

func (e problemsError) Error() string { return strings.TrimSuffix(e.problems.String(), "\n") }

// errQuiet is a failure that the command has reported already.
var errQuiet = errors.New("reported")

// fail prints an error for a person, as one line and a hint where there is one,
// and returns the exit code.
func fail(w io.Writer, err error) int {
	var (
		usage    usageError
		problems problemsError
	)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errQuiet):
		return exitFailed
	case errors.As(err, &problems):
		fmt.Fprintln(w, problems.Error())
		return exitWrong
	case errors.As(err, &usage):
		fmt.Fprintf(w, "sluice: %v\nhint: sluice --help lists the commands, sluice COMMAND --help its flags\n", err)
		return exitWrong
	}
	fmt.Fprintf(w, "sluice: %v\n", err)
	if h := hint(err); h != "" {
		fmt.Fprintf(w, "hint: %s\n", h)
	}
	return exitFailed
}

// logFailure puts what ends a node into its log, for a pipeline that reads nothing
// else. A log for people has it from fail, which says it beside.
func logFailure(log zerolog.Logger, format config.LogFormat, err error) {
	if format == config.Console {
		return
	}
	e := log.Error().Err(err)
	if h := hint(err); h != "" {
		e = e.Str("hint", h)
	}
	e.Msg("ended by an error")
}

// hint says what an operator can do about an error, or nothing.
func hint(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "another process listens there; stop it, or choose another address with --listen or --admin"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this host does not have that address; 0.0.0.0 and [::] stand for all it has"
	case errors.Is(err, syscall.EACCES):
		return "ports below 1024 need a privilege; use a higher one, or: setcap cap_net_bind_service=+ep sluice"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "no descriptor is left; sluice doctor says which limit binds and how to raise it"
	}
	return ""
}
