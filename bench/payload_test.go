package bench

import (
	"bytes"
	"slices"
	"testing"
)

func TestPayloadRoundTrip(t *testing.T) {
	for _, size := range []int{48, 49, 55, 56, 63, 64, 79, 80, 81, 125, 126, 128, 4096, 65535, 65536} {
		want := stamp{publisher: 65535, seq: 1<<48 - 1, planned: 1<<62 + 12345}
		p := appendPayload([]byte("before"), size, want)[6:]
		if len(p) != size {
			t.Fatalf("size %d: %d bytes", size, len(p))
		}
		for _, c := range p {
			if c < 'a' || c > 'p' {
				t.Fatalf("size %d: byte %q would need an escape or is no text", size, c)
			}
		}
		if got, ok := openPayload(p); !ok || got != want {
			t.Errorf("size %d: %+v %v, want %+v", size, got, ok, want)
		}
	}
}

func TestPayloadShowsEveryFault(t *testing.T) {
	for _, size := range []int{48, 61, 128, 257} {
		whole := appendPayload(nil, size, stamp{publisher: 3, seq: 77, planned: 1e15})
		v := newVerifier(size)
		if _, ok := v.open(whole); !ok {
			t.Fatal("the whole payload was refused")
		}
		broken := map[string][]byte{"cut": whole[:size-1], "longer": append(slices.Clone(whole), 'a'), "empty": {}}
		for i := range whole {
			for _, bit := range []byte{1, 2, 4, 8, 16, 32, 64, 128} {
				p := slices.Clone(whole)
				p[i] ^= bit
				broken["bit"] = p
				for name, p := range broken {
					if _, ok := openPayload(p); ok {
						t.Fatalf("size %d, byte %d: %s was not seen", size, i, name)
					}
					if _, ok := v.open(p); ok {
						t.Fatalf("size %d, byte %d: %s was not seen by the verifier", size, i, name)
					}
				}
			}
		}
		for i := 16; i+16 <= size; i += 8 { // words that change places
			p := slices.Clone(whole)
			copy(p[i:], whole[i+8:i+16])
			copy(p[i+8:], whole[i:i+8])
			if _, ok := openPayload(p); ok && !bytes.Equal(p, whole) {
				t.Fatalf("size %d: words %d and %d changed places unseen", size, i, i+8)
			}
		}
	}
}

// Two subscribers get the messages of several publishers; the second gets them
// from the copies.
func TestVerifierTellsMessagesApart(t *testing.T) {
	v := newVerifier(64)
	for round := range 2 {
		for seq := uint64(1); seq < 1000; seq++ {
			for publisher := range 3 {
				want := stamp{publisher, seq, int64(seq) * 10}
				if got, ok := v.open(appendPayload(nil, 64, want)); !ok || got != want {
					t.Fatalf("round %d: %+v %v, want %+v", round, got, ok, want)
				}
			}
		}
	}
}

func TestVerifierIsBounded(t *testing.T) {
	if n := len(newVerifier(16 << 20).entries); n != 16 {
		t.Errorf("%d copies of 16 MiB, want 16", n)
	}
}

func FuzzOpenPayload(f *testing.F) {
	f.Add(appendPayload(nil, 48, stamp{1, 2, 3}))
	f.Add([]byte("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"))
	f.Fuzz(func(t *testing.T, p []byte) {
		s, ok := openPayload(p)
		if got, gotOK := newVerifier(128).open(p); got != s || gotOK != ok {
			t.Fatalf("the verifier says %+v %v, openPayload %+v %v", got, gotOK, s, ok)
		}
	})
}
