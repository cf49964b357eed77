package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sluice/gateway/broker/enginetest"
)

// patience is how long a script waits for what a node in the background does.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sluice": main})
}

// TestScripts runs testdata/script. Besides testscript's own commands, a script
// has:
//
//	freeport NAME         set $NAME to a port that nobody listens on
//	occupy NAME           listen on a port until the script ends; set $NAME to it
//	get URL               GET until it answers; the status and body become stdout
//	await FILE REGEXP     wait until the file matches
//	signal TERM|INT|HUP   send a signal to the commands in the background
//
// $CONFIGS is the directory configs/ of the repository.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			// Under -race every process would linger for a second before it exits.
			e.Setenv("GORACE", "atexit_sleep_ms=10")
			configs, err := filepath.Abs("../../configs")
			e.Setenv("CONFIGS", configs)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeport": func(ts *testscript.TestScript, _ bool, args []string) {
				setPort(ts, args, enginetest.FreeAddresses(t, 1)[0])
			},
			"occupy": occupy,
			"get":    get,
			"await":  await,
			"signal": send,
		},
	})
}

func occupy(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	setPort(ts, args, l.Addr().String())
	ts.Defer(func() { _ = l.Close() })
}

func setPort(ts *testscript.TestScript, args []string, address string) {
	if len(args) != 1 {
		ts.Fatalf("want the name of a variable")
	}
	_, port, err := net.SplitHostPort(address)
	ts.Check(err)
	ts.Setenv(args[0], port)
}

func get(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: get URL")
	}
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var last string
	until(ts, func() bool {
		resp, err := client.Get(args[0])
		if err != nil {
			last = err.Error()
			return false
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil {
			last = err.Error()
			return false
		}
		last = fmt.Sprintf("%s\n%s", resp.Status, body)
		return true
	}, func() string { return last })
	_, err := io.WriteString(ts.Stdout(), last)
	ts.Check(err)
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: await FILE REGEXP")
	}
	want, err := regexp.Compile(args[1])
	ts.Check(err)
	var text []byte
	until(ts, func() bool {
		text, _ = os.ReadFile(ts.MkAbs(args[0])) // it may not be there yet
		return want.Match(text)
	}, func() string { return string(text) })
}

// until asks again and again, for as long as patience lasts.
func until(ts *testscript.TestScript, done func() bool, last func() string) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !done(); <-tick.C {
		if time.Now().After(end) {
			ts.Fatalf("waited for %v; at last there was:\n%s", patience, last())
		}
	}
}

func send(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP}
	sig, ok := signals[strings.Join(args, " ")]
	if !ok {
		ts.Fatalf("usage: signal TERM|INT|HUP")
	}
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(sig))
	}
}
