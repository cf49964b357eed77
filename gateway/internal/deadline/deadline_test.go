package deadline

import "testing"

func TestQueue(t *testing.T) {
	var q Queue[int]
	if _, ok := q.Expired(100); ok {
		t.Fatal("an empty queue has something expired")
	}
	for i := range 5000 {
		q.Add(int64(i), i)
		if i%3 == 0 { // expire while adding, so that the slice is compacted
			if v, ok := q.Expired(int64(i)); !ok || v != i/3 {
				t.Fatalf("Expired(%d) = %d, %v; want %d", i, v, ok, i/3)
			}
		}
	}
	if _, ok := q.Expired(1); ok {
		t.Fatal("something expired before its time")
	}
	next := 1667
	for v, ok := q.Expired(4999); ok; v, ok = q.Expired(4999) {
		if v != next {
			t.Fatalf("got %d, want %d", v, next)
		}
		next++
	}
	if next != 5000 || q.Len() != 0 {
		t.Fatalf("ended at %d with %d left", next, q.Len())
	}
	q.Add(1, 7)
	if v, ok := q.Expired(1); !ok || v != 7 {
		t.Fatalf("after it ran empty: %d, %v", v, ok)
	}
}
