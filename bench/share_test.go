package bench

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Every number belongs to one share, which counts it and finds it again.
func TestSharesAreEverything(t *testing.T) {
	for parts := 1; parts < 40; parts++ {
		for total := range 100 {
			owners := make([]int, total)
			for part := range parts {
				s := share{part, parts - 1}
				n := s.count(total)
				for i := range n {
					number := s.number(i)
					owners[number]++
					if !s.owns(number) || s.index(number) != i {
						t.Fatalf("%+v: index %d is number %d, which is index %d", s, i, number, s.index(number))
					}
				}
				if s.number(n) < total {
					t.Fatalf("%+v: number %d of %d is not counted", s, s.number(n), total)
				}
			}
			for n, owners := range owners {
				if owners != 1 {
					t.Fatalf("%d of %d shares have number %d of %d", owners, parts, n, total)
				}
			}
		}
	}
}

// The events of a pacer come when they would come with one process.
func TestShareOfAPace(t *testing.T) {
	p := Pacer{Rate: 300}
	for _, elapsed := range []time.Duration{0, time.Millisecond, time.Second, time.Minute} {
		sum := uint64(0)
		for part := range 7 {
			s := share{part, 6}
			n := s.due(p, elapsed)
			sum += n
			if next := s.planned(p, n); next <= elapsed {
				t.Errorf("%+v after %v: the next event is at %v", s, elapsed, next)
			}
		}
		if want := p.Due(elapsed); sum != want {
			t.Errorf("after %v %d events are due, want %d", elapsed, sum, want)
		}
	}
	if n := (share{1, 1}).due(Pacer{}, 0); n < 1<<40 {
		t.Errorf("%d events are due at once", n)
	}
}

// Connections use every pair of a target and a source, in however many processes,
// and another source when they dial again.
func TestPairsOfTargetAndSource(t *testing.T) {
	for _, parts := range []int{1, 2, 3} {
		pairs := map[[2]int]int{}
		for part := range parts {
			s := &swarm{
				conns:   make([]conn, 24),
				targets: make([]target, 2),
				share:   share{part, parts - 1},
				sources: []unix.Sockaddr{&unix.SockaddrInet4{Port: 0}, &unix.SockaddrInet4{Port: 1}, &unix.SockaddrInet4{Port: 2}, &unix.SockaddrInet4{Port: 3}},
			}
			for i := range s.share.count(24) {
				target := -1
				for k := range s.targets {
					if s.targetOf(i) == &s.targets[k] {
						target = k
					}
				}
				source := s.sourceOf(i)
				pairs[[2]int{target, source.(*unix.SockaddrInet4).Port}]++
				s.conns[i].generation++
				if s.sourceOf(i) == source {
					t.Errorf("connection %d dials again from the same source", i)
				}
			}
		}
		if len(pairs) != 8 {
			t.Errorf("%d pairs are used, want 8", len(pairs))
		}
		for pair, n := range pairs {
			if n != 3 {
				t.Errorf("%d processes: pair %v has %d of 24 connections, want 3", parts, pair, n)
			}
		}
	}
}

func TestAlone(t *testing.T) {
	var s share
	if !s.alone() || !s.leads() || s.parts() != 1 || s.count(7) != 7 || s.number(6) != 6 {
		t.Errorf("%+v is not everything", s)
	}
	all, err := meet(&run{}, "x", 5)
	if err != nil || len(all) != 1 || all[0] != 5 {
		t.Errorf("a meeting alone: %v, %v", all, err)
	}
}
