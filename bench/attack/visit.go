package attack

import (
	"context"
	"errors"
	"fmt"
)

// Visit is what a well-behaved newcomer does: it connects from source ("": any),
// upgrades with these headers and leaves. An error says why it was not let in, or
// that ctx ended before.
func Visit(ctx context.Context, url, source string, headers []string) error {
	o := Order{URL: url}
	if source != "" {
		o.Sources = []string{source}
	}
	a, err := newAssault(o, Attack{})
	if err != nil {
		return err
	}
	a.ctx = ctx
	c, out := a.upgrade(a.target, headers...)
	if c == nil {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("attack: visit: %w", err)
		}
		return errors.New("attack: visit: " + out.what)
	}
	c.drop()
	return nil
}
