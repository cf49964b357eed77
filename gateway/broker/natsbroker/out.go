package natsbroker

// op is a message on its way out.
type op struct {
	subject, reply string
	data           []byte
	held           bool        // its bytes count until it is confirmed
	taken          func()      // told when the server has it; nil: nobody is
	lost           func(error) // told when it was not sent; nil: nobody is
}

// opBytes is what an op takes beside its message.
const opBytes = 128

// Size implements broker.Op.
func (p op) Size() int { return len(p.data) + opBytes }

// write is the goroutine.
func (c *conn) write() {
	var spare []op
	for {
		select {
		case <-c.closed:
			return
		case <-c.out.Wake():
		}
		list := c.out.Take(spare)
		for i := range list {
			p := &list[i]
			if err := c.publish(p); err != nil {
				c.rejected(p, c.failure(err))
			} else if p.taken != nil {
				c.confirms.add(*p)
			}
			if !p.held {
				c.out.Free(p.Size())
			}
			*p = op{}
		}
		if spare = list; cap(spare) > maxSpare {
			spare = nil
		}
	}
}

func (c *conn) publish(p *op) error {
	if p.reply == "" {
		return c.nc.Publish(p.subject, p.data)
	}
	return c.nc.PublishRequest(p.subject, p.reply, p.data)
}

// maxSpare is the longest list that is kept for the next ops.
const maxSpare = 4096
