package ws

import (
	"bytes"
	"testing"
)

func TestParserSmoke(t *testing.T) {
	key := [4]byte{1, 2, 3, 4}
	var in []byte
	in = AppendMaskedFrame(in, Text, key, []byte("hello"))
	in = AppendMaskedFragment(in, Text, false, key, []byte("grü"))
	in = AppendMaskedFrame(in, Ping, key, []byte("p"))
	in = AppendMaskedFragment(in, Continuation, true, key, []byte("ße"))
	in = AppendMaskedFrame(in, Binary, key, bytes.Repeat([]byte("x"), 70000))
	for _, step := range []int{1, 2, 3, 7, 100, 1 << 20} {
		var p Parser
		var got []string
		r := &Rules{MaxMessage: 1 << 20}
		for off := 0; off < len(in); off += step {
			b := bytes.Clone(in[off:min(off+step, len(in))])
			for {
				m, rest, err := p.Next(r, b)
				if err != nil {
					t.Fatal(err)
				}
				if m.Opcode == 0 {
					break
				}
				got = append(got, m.Opcode.String()+":"+string(m.Payload))
				b = rest
			}
		}
		if len(got) != 4 || got[0] != "text:hello" || got[1] != "ping:p" || got[2] != "text:grüße" || len(got[3]) != 70007 {
			t.Errorf("step %d: %.60q", step, got)
		}
		if p.s != nil {
			t.Error("state kept")
		}
	}
}

func BenchmarkParse128(b *testing.B) {
	in := AppendMaskedFrame(nil, Text, [4]byte{1, 2, 3, 4}, bytes.Repeat([]byte("x"), 128))
	var p Parser
	r := &Rules{MaxMessage: 65536}
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		p.Next(r, in)
	}
}
