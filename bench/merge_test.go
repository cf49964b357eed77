package bench

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Histograms of parts add up to the histogram of everything, bucket by bucket.
func TestMergedQuantilesAreExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, parts := range []int{1, 2, 3, 7} {
		counters := make([]counter, parts)
		var whole counter
		for range 10_000 {
			ns := int64(rng.ExpFloat64() * float64(time.Millisecond))
			if rng.IntN(1000) == 0 {
				ns <<= rng.IntN(24) // also beyond an hour
			}
			counters[rng.IntN(parts)].add(ns)
			whole.add(ns)
		}
		var got *Quantiles
		for i := range counters {
			q, err := counters[i].quantiles()
			if err != nil {
				t.Fatal(err)
			}
			if got, err = got.merged(q); err != nil {
				t.Fatal(err)
			}
		}
		want, err := whole.quantiles()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d parts: %s", parts, diff)
		}
	}
}

func TestMergedWithNothing(t *testing.T) {
	q := &Quantiles{Count: 1}
	for _, got := range []func() (*Quantiles, error){
		func() (*Quantiles, error) { return q.merged(nil) },
		func() (*Quantiles, error) { return (*Quantiles)(nil).merged(q) },
	} {
		if got, err := got(); got != q || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	}
	if _, err := q.merged(&Quantiles{HDR: []byte("no histogram")}); err == nil {
		t.Error("what is no histogram was merged")
	}
}

func TestMerge(t *testing.T) {
	r := sample()
	for _, q := range []**Quantiles{&r.Handshake, &r.Delivery, &r.Last, &r.Cycle, &r.SendLag} {
		*q = quantilesOfOne(t)
	}
	twice := *r
	twice.Codes = map[uint16]int{0: 2, 1013: 10}
	if err := twice.merge(r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[uint16]int{0: 4, 1013: 20}, twice.Codes); diff != "" {
		t.Error(diff)
	}
	want := Faults{Lost: 2, Duplicated: 4, Reordered: 6, Corrupt: 8, Misrouted: 10}
	if twice.Opened != 30000 || twice.Operations != 9_000_000 || twice.Window != r.Window || twice.Faults != want || twice.Last.Count != 2 {
		t.Errorf("%+v", twice)
	}
}

func quantilesOfOne(t *testing.T) *Quantiles {
	t.Helper()
	var c counter
	c.add(int64(time.Millisecond))
	q, err := c.quantiles()
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// A part of Result that merge does not know would be lost in a run of several
// processes. What stands here is the coordinator's own.
func TestMergeKnowsEveryField(t *testing.T) {
	own := map[string]bool{"Plan": true, "Attacks": true, "Version": true, "Started": true, "Processes": true, "LastOf": true}
	full := reflect.ValueOf(Result{
		Interrupted: true, Invalid: "x", Opened: 1, Failed: 1, Lost: 1, FirstFail: "x", Codes: map[uint16]int{1: 1},
		Window: 1, Operation: "x", Operations: 1, Published: 1, Undelivered: 1, Faults: Faults{1, 1, 1, 1, 1},
		ServerCPU: 1, ClientCPU: 1, IdleCPU: 1, Memory: []MemoryStep{{Connections: 1}}, RollCall: &RollCall{Channels: 1}, Series: &Series{Interval: 1},
		Latencies: []Latency{{"x", quantilesOfOne(t)}}, Sections: []Section{{"x", []Fact{{"x", 1, Count, ""}}}}, Problems: []string{"x"},
	})
	for i := range full.NumField() {
		field := full.Type().Field(i)
		if own[field.Name] {
			continue
		}
		value := full.Field(i)
		if field.Type == reflect.TypeFor[*Quantiles]() {
			value = reflect.ValueOf(quantilesOfOne(t))
		}
		if value.IsZero() {
			t.Errorf("%s: give it a value here", field.Name)
		}
		var from, into Result
		reflect.ValueOf(&from).Elem().Field(i).Set(value)
		if err := into.merge(&from); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(from, into); diff != "" {
			t.Errorf("%s is not merged: %s", field.Name, diff)
		}
	}
}

// A worker is told all of the plan, also what no report shows.
func TestStartCarriesThePlan(t *testing.T) {
	var p Plan
	fillIn(reflect.ValueOf(&p).Elem())
	b, err := json.Marshal(order{Start: startOf(&p, share{0, 2}, Options{Version: "v", Interval: time.Second})})
	if err != nil {
		t.Fatal(err)
	}
	var o order
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, o.Start.plan()); diff != "" {
		t.Error(diff)
	}
	if s := startOf(&p, share{1, 2}, Options{}); len(s.PIDs) > 0 || s.GC != "" || s.Part != 1 || s.Others != 2 {
		t.Errorf("the second process measures the server too: %+v", s)
	}
}

// fillIn gives every part of v a value that is not zero.
func fillIn(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fillIn(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fillIn(v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillIn(v.Elem())
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint64, reflect.Uint16:
		v.SetUint(7)
	default:
		panic("a kind that is not known here: " + v.Kind().String())
	}
}
