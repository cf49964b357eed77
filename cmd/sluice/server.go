package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// server says how a command reaches the server API of a node.
type server struct {
	API     string `name:"api" default:"http://127.0.0.1:8081" env:"SLUICE_API" placeholder:"URL" help:"The node's server API (admin.address)."`
	KeyFile string `name:"api-key-file" placeholder:"FILE" help:"File with its key, if it has one; or the key in $$SLUICE_API_KEY."`
}

// defaultAPI is what --api is without.
const defaultAPI = "http://127.0.0.1:8081"

// shown is --api without the password that it may have.
func (s server) shown() string {
	u, err := url.Parse(s.API)
	if err != nil || u.User == nil {
		return s.API
	}
	return u.Redacted()
}

// callTimeout bounds a call. A node waits up to 2 s for the others.
const callTimeout = 10 * time.Second

// call sends a request, with body as JSON unless it is nil, and reads the result.
func (s server) call(method, path string, body any, environ []string, result any) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	base := strings.TrimRight(s.API, "/")
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	u, err := url.Parse(base + path)
	if err != nil { // which repeats the URL, that may have a password
		return usageError{errors.New("--api is not a URL such as " + defaultAPI)}
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), content)
	if err != nil {
		return usageError{err}
	}
	key := ""
	for _, e := range environ {
		if v, ok := strings.CutPrefix(e, "SLUICE_API_KEY="); ok {
			key = v
		}
	}
	if s.KeyFile != "" {
		text, err := os.ReadFile(s.KeyFile)
		if err != nil {
			return usageError{err}
		}
		key = strings.TrimSpace(string(text))
	}
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("%w: does a node listen there (admin.address)? --api says where", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		var a struct{ Error struct{ Message string } }
		if json.Unmarshal(text, &a) != nil || a.Error.Message == "" {
			return fmt.Errorf("%s answers %s: is it the server API of a node?", s.shown(), resp.Status)
		}
		return errors.New(a.Error.Message)
	}
	return json.Unmarshal(text, &struct{ Result any }{result})
}
