package fleet

import "encoding/json"

// version of the messages: nodes do not understand other ones, and do not mind them.
const version = 1

// message is what nodes say to each other.
type message struct {
	Version int     `json:"v"`
	Kind    string  `json:"kind"`
	From    string  `json:"from"`
	Status  *Status `json:"status,omitempty"`

	// Of a question and its answers.
	ID   uint64          `json:"id,omitempty"`
	What string          `json:"what,omitempty"`
	Body json.RawMessage `json:"body,omitempty"` // of a question
	Part string          `json:"part,omitempty"` // of an answer's JSON
	Nth  int             `json:"nth,omitempty"`  // its place among the parts
	More bool            `json:"more,omitempty"` // further parts follow
	Fail string          `json:"fail,omitempty"`
}

// Kinds of messages.
const (
	kindStatus = "status"
	kindBye    = "bye"
	kindAsk    = "ask"
	kindAnswer = "answer"
	kindTwins  = "twins" // to nodes with one name: the status of the one that started first
)

// send sends m to a node, or to all. A bus that is down is no error: who is
// silent is gone for the others, and they for it. After a goodbye nothing is sent:
// a status behind it would have the others list this node until it is silent.
func (f *Fleet) send(node string, m *message) {
	m.Version, m.From = version, f.o.Node
	b, err := json.Marshal(m)
	if err != nil {
		f.o.Log.Error().Err(err).Msg("a control message cannot be encoded")
		return
	}
	f.voice.Lock()
	if !f.left {
		f.left = m.Kind == kindBye
		err = f.o.Bus.Send(node, b)
	}
	f.voice.Unlock()
	if err != nil {
		f.o.Log.Debug().Err(err).Str("kind", m.Kind).Msg("a control message was not sent")
	}
}
