package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func seeds(f *testing.F) {
	for _, s := range []string{
		`{"channel":"b","data":{"x":[1,2.5e-3,-0,true,false,null]}}`,
		`{"channel":"b","text":"\ud83d\ude00 \u00fc \n \\ \" \/"}`,
		`{"channel":"b","b64data":"AP+A"}`,
		`{"channel":"b","data":1,"text":"x"}`,
		`{"channel":"b","channel":"b","text":""}`,
		`{"channel":"b","text":"\ud83d"}`,
		`[01]`, `[1.]`, `[-]`, `[1e]`, `"\x"`, `tru`, `{"a":}`, `{,}`, "\"\n\"", "{} x", "\ufeff{}",
		nested(32), nested(33),
	} {
		f.Add([]byte(s))
	}
}

// depth is how deep a valid JSON text is nested.
func depth(b []byte) int {
	d, deepest := 0, 0
	dec := json.NewDecoder(bytes.NewReader(b))
	for {
		tok, err := dec.Token()
		if err != nil {
			return deepest
		}
		if delim, ok := tok.(json.Delim); ok {
			if delim == '{' || delim == '[' {
				d++
				deepest = max(deepest, d)
			} else {
				d--
			}
		}
	}
}

// FuzzValue: a text is a value to us if it is one to encoding/json, is UTF-8 and
// not nested too deep; and it is returned as it was sent.
func FuzzValue(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var raw []byte
		p := scan(b, func(s *scanner) (p *problem) {
			raw, p = s.value()
			return p
		})
		want := utf8.Valid(b) && json.Valid(b) && depth(b) <= maxDepth
		if (p == nil) != want {
			t.Fatalf("%q: %v, want valid = %v", b, p, want)
		}
		if p == nil && !bytes.Equal(raw, bytes.Trim(b, " \t\r\n")) {
			t.Fatalf("%q: taken as %q", b, raw)
		}
	})
}

// FuzzString: a string means to us what it means to encoding/json, except that
// we refuse half surrogate pairs, which it replaces.
func FuzzString(f *testing.F) {
	seeds(f)
	f.Add([]byte(`"\u0041\ud83d\ude00\b\f\n\r\t\/\\\"ü"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got []byte
		p := scan(b, func(s *scanner) (p *problem) {
			got, p = s.text("it")
			return p
		})
		var want string
		var err error
		if !bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("n")) { // null is no string
			err = json.Unmarshal(b, &want)
		}
		if p == nil && (err != nil || string(got) != want) {
			t.Fatalf("%q: %q, encoding/json says %q, %v", b, got, want, err)
		}
		if p != nil && err == nil && utf8.Valid(b) && json.Valid(b) && !strings.ContainsRune(want, utf8.RuneError) && bytes.Contains(b, []byte(`"`)) {
			t.Fatalf("%q: %v, encoding/json says %q", b, p, want)
		}
	})
}

// L10: a request that two readers could understand in two ways is refused: keys
// that are given twice, numbers for strings, unknown fields, another case, and
// what is nested deeper than 32 levels.
func TestL10Strict(t *testing.T) {
	for _, s := range []string{
		`{"channel":"a","channel":"b","text":"x"}`,
		`{"channel":"a","\u0063hannel":"b","text":"x"}`,
		`{"channel":"a","text":"x","text":"y"}`,
		`{"channel":1,"text":"x"}`,
		`{"channel":["a"],"text":"x"}`,
		`{"channel":null,"text":"x"}`,
		`{"channel":"a","text":1}`,
		`{"channel":"a","text":"x","admin":true}`,
		`{"Channel":"a","text":"x"}`,
		`{"channel":"a","data":` + nested(40) + `}`,
	} {
		if _, p := decodePublish([]byte(s)); p == nil {
			t.Errorf("accepted: %.80s", s)
		}
	}
	if _, p := decodePublish([]byte(`{"channel":"a","data":` + nested(20) + `}`)); p != nil {
		t.Errorf("refused: %v", p)
	}
}

// FuzzPublish compares the decoder with encoding/json's: it never accepts what
// that refuses, and never reads anything else from it.
func FuzzPublish(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		pub, p := decodePublish(b)
		if p != nil {
			if p.message == "" || !utf8.ValidString(p.message) || len(p.message) > 500 {
				t.Fatalf("%q: a bad message: %q", b, p.message)
			}
			return
		}
		var ref struct {
			Channel *string         `json:"channel"`
			Data    json.RawMessage `json:"data"`
			Text    *string         `json:"text"`
			B64Data *string         `json:"b64data"`
		}
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&ref); err != nil {
			t.Fatalf("%q: accepted, encoding/json says %v", b, err)
		}
		var payloads [][]byte
		if ref.Data != nil {
			payloads = append(payloads, ref.Data)
		}
		if ref.Text != nil {
			payloads = append(payloads, []byte(*ref.Text))
		}
		if ref.B64Data != nil {
			raw, err := base64.StdEncoding.DecodeString(*ref.B64Data)
			if err != nil {
				t.Fatal(err)
			}
			payloads = append(payloads, raw)
		}
		if ref.Channel == nil || len(payloads) != 1 {
			t.Fatalf("%q: accepted without a channel or with %d payloads", b, len(payloads))
		}
		if len(pub.channels) != 1 || pub.channels[0] != *ref.Channel || !bytes.Equal(pub.payload, payloads[0]) || pub.binary != (ref.B64Data != nil) {
			t.Fatalf("%q: read as %+v", b, pub)
		}
	})
}
