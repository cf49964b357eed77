package session

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sluice/gateway/protocol"
)

// L8: which channels a URL may name, and how many.
func TestAdmit(t *testing.T) {
	limits := new(atomic.Pointer[Limits])
	limits.Store(&Limits{Subscriptions: 3, ChannelNameBytes: 12})
	closed := &Endpoint{Channels: []string{"lobby"}, Limits: limits}
	some := &Endpoint{Channels: []string{"lobby"}, Allow: []string{"news", "room.*"}, Limits: limits}
	open := &Endpoint{Allow: []string{"*"}, Limits: limits}
	stats := &Endpoint{Allow: []string{"*"}, Stats: true, Limits: limits}
	for _, c := range []struct {
		name  string
		ep    *Endpoint
		query string
		want  []string
		err   error
	}{
		{"none named", some, "", []string{"lobby"}, nil},
		{"none named, other parameters", some, "token=x&channels=y", []string{"lobby"}, nil},
		{"none named, none configured", open, "", nil, nil},
		{"the endpoint's own is not implied", closed, "channel=lobby", nil, ErrChannel},
		{"an exact name", some, "channel=news", []string{"news"}, nil},
		{"longer than an exact name", some, "channel=newsy", nil, ErrChannel},
		{"a prefix", some, "channel=room.1&channel=news", []string{"room.1", "news"}, nil},
		{"not the prefix", some, "channel=rooms", nil, ErrChannel},
		{"one of two is not allowed", some, "channel=news&channel=lobby", nil, ErrChannel},
		{"case counts", some, "channel=News", nil, ErrChannel},
		{"named twice", some, "channel=news&channel=news", []string{"news"}, nil},
		{"escaped", open, "channel=a%2Fb&channel=a%3Ab", []string{"a/b", "a:b"}, nil},
		{"a plus is a space", open, "channel=a+b", nil, ErrChannel},
		{"a bad escape", open, "channel=%zz", nil, ErrChannel},
		{"empty", open, "channel=", nil, ErrChannel},
		{"no value", open, "channel", nil, ErrChannel},
		{"as many as may be", open, "channel=a&channel=b&channel=c", []string{"a", "b", "c"}, nil},
		{"one more", open, "channel=a&channel=b&channel=c&channel=d", nil, ErrSubscriptions},
		{"the longest name", open, "channel=" + strings.Repeat("a", 12), []string{strings.Repeat("a", 12)}, nil},
		{"a longer one", open, "channel=" + strings.Repeat("a", 13), nil, ErrChannel},
		{"$stats", stats, "channel=$stats", []string{"$stats"}, nil},
		{"$stats, not offered", open, "channel=$stats", nil, ErrChannel},
		{"another name of the node's", stats, "channel=$other", nil, ErrChannel},
		{"reserved", open, "channel=_a", nil, ErrChannel},
	} {
		got, err := c.ep.Admit(c.query)
		if !errors.Is(err, c.err) || c.err == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
			continue
		}
		if err == nil {
			if d := cmp.Diff(c.want, got.Channels); d != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, d)
			}
		}
	}
	first, _ := some.Admit("")
	if got, err := some.Admit(""); err != nil || got != first {
		t.Error("sessions that name no channels do not share what they were let in with")
	}
	if _, err := open.Admit("channel=%zz"); !errors.Is(err, protocol.ErrQuery) {
		t.Errorf("a bad escape: %v", err)
	}
}

// Connections that ask for the same share the names; a reload is heeded at
// once, and made-up queries take a bounded room.
func TestAdmittedQueriesAreShared(t *testing.T) {
	limits := new(atomic.Pointer[Limits])
	limits.Store(&Limits{Subscriptions: 3, ChannelNameBytes: 12})
	ep := &Endpoint{Allow: []string{"*"}, Limits: limits}
	first, err := ep.Admit("channel=news")
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := ep.Admit("channel=news"); second != first {
		t.Error("the names of the same query are not shared")
	}
	limits.Store(&Limits{Subscriptions: 3, ChannelNameBytes: 3})
	if _, err := ep.Admit("channel=news"); !errors.Is(err, ErrChannel) {
		t.Errorf("after a reload: %v, want ErrChannel", err)
	}
	limits.Store(&Limits{Subscriptions: 3, ChannelNameBytes: 1000})
	for i := range 3 * maxAdmissions {
		if _, err := ep.Admit(fmt.Sprintf("channel=room-%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(ep.admitted.queries); n > maxAdmissions {
		t.Errorf("%d queries are remembered", n)
	}
	long := "channel=" + strings.Repeat("a", maxAdmittedQuery)
	if _, err := ep.Admit(long); err != nil || ep.admitted.find(long, limits.Load()) != nil {
		t.Errorf("a long query: %v, or it is remembered", err)
	}
}
