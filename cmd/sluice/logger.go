package main

import (
	"io"
	"os"

	"github.com/rs/zerolog"

	"sluice/gateway/config"
)

// newLogger returns the logger that the configuration asks for. The level is
// the process's, so that setLevel changes it for every logger made from this one.
func newLogger(w io.Writer, c config.Log) zerolog.Logger {
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	if c.Format == config.Console {
		w = zerolog.ConsoleWriter{Out: w, NoColor: !isTerminal(w), TimeFormat: "15:04:05.000"}
	}
	return zerolog.New(w).With().Timestamp().Logger()
}

// setLevel sets the least severe level that is logged. The configuration knows
// only levels that zerolog knows.
func setLevel(l config.LogLevel) {
	level, err := zerolog.ParseLevel(string(l))
	if err != nil {
		level = zerolog.InfoLevel
	}
	zerolog.SetGlobalLevel(level)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
}
