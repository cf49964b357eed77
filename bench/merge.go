package bench

import (
	"fmt"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// merge adds what another process of the same run measured to r. What is
// measured once for all (the server's CPU and memory) only one of them has.
func (r *Result) merge(o *Result) error {
	r.Interrupted = r.Interrupted || o.Interrupted
	if r.Invalid == "" {
		r.Invalid = o.Invalid
	}

	r.Opened += o.Opened
	r.Failed += o.Failed
	r.Lost += o.Lost
	if r.FirstFail == "" {
		r.FirstFail = o.FirstFail
	}
	for code, n := range o.Codes {
		if r.Codes == nil {
			r.Codes = map[uint16]int{}
		}
		r.Codes[code] += n
	}

	r.Window = max(r.Window, o.Window) // they begin together
	if r.Operation == "" {
		r.Operation = o.Operation
	}
	r.Operations += o.Operations
	r.Published += o.Published
	r.Undelivered += o.Undelivered
	r.Faults.add(o.Faults)

	r.ServerCPU += o.ServerCPU
	r.ClientCPU += o.ClientCPU
	r.IdleCPU += o.IdleCPU
	r.Memory = append(r.Memory, o.Memory...)
	if r.RollCall == nil {
		r.RollCall = o.RollCall
	}
	r.Series = r.Series.merge(o.Series)

	for _, q := range []struct {
		into **Quantiles
		from *Quantiles
	}{
		{&r.Handshake, o.Handshake},
		{&r.Delivery, o.Delivery},
		{&r.Last, o.Last},
		{&r.Cycle, o.Cycle},
		{&r.SendLag, o.SendLag},
	} {
		var err error
		if *q.into, err = (*q.into).merged(q.from); err != nil {
			return fmt.Errorf("bench: merge: %w", err)
		}
	}
	return r.mergeFound(o)
}

func (f *Faults) add(o Faults) {
	f.Lost += o.Lost
	f.Duplicated += o.Duplicated
	f.Reordered += o.Reordered
	f.Corrupt += o.Corrupt
	f.Misrouted += o.Misrouted
}

// merged are the quantiles of what both counted, as exact as if one counter had
// counted everything. Neither is changed; either may be nil.
func (q *Quantiles) merged(o *Quantiles) (*Quantiles, error) {
	if q == nil {
		return o, nil
	}
	if o == nil {
		return q, nil
	}
	h, err := hdrhistogram.Decode(q.HDR)
	if err != nil {
		return nil, err
	}
	other, err := hdrhistogram.Decode(o.HDR)
	if err != nil {
		return nil, err
	}
	if dropped := h.Merge(other); dropped > 0 {
		return nil, fmt.Errorf("%d values are out of the histogram's range", dropped)
	}
	return quantilesOf(h, q.Count+o.Count, int64(max(q.Max, o.Max)))
}
