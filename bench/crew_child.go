package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// child is a process of this executable that works.
type child struct {
	cmd *exec.Cmd
	in  *os.File
	out io.ReadCloser
	say *json.Encoder
}

// startChild starts this executable again with args. It ends when this process
// does, whatever ends that: its stdin ends, and the kernel kills it. A terminal's
// interrupt is for this process alone, which tells the others; so they are in
// groups of their own.
func startChild(args []string) (*child, error) {
	if len(args) == 0 {
		return nil, errors.New("bench: no arguments for workers")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: &exec.Cmd{
		Path: self, Args: args, Stderr: os.Stderr,
		// The signal comes when the thread ends that started the process: runCrew keeps it.
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}}
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	c.cmd.Stdin, c.in = stdin, in
	if c.out, err = c.cmd.StdoutPipe(); err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		_ = in.Close()
		return nil, err
	}
	c.say = json.NewEncoder(c.in)
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// tell says something. A process that does not listen is not waited for: it has
// died, which read reports, or says nothing any more, which its coordinator sees.
func (c *child) tell(o order) {
	_ = c.in.SetWriteDeadline(time.Now().Add(grace))
	_ = c.say.Encode(o)
}

// read passes on what the process says, then that it has ended.
func (c *child) read(part int, to chan<- heard) {
	in := json.NewDecoder(bufio.NewReader(c.out))
	for {
		var w word
		if err := in.Decode(&w); err != nil {
			if !errors.Is(err, io.EOF) {
				_ = c.cmd.Process.Kill() // it speaks another language
				_ = c.cmd.Wait()
				to <- heard{part: part, gone: true, err: fmt.Errorf("it said what no worker says: %w", err)}
				return
			}
			err := c.cmd.Wait()
			if err == nil {
				err = errors.New("it had not said how that went")
			}
			to <- heard{part: part, gone: true, err: err}
			return
		}
		to <- heard{part: part, word: w}
	}
}

// close ends the process, if it has not ended yet.
func (c *child) close() {
	_ = c.in.Close()
	_ = c.cmd.Process.Kill()
}
