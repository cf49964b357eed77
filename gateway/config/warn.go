package config

import "os"

// warn notes that the value of key is allowed, and unwise.
func (l *loader) warn(key, message string) {
	key, at := l.where(key)
	l.warnings = append(l.warnings, Problem{File: at.source, Line: at.line, Col: at.col, Key: key, Message: message})
}

// literal warns of a secret that stands in the configuration file, which is
// copied, shown and checked in more often than a secret should be.
func (l *loader) literal(key, instead string) {
	if at, set := l.places[key]; set && at.source == l.file && l.file != "" {
		l.warn(key, "a secret stands in the configuration file itself: use "+instead+", or the environment")
	}
}

// openToOthers are the permissions beyond 0640.
const openToOthers = 0o777 &^ 0o640

// private warns of a file with a secret that more than its owner and group may read.
func (l *loader) private(key, path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&openToOthers != 0 {
		l.warn(key, show(path)+" holds a secret and has the permissions "+info.Mode().Perm().String()+": chmod 0640 or less")
	}
}
