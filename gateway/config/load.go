package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
)

// Source is where a configuration comes from. Each part is laid over the ones
// before it: the defaults, File, Env, Set, and at last Listen and Admin.
type Source struct {
	// File is the path of a YAML file; "" = none.
	File string
	// Env is the environment as os.Environ gives it. SLUICE_LIMITS_MESSAGE_SIZE
	// sets limits.message_size, SLUICE_LISTENERS_0_ADDRESS sets listeners.0.address;
	// a list of texts is separated by commas. Other variables are not looked at.
	Env []string
	// Set holds assignments such as listeners.0.endpoints.0.publish=false. Lists
	// are separated by commas, or written as in YAML: [a, b].
	Set []string
	// Listen is the first listener's address, Admin the admin listener's; "" = as configured.
	Listen, Admin string
}

// The flags that problems name.
const (
	setFlag    = "--set"
	listenFlag = "--listen"
	adminFlag  = "--admin"
)

// maxFile is the most that is read of a configuration file, in bytes.
const maxFile = 1 << 20

// Load builds the configuration and checks it. It returns either a valid
// configuration, or all problems of all sources: the file's in the order of its
// lines, then the others'. When the file cannot be understood as a whole, as
// after a syntax error, nothing but the file is looked at.
//
// The key in admin.api_key_file is read here and becomes admin.api_key.
func Load(s Source) (*Config, Problems) {
	c, problems, _ := LoadAndWarn(s)
	return c, problems
}

// LoadAndWarn is Load, and says what is allowed but unwise: secrets in the
// configuration file itself, files with secrets that others may read, a certificate
// that has expired.
func LoadAndWarn(s Source) (c *Config, problems, warnings Problems) {
	var text []byte
	if s.File != "" {
		var err error
		if text, err = readFile(s.File); err != nil {
			return nil, Problems{{File: s.File, Message: err.Error()}}, nil
		}
	}
	return loadText(s, text)
}

// load is Load with the file's content in text.
func load(s Source, text []byte) (*Config, Problems) {
	c, problems, _ := loadText(s, text)
	return c, problems
}

func loadText(s Source, text []byte) (c *Config, problems, warnings Problems) {
	l := &loader{
		config: Default(),
		file:   s.File,
		places: map[string]place{},
		broken: map[string]bool{},
		partly: map[string]bool{},
	}
	if !l.yaml(text) {
		return nil, l.problems, nil
	}
	l.env(s.Env)
	for _, assignment := range s.Set {
		l.flag(assignment)
	}
	if s.Listen != "" {
		l.set("listeners.0.address", s.Listen, listenFlag)
	}
	if s.Admin != "" {
		l.set("admin.address", s.Admin, adminFlag)
	}
	l.validate()
	l.warnings.sort()
	if len(l.problems) > 0 {
		l.problems.sort()
		return nil, l.problems, l.warnings
	}
	return l.config, nil, l.warnings
}

// readFile returns a file's content. The error does not repeat the path.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.New("cannot be read: " + cause(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, errors.New("cannot be read: " + cause(err))
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("is larger than %v", Size(maxFile))
	}
	return text, nil
}

// cause is an error of the file system without the operation and the path.
func cause(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return err.Error()
}

// loader lays the sources over the defaults and remembers which one said what.
type loader struct {
	config *Config
	file   string
	// places holds where each key that a source names was set last.
	places map[string]place
	// broken holds the keys whose value could not be taken; the old value is
	// still in config, and no check of it makes sense. Partly holds the sections
	// and lists around them.
	broken, partly map[string]bool
	problems       Problems
	warnings       Problems
	// values counts what was read from YAML, aliases expanded: see maxValues.
	values int
}

// place is where a key was set.
type place struct {
	source    string // a file, an environment variable or a flag
	line, col int    // 0 in other sources than files
}

// report adds a problem of a key at a place.
func (l *loader) report(at place, key, message string) {
	l.problems = append(l.problems, Problem{File: at.source, Line: at.line, Col: at.col, Key: key, Message: message})
}

// reject is report for a value that could not be taken.
func (l *loader) reject(at place, key, message string) {
	l.broken[key] = true
	for k := parent(key); k != ""; k = parent(k) {
		l.partly[k] = true
	}
	l.report(at, key, message)
}

// forget drops what is known of a key and of all below it: it is set anew.
func (l *loader) forget(key string) {
	maps.DeleteFunc(l.places, func(k string, _ place) bool { return k == key || strings.HasPrefix(k, key+".") })
}

// where returns the first of the keys that a source set, and its place. When
// none was, it is the first key, at the section around it or in the file.
func (l *loader) where(keys ...string) (key string, at place) {
	for _, k := range keys {
		if at, ok := l.places[k]; ok {
			return k, at
		}
	}
	for k := parent(keys[0]); k != ""; k = parent(k) {
		if at, ok := l.places[k]; ok {
			return keys[0], at
		}
	}
	return keys[0], place{source: l.file}
}
