package broker

import (
	"errors"
	"slices"
	"testing"
)

// A parcel is an op of so many bytes.
type parcel int

func (p parcel) Size() int { return int(p) }

// B1: what is on its way out is bounded in bytes; one op always has room.
func TestOutbox(t *testing.T) {
	o := NewOutbox[parcel](100)
	put := func(p parcel, want error) {
		t.Helper()
		if err := o.Put(p); !errors.Is(err, want) {
			t.Errorf("%d: %v, want %v", p, err, want)
		}
	}
	put(1000, nil)
	put(1, ErrBusy)
	<-o.Wake()
	if got := o.Take(nil); !slices.Equal(got, []parcel{1000}) {
		t.Errorf("took %v", got)
	}
	put(1, ErrBusy) // it is sent, and not confirmed
	empty := o.Empty()
	select {
	case <-empty:
		t.Error("empty, and one is not confirmed")
	default:
	}
	o.Free(1000)
	<-empty
	<-o.Empty()
	put(60, nil)
	if err := o.Reserve(40); err != nil {
		t.Error(err)
	}
	put(1, ErrBusy)
	o.PutReserved(40)
	if got := o.Take(nil); !slices.Equal(got, []parcel{60, 40}) {
		t.Errorf("took %v", got)
	}
	o.Free(60)
	put(2, nil)
	if got := o.End(); !slices.Equal(got, []parcel{2}) {
		t.Errorf("not taken: %v", got)
	}
	put(1, ErrDown)
	if err := o.Reserve(1); !errors.Is(err, ErrDown) {
		t.Error(err)
	}
	o.PutReserved(40)
	if got := o.Take(nil); len(got) != 0 {
		t.Errorf("took %v after the end", got)
	}
}
