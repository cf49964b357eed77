package auth

import (
	"errors"
	"strings"

	"sluice/gateway/protocol"
)

// Rule is one reason why a client may subscribe or publish to a channel.
type Rule struct {
	kind    ruleKind
	pattern Pattern
}

type ruleKind uint8

const (
	ruleClaims ruleKind = iota
	ruleUsers
	rulePattern
)

var errRule = errors.New(`must be claims (who is given the channel by the token), users (whoever has a valid token), or a pattern with {user}, such as user.{user}`)

// ParseRule reads a rule:
//
//	claims        those whose token names the channel
//	users         whoever has a valid token
//	user.{user}   the user itself, on the channels of the pattern
func ParseRule(s string) (Rule, error) {
	switch s {
	case "claims":
		return Rule{kind: ruleClaims}, nil
	case "users":
		return Rule{kind: ruleUsers}, nil
	}
	if !strings.Contains(s, "{") {
		return Rule{}, errRule
	}
	p, err := ParsePattern(s)
	if err != nil {
		return Rule{}, err
	}
	if !p.HasUser() {
		return Rule{}, errRule
	}
	return Rule{rulePattern, p}, nil
}

// ParseRules reads a list of rules.
func ParseRules(list []string) ([]Rule, error) {
	var rs []Rule
	for _, s := range list {
		r, err := ParseRule(s)
		if err != nil {
			return nil, err
		}
		rs = append(rs, r)
	}
	return rs, nil
}

// Namespace is what the clients of a class of channels may do.
type Namespace struct {
	// Match is an exact channel name, a prefix and a trailing *, or "*".
	Match string
	// Subscribe and Publish: one of the rules has to allow it. None: nobody may.
	Subscribe, Publish []Rule
}

// Policy is who may do what. The first namespace that matches a channel
// decides; a channel that none matches is nobody's. It is read only, and may be
// shared.
type Policy struct{ namespaces []Namespace }

// NewPolicy returns the policy of namespaces. It keeps the slice.
func NewPolicy(namespaces []Namespace) *Policy { return &Policy{namespaces} }

// MaySubscribe says whether id may join the channel.
//
// hot: no allocation.
func (p *Policy) MaySubscribe(id *Identity, channel string) bool {
	if id.User == "" {
		return anyMatch(id.Subscribe, id, channel)
	}
	ns := p.find(channel)
	return ns != nil && allow(ns.Subscribe, id, id.Subscribe, channel)
}

// MayPublish says whether id may publish on the channel. Anonymous clients never may.
//
// hot: no allocation.
func (p *Policy) MayPublish(id *Identity, channel string) bool {
	ns := p.find(channel)
	return id.User != "" && ns != nil && allow(ns.Publish, id, id.Publish, channel)
}

// Covers says whether a namespace's match takes a channel in.
func Covers(match, channel string) bool { return protocol.Match(match, channel) }

func (p *Policy) find(channel string) *Namespace {
	for i := range p.namespaces {
		if Covers(p.namespaces[i].Match, channel) {
			return &p.namespaces[i]
		}
	}
	return nil
}

func allow(rules []Rule, id *Identity, claimed []Pattern, channel string) bool {
	for i := range rules {
		switch rules[i].kind {
		case ruleUsers:
			return true
		case ruleClaims:
			if anyMatch(claimed, id, channel) {
				return true
			}
		case rulePattern:
			if rules[i].pattern.Match(id, channel) {
				return true
			}
		}
	}
	return false
}
