package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sluice/gateway"
	"sluice/gateway/auth"
	"sluice/gateway/config"
)

// tokenCmd is for development: in production an application's backend makes
// the tokens, and nobody has to look into one.
type tokenCmd struct {
	Mint    mintCmd    `cmd:"" help:"Print a token that the configuration accepts, for development."`
	Explain explainCmd `cmd:"" help:"Say what the configuration makes of a token, and why."`
}

// mintCmd prints a token.
type mintCmd struct {
	sources
	User       string        `required:"" help:"Who the client is: the claim sub."`
	Channel    []string      `sep:"none" placeholder:"PATTERN" help:"A channel that may be joined, such as news, room:* or user.{user}. Repeatable."`
	Publish    []string      `sep:"none" placeholder:"PATTERN" help:"A channel that may be published to. Repeatable."`
	TTL        time.Duration `default:"1h" help:"How long it is valid."`
	ID         string        `name:"id" help:"Its id, by which it can be revoked: the claim jti."`
	Meta       string        `placeholder:"JSON" help:"What the server API shows of the connection: the claim meta, an object."`
	Key        string        `placeholder:"ID" help:"The key to sign with, by its id. Without it: the first one that can sign."`
	PrivateKey string        `placeholder:"FILE" help:"The private key (PEM) of a key that is not a secret."`
}

// Help is the long help text.
func (mintCmd) Help() string {
	return "Signs with auth.keys of the configuration: with the secret of HS256 and its like, with --private-key of the others. " +
		"A token that the configuration would refuse is not printed.\n\n" + environmentHelp
}

// Run is the command.
func (c *mintCmd) Run(around *surroundings) error {
	cfg, problems := c.load(around)
	if len(problems) > 0 {
		return problemsError{problems}
	}
	key, err := c.pick(cfg.Auth.Keys)
	if err != nil {
		return err
	}
	now := time.Now()
	g := auth.Grant{
		KeyID: key.ID, Algorithm: string(key.Algorithm), Issuer: cfg.Auth.Issuer, Audience: cfg.Auth.Audience,
		User: c.User, TokenID: c.ID, Issued: now, Expires: now.Add(c.TTL), Subscribe: c.Channel, Publish: c.Publish,
	}
	if c.Meta != "" {
		if g.Meta = json.RawMessage(c.Meta); !json.Valid(g.Meta) {
			return usageError{errors.New("--meta is not JSON")}
		}
	}
	var private []byte
	if c.PrivateKey != "" {
		if private, err = os.ReadFile(c.PrivateKey); err != nil {
			return err
		}
	}
	token, err := g.Sign(key.Secret.Reveal(), private)
	if err != nil {
		return err
	}
	v, _, err := judge(cfg)
	if err != nil {
		return err
	}
	for _, s := range v.Explain(token, now).Steps {
		if s.Verdict == auth.Failed {
			return fmt.Errorf("the configuration would refuse this token: %s: %s", s.Name, s.Detail)
		}
	}
	_, err = fmt.Fprintln(around.stdout, token)
	return err
}

// pick is the key to sign with.
func (c *mintCmd) pick(keys []config.Key) (*config.Key, error) {
	i := slices.IndexFunc(keys, func(k config.Key) bool {
		if c.Key != "" {
			return k.ID == c.Key
		}
		return k.Secret.IsZero() == (c.PrivateKey != "")
	})
	switch {
	case i >= 0 && keys[i].Secret.IsZero() && c.PrivateKey == "":
		return nil, usageError{fmt.Errorf("%s needs --private-key", keys[i].Algorithm)}
	case i >= 0:
		return &keys[i], nil
	case c.Key != "":
		return nil, usageError{fmt.Errorf("auth.keys has no key with the id %q", c.Key)}
	case len(keys) == 0:
		return nil, errors.New("auth.keys has no key to sign with")
	}
	return nil, usageError{errors.New("auth.keys has no secret: name a --private-key, and the --key that it belongs to")}
}

// explainCmd says what becomes of a token.
type explainCmd struct {
	sources
	Token   string   `arg:"" help:"The token; - reads it from standard input."`
	Channel []string `sep:"none" placeholder:"NAME" help:"Say whether its bearer may join and publish to this channel. Repeatable."`
}

// Help is the long help text.
func (explainCmd) Help() string {
	return "Prints the token's header and claims, then each thing that is looked at, with what was found and what is wanted. " +
		"The exit code is 1 when the token is refused, or a --channel may not be joined.\n\n" + environmentHelp
}

// Run is the command.
func (c *explainCmd) Run(around *surroundings) error {
	cfg, problems := c.load(around)
	if len(problems) > 0 {
		return problemsError{problems}
	}
	v, policy, err := judge(cfg)
	if err != nil {
		return err
	}
	if c.Token == "-" {
		text, err := io.ReadAll(io.LimitReader(os.Stdin, 64<<10))
		if err != nil {
			return err
		}
		c.Token = strings.TrimSpace(string(text))
	}
	e := v.Explain(c.Token, time.Now())
	var out bytes.Buffer
	for _, part := range []struct {
		name string
		text []byte
	}{{"header", e.Header}, {"claims", e.Claims}} {
		fmt.Fprintf(&out, "%s: ", part.name)
		if part.text == nil {
			out.WriteString("cannot be read")
		} else if err := json.Indent(&out, part.text, "", "  "); err != nil {
			return err
		}
		out.WriteString("\n")
	}
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, s := range e.Steps {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, s.Verdict, s.Detail)
	}
	allowed := e.Identity != nil
	for _, name := range c.Channel {
		if e.Identity == nil {
			break
		}
		join, publish := policy.MaySubscribe(e.Identity, name), policy.MayPublish(e.Identity, name)
		allowed = allowed && join
		fmt.Fprintf(w, "channel %s\t%s\t%s\n", name, verdict(join), channelDetail(cfg, name, join, publish))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if e.Identity != nil {
		fmt.Fprintf(&out, "accepted: user %q, until %s\n", e.Identity.User, e.Identity.Expires.UTC().Format(time.RFC3339))
	} else {
		out.WriteString("refused\n")
	}
	if _, err := around.stdout.Write(out.Bytes()); err != nil {
		return err
	}
	if !allowed {
		return errQuiet
	}
	return nil
}

func verdict(ok bool) auth.Verdict {
	if ok {
		return auth.Passed
	}
	return auth.Failed
}

// channelDetail says what may be done with a channel, and which rules say so.
func channelDetail(cfg *config.Config, name string, join, publish bool) string {
	can := map[bool]string{true: "may", false: "may not"}
	text := fmt.Sprintf("%s join, %s publish", can[join], can[publish])
	for _, ns := range cfg.Namespaces {
		if auth.Covers(ns.Match, name) {
			return text + fmt.Sprintf("; namespace %q lets join %v, publish %v", ns.Match, ns.Subscribe, ns.Publish)
		}
	}
	return text + "; no namespace has it"
}

// judge is how the configuration decides.
func judge(cfg *config.Config) (*auth.Verifier, *auth.Policy, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return gateway.Judge(ctx, cfg)
}
