package auth

import (
	"strings"
	"testing"
	"testing/quick"

	"sluice/gateway/protocol"
)

func user(name string, subscribe, publish []string) *Identity {
	id := &Identity{User: name, segment: Segment(name)}
	id.Subscribe, _ = ParsePatterns(subscribe)
	id.Publish, _ = ParsePatterns(publish)
	return id
}

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no []string // for alice
	}{
		{"news", []string{"news"}, []string{"new", "newsy", "news.a", "News", ""}},
		{"room.*", []string{"room.1", "room.a.b", "room.a:b"}, []string{"room", "rooms", "room.", "rooms.1", "xroom.1"}},
		{"room:*", []string{"room:1", "room:1.2"}, []string{"room.1", "room:"}},
		{"*", []string{"a", "a.b", "$stats"}, nil},
		{"user.{user}", []string{"user.alice"}, []string{"user.bob", "user.alicea", "user.alic", "user.alice.x", "user.", "user", "alice"}},
		{"{user}", []string{"alice"}, []string{"bob", "alice.x", "alicex"}},
		{"user.{user}.inbox", []string{"user.alice.inbox"}, []string{"user.bob.inbox", "user.alice.inboxes", "user.alice", "user.alice.x.inbox"}},
		{"user:{user}/*", []string{"user:alice/a", "user:alice/a/b"}, []string{"user:alice", "user:alice/", "user:alicex/a", "user:bob/a", "user:alice.a"}},
		{"{user}.*", []string{"alice.1"}, []string{"alice", "bob.1", "alicex.1"}},
	} {
		p, err := ParsePattern(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if p.String() != c.pattern {
			t.Errorf("%s is printed as %s", c.pattern, p)
		}
		id := user("alice", nil, nil)
		for _, name := range c.yes {
			if !p.Match(id, name) {
				t.Errorf("%s does not match %s", c.pattern, name)
			}
		}
		for _, name := range c.no {
			if p.Match(id, name) {
				t.Errorf("%s matches %s", c.pattern, name)
			}
		}
		if p.HasUser() && p.Match(Anonymous(nil), strings.ReplaceAll(strings.ReplaceAll(c.pattern, userMark, ""), "*", "x")) {
			t.Errorf("%s matches for nobody", c.pattern)
		}
	}
	for _, bad := range []string{
		"", "room*", "*.room", "a.*.b", "**", "a.**", "user{user}", "{user}x", "user.{user}x", "x{user}.a", "{user}*", "user.{user}*",
		"{user}.{user}", "{users}", "user.{sub}", "a b", "a\x00", "a%2e", "é", strings.Repeat("a", maxPattern+1),
	} {
		if p, err := ParsePattern(bad); err == nil {
			t.Errorf("%.40q is taken for %v", bad, p)
		}
	}
}

// A8: no user id grants another user's channel, whatever is in it.
func TestA8NoUserWidensItself(t *testing.T) {
	patterns := []string{"user.{user}", "user.{user}.*", "{user}", "inbox:{user}/*", "a.{user}.b"}
	var parsed []Pattern
	for _, s := range patterns {
		p, err := ParsePattern(s)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, p)
	}
	check := func(mine, others string) bool {
		if mine == others || mine == "" || others == "" {
			return true
		}
		a, b := user(mine, nil, nil), user(others, nil, nil)
		for _, p := range parsed {
			name := p.prefix + b.segment + p.suffix
			if p.rest {
				name += "x"
			}
			if !p.Match(b, name) || p.Match(a, name) {
				t.Logf("%q, %q, %v", mine, others, p)
				return false
			}
		}
		return !strings.ContainsAny(a.segment, ".:/*{}$ ")
	}
	if err := quick.Check(check, &quick.Config{MaxCount: 5000}); err != nil {
		t.Error(err)
	}
	hostile := []string{"*", ".", "..", "a.b", "a", "a_2eb", "a_", "_", "alice", "alice.", "alice.*", "{user}", "a:b", "a/b", "_2a", "$stats", "A", "ä", "a b", "a\u0000", "%2e", ">", "#", "+"}
	for _, a := range hostile {
		for _, b := range hostile {
			if !check(a, b) {
				t.Errorf("%q reaches what is %q's", a, b)
			}
		}
	}
}

// A8: deny by default, by channel and by action; the first namespace decides.
func TestA8Policy(t *testing.T) {
	rules := func(list ...string) (rs []Rule) {
		for _, s := range list {
			r, err := ParseRule(s)
			if err != nil {
				t.Fatal(err)
			}
			rs = append(rs, r)
		}
		return rs
	}
	p := NewPolicy([]Namespace{
		{Match: "news.*", Subscribe: rules("users")},
		{Match: "user.*", Subscribe: rules("user.{user}", "user.{user}.*"), Publish: rules("user.{user}.out")},
		{Match: "closed"},
		{Match: "room.*", Subscribe: rules("claims"), Publish: rules("claims")},
		{Match: "mixed", Subscribe: rules("claims", "users"), Publish: rules("claims")},
	})
	alice := user("alice", []string{"room.*", "closed", "elsewhere", "user.bob"}, []string{"room.1", "mixed"})
	bob := user("bob", nil, nil)
	nobody := Anonymous([]Pattern{{prefix: "news.", rest: true}, {prefix: "closed"}})
	for _, c := range []struct {
		id                 *Identity
		channel            string
		subscribe, publish bool
	}{
		{alice, "news.today", true, false},
		{bob, "news.today", true, false},
		{nobody, "news.today", true, false},
		{alice, "user.alice", true, false},
		{alice, "user.alice.out", true, true},
		{bob, "user.alice", false, false},
		{alice, "user.bob", false, false}, // the claim does not count here
		{nobody, "user.", false, false},
		{alice, "closed", false, false}, // no rules: nobody
		{nobody, "closed", true, false}, // the endpoint's own list decides
		{alice, "room.1", true, true},
		{alice, "room.2", true, false},
		{bob, "room.1", false, false},
		{nobody, "room.1", false, false},
		{alice, "mixed", true, true},
		{bob, "mixed", true, false},
		{alice, "elsewhere", false, false}, // no namespace
	} {
		if got := p.MaySubscribe(c.id, c.channel); got != c.subscribe {
			t.Errorf("%q may subscribe to %s: %v", c.id.User, c.channel, got)
		}
		if got := p.MayPublish(c.id, c.channel); got != c.publish {
			t.Errorf("%q may publish to %s: %v", c.id.User, c.channel, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { p.MaySubscribe(alice, "room.1"); p.MayPublish(alice, "user.alice.out") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	for _, bad := range []string{"", "anyone", "user", "room.*", "*", "{user}x", "x{y}"} {
		if _, err := ParseRule(bad); err == nil {
			t.Errorf("%q is a rule", bad)
		}
	}
}

// Expand is the one channel that a pattern names.
func TestExpand(t *testing.T) {
	for _, c := range [][3]string{{"user.{user}", "a.b", "user.a_2eb"}, {"news", "a", "news"}, {"news.*", "a", ""}, {"user.{user}", "", ""}} {
		p, err := ParsePattern(c[0])
		if err != nil {
			t.Fatal(err)
		}
		got := p.Expand(user(c[1], nil, nil))
		if got != c[2] || got != "" && protocol.CheckChannel(got, 255) != nil {
			t.Errorf("%s for %s: %q", c[0], c[1], got)
		}
	}
}
