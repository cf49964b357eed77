//go:build interop

package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A client is a library that talks to the node.
type client struct {
	name      string
	ecosystem string
	version   []pattern         // where its version stands, and its platform's
	deflate   bool              // it knows permessage-deflate
	blind     bool              // it does not show the extensions that were agreed upon
	lacks     map[string]string // steps that it has no way to do or to show, and why
	program   program
}

// clientTable is every row of the matrix.
func clientTable() []client {
	const hidden = "it answers pings by itself and shows them to nobody"
	return []client{
		{
			name: "Chromium", ecosystem: "browser", deflate: true, program: page,
			version: []pattern{{command: []string{"chromium", "--version"}, find: `Chromium ([\d.]+)`}},
			lacks: map[string]string{
				"fragments": "the WebSocket API of browsers sends whole messages",
				"ping":      "the WebSocket API of browsers has no pings",
				"pinged":    "the WebSocket API of browsers has no pings",
			},
		},
		{
			name: "ws", ecosystem: "js", deflate: true, program: child("js", "node", "client.js", "ws"),
			version: []pattern{
				{file: "js/package-lock.json", find: `node_modules/ws": {\s*"version": "([\d.]+)"`},
				{command: []string{"node", "--version"}, find: `v([\d.]+)`, platform: "Node.js"},
			},
		},
		{
			name: "websockets", ecosystem: "python", deflate: true, program: child("python", venvPython(), "client.py", "websockets"),
			version: []pattern{{file: "python/requirements.txt", find: `websockets==([\d.]+)`}, python()},
			lacks:   map[string]string{"pinged": hidden},
		},
		{
			name: "aiohttp", ecosystem: "python", deflate: true, program: child("python", venvPython(), "client.py", "aiohttp"),
			version: []pattern{{file: "python/requirements.txt", find: `aiohttp==([\d.]+)`}, python()},
			lacks:   map[string]string{"fragments": "it sends whole messages"},
		},
		{
			name: "tokio-tungstenite", ecosystem: "rust", program: child("rust", "./target/debug/client", "tokio-tungstenite"),
			version: []pattern{
				{file: "rust/Cargo.lock", find: `name = "tokio-tungstenite"\s*version = "([\d.]+)"`},
				{file: "rust/Cargo.lock", find: `name = "rustls"\s*version = "([\d.]+)"`, platform: "rustls"},
			},
		},
		{
			name: "OkHttp", ecosystem: "java", deflate: true, program: java("okhttp"),
			version: []pattern{{file: "java/pom.xml", find: `okhttp-jvm</artifactId>\s*<version>([\d.]+)`}, jdk("JDK")},
			lacks:   map[string]string{"fragments": "it sends whole messages", "ping": "it shows no pongs", "pinged": hidden},
		},
		{
			name: "java.net.http", ecosystem: "java", blind: true, program: java("jdk"),
			version: []pattern{jdk("")},
		},
		{
			name: "coder/websocket", ecosystem: "go", deflate: true, program: goProgram(dialCoder),
			version: []pattern{{file: "../../../go.mod", find: `coder/websocket v([\d.]+)`}, golang()},
		},
		{
			name: "gorilla/websocket", ecosystem: "go", deflate: true, program: goProgram(dialGorilla),
			version: []pattern{{file: "../../../go.mod", find: `gorilla/websocket v([\d.]+)`}, golang()},
			lacks:   map[string]string{"fragments": "it cuts messages by the size of its buffer: its large ones have 256 fragments"},
		},
	}
}

// An ecosystem is what some clients need.
type ecosystem struct {
	name    string
	install string   // what a person has to install
	tools   []string // that must be on the PATH
	folder  string   // of clients
	build   [][]string
}

func ecosystems() []ecosystem {
	return []ecosystem{
		{name: "browser", tools: []string{"chromium"}, install: "Chromium (Debian: chromium)"},
		{
			name: "js", tools: []string{"node", "npm"}, install: "Node.js (Debian: nodejs npm)",
			folder: "js", build: [][]string{{"npm", "ci", "--no-audit", "--no-fund"}},
		},
		{
			name: "python", tools: []string{"python3"}, install: "Python 3.11 or newer (Debian: python3-venv)",
			folder: "python", build: [][]string{
				{"python3", "-m", "venv", ".venv"},
				{venvPython(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", "requirements.txt"},
			},
		},
		{
			name: "rust", tools: []string{"cargo", "cc"}, install: "Rust 1.85 or newer from rustup.rs (Debian 12: cargo-web; 13: cargo) and a C compiler",
			folder: "rust", build: [][]string{{"cargo", "build", "--locked", "--quiet"}},
		},
		{
			name: "java", tools: []string{"java", "javac", "mvn"}, install: "a JDK of 17 or newer and Maven (Debian: default-jdk-headless maven)",
			folder: "java", build: [][]string{{"mvn", "--quiet", "--batch-mode", "compile"}},
		},
		{name: "go"},
	}
}

func ecosystemNames() string {
	var names []string
	for _, e := range ecosystems() {
		names = append(names, e.name)
	}
	return strings.Join(names, " ")
}

// prepare looks for the tools and runs the build.
func (e ecosystem) prepare(ctx context.Context) error {
	for _, tool := range e.tools {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s not found: install %s, or leave %s out: make interop CLIENTS=%q", tool, e.install, e.name, others(e.name))
		}
	}
	for _, command := range e.build {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Dir = filepath.Join("clients", e.folder)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s (in clients/%s): %w\n%s", strings.Join(command, " "), e.folder, err, out)
		}
	}
	return nil
}

// others are the ecosystems but one.
func others(name string) string {
	return strings.Join(strings.Fields(strings.Replace(" "+ecosystemNames()+" ", " "+name+" ", " ", 1)), " ")
}

// venvPython is relative to the folder of the Python client.
func venvPython() string { return ".venv/bin/python" }

func python() pattern {
	return pattern{command: []string{"python3", "--version"}, find: `Python ([\d.]+)`, platform: "Python"}
}

func jdk(platform string) pattern {
	return pattern{command: []string{"java", "--version"}, find: `openjdk ([\d.]+)`, platform: platform}
}

func golang() pattern {
	return pattern{command: []string{"go", "version"}, find: `go([\d.]+)`, platform: "Go"}
}

// java runs the Java client with a library.
func java(library string) program {
	return func(ctx context.Context, r *run, url string, say func(line)) error {
		path, err := os.ReadFile("clients/java/target/classpath")
		if err != nil {
			return errors.New("mvn compile wrote no class path")
		}
		classes := "target/classes" + string(os.PathListSeparator) + strings.TrimSpace(string(path))
		// Small heaps, and no compiler threads that a run of seconds would not repay.
		return child("java", "java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", classes, "Client", library)(ctx, r, url, say)
	}
}
