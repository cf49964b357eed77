package bench

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// attackArg makes the test binary an attacker.
const attackArg = "attack-for-a-test"

// besieged is a short run of these attacks against url.
func besieged(url string, attacks ...string) Plan {
	return Plan{
		Scenario: "hostile", URLs: []string{url}, Connections: 6, PublishRate: 200, Duration: 400 * time.Millisecond,
		Attacks: attacks, AttackSockets: 4, MaxRatio: 1e6, PIDs: []int{pid()},
	}
}

func hostileRun(t *testing.T, p Plan) *Result {
	t.Helper()
	r, err := Run(t.Context(), p, Options{Attacker: []string{os.Args[0], attackArg}})
	if err != nil {
		t.Fatal(err)
	}
	r.Invalid = "" // this machine may be busy: its latencies are not the subject here
	return r
}

// Attacks are played one after the other by another process, while subscribers
// get every message, and each has its row.
func TestHostile(t *testing.T) {
	url, _ := (&faulty{}).start(t)
	p := besieged(url, "origins", "message-flood", "drip-tls", "bad-tokens")
	r := hostileRun(t, p)
	// The attacker gets what others leave of the processors. Where that was too little for
	// a single attempt, there was no attack to see anything of.
	for r.Attacks[1].Ends["open at the end"] == r.Attacks[1].Attempts && p.Duration < 10*time.Second {
		p.Duration *= 2
		r = hostileRun(t, p)
	}
	var names []string
	for _, a := range r.Attacks {
		names = append(names, a.Name)
		if a.Skipped != "" {
			continue
		}
		if a.Attempts == 0 || a.P99 == 0 || a.Ratio == 0 || a.Peak == 0 || a.Took < 300*time.Millisecond || a.AttackerCPU <= 0 || a.Newcomers == 0 || a.NewcomerP99 == 0 {
			t.Errorf("%+v", a)
		}
		if a.Lost+a.Cut > 0 {
			t.Errorf("%s: %d messages and %d connections lost", a.Name, a.Lost, a.Cut)
		}
	}
	if want := []string{"drip-tls", "origins", "bad-tokens", "message-flood"}; !slices.Equal(names, want) {
		t.Errorf("played %q, want %q", names, want)
	}
	if r.Attacks[0].Skipped == "" || r.Attacks[2].Skipped == "" {
		t.Error("attacks were played that the URLs do not allow")
	}
	// This server looks at no Origin, and says so by letting everyone in.
	if r.Attacks[1].Held() || r.Attacks[1].Breaches["let in"] == 0 || r.OK() {
		t.Errorf("%+v", r.Attacks[1])
	}
	if r.Faults.Any() || r.Lost > 0 || r.Opened != 7 {
		t.Errorf("%+v, %d lost, %d opened", r.Faults, r.Lost, r.Opened)
	}
	var text, table bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteAttacks(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"origins", "let in", "FAILED", "not played", "needs a wss URL", "under message-flood"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in:\n%s", want, &text)
		}
	}
	lines := strings.Split(strings.TrimSpace(table.String()), "\n")
	for _, line := range lines[2:] {
		if strings.Count(line, "|") != 12 {
			t.Errorf("not a row of eleven: %s", line)
		}
	}
	if len(lines) != 2+2+4 {
		t.Errorf("%d lines:\n%s", len(lines), &table)
	}
}

// A server that loses a subscriber meanwhile has not held.
func TestHostileSeesLoss(t *testing.T) {
	url, _ := (&faulty{mangle: func(client, n int, p []byte) [][]byte {
		if client == 3 && n >= 100 && n < 120 { // after the quiet 80, and before the end
			return nil
		}
		return [][]byte{p}
	}}).start(t)
	r := hostileRun(t, besieged(url, "garbage"))
	if r.Faults.Lost != 20 || r.OK() {
		t.Errorf("%+v", r.Faults)
	}
}

// What cannot be played is said before anything is opened.
func TestHostilePlans(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		change func(*Plan)
		want   string
	}{
		{func(p *Plan) { p.Attacks = []string{"nonsense"} }, `unknown attack "nonsense"`},
		{func(p *Plan) { p.AttackURL = "http://x/" }, "ws://host:port/path"},
		{func(p *Plan) { p.AttackSources = "127.0.0.300" }, "sources"},
		{func(p *Plan) { p.AttackSockets = 1 << 30 }, "attack sockets"},
		{func(p *Plan) { p.Window = 1 }, "no window"},
	} {
		p := besieged("ws://127.0.0.1:1/")
		tt.change(&p)
		if err := p.normalise(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
	p := besieged("ws://127.0.0.1:1/")
	p.MaxRatio, p.AttackSockets = 0, 0
	if err := p.normalise(); err != nil {
		t.Fatal(err)
	}
	victims, attackers := p.Sources, must(p.attackSources())
	for _, a := range attackers {
		if slices.Contains(victims, a) {
			t.Errorf("%s is a subscriber's address and an attacker's", a)
		}
	}
	if p.MaxRatio != 3 || len(victims) < 50 || len(attackers) < 500 || p.AttackURL != p.URLs[0] || p.indivisible() == "" {
		t.Errorf("%+v", p)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// An attacker on a core of the measurement takes what that leaves.
func TestSharesCPU(t *testing.T) {
	t.Parallel()
	if !sharesCPU(nil) || sharesCPU([]int{1023}) {
		t.Error("any CPU is shared, one that does not exist is not")
	}
}
