package broker

// Down is ErrDown because of cause, which is all that its text says.
func Down(cause error) error { return &because{ErrDown, cause} }

// because is an error of a kind that others ask for, and of a cause, whose text it has.
type because struct{ kind, cause error }

func (b *because) Error() string   { return b.cause.Error() }
func (b *because) Unwrap() []error { return []error{b.kind, b.cause} }
