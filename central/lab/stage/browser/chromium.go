package browser

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

// answering bounds one command, closing the end of a chromium that was told to end.
const (
	answering = time.Minute
	closing   = 20 * time.Second
)

// flags: no sandbox because tests run as root in containers; nothing that talks to the outside; scrollbars that take room, as at a desk.
var flags = []string{
	"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
	"--disable-component-update", "--disable-sync", "--force-color-profile=srgb", "--remote-debugging-pipe",
}

var errSilent = errors.New("chromium does not answer")

// chromium is one running browser. It ends when its pipe is closed, so also with a test process that is killed.
type chromium struct {
	cmd     *exec.Cmd
	in, out *os.File
	profile string
	kill    context.CancelFunc

	mu      sync.Mutex // guards what follows, and writes to in
	n       int
	waiting map[int]chan message
	events  map[string][]message // by session: what may be a complaint
	ended   error
}

// message is an answer or an event of the protocol.
type message struct {
	ID        int
	SessionID string
	Method    string
	Error     *struct{ Message string }
	Result    json.RawMessage
	Params    json.RawMessage
}

// The chromium of the tests that run now.
var (
	sharing sync.Mutex // guards shared and users
	shared  *chromium
	users   int
)

// join returns the chromium that runs, or starts one. Whoever joined leaves.
func join() (*chromium, error) {
	sharing.Lock()
	defer sharing.Unlock()
	if shared == nil {
		c, err := launch()
		if err != nil {
			return nil, err
		}
		shared = c
	}
	users++
	return shared, nil
}

// leave ends the chromium if nobody else is in it.
func (c *chromium) leave() error {
	sharing.Lock()
	defer sharing.Unlock()
	if users--; users > 0 {
		return nil
	}
	shared = nil
	return c.end()
}

func launch() (*chromium, error) {
	profile, err := os.MkdirTemp("", "kazashi-chromium-")
	if err != nil {
		return nil, fmt.Errorf("making a profile: %w", err)
	}
	toRead, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	out, toWrite, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	ctx, kill := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "chromium", append(flags, "--user-data-dir="+profile, "about:blank")...) //nolint:gosec // fixed flags
	cmd.ExtraFiles = []*os.File{toRead, toWrite}                                                             // descriptors 3 and 4
	cmd.WaitDelay = closing
	c := &chromium{cmd: cmd, in: in, out: out, profile: profile, kill: kill, waiting: map[int]chan message{}, events: map[string][]message{}}
	err = cmd.Start()
	_, _ = toRead.Close(), toWrite.Close()
	if err != nil {
		kill()
		return nil, errors.Join(err, in.Close(), out.Close(), os.RemoveAll(profile))
	}
	go c.read()
	return c, nil
}

// end closes the chromium in order, so that it has left its profile before that is deleted; one that does not end is killed.
func (c *chromium) end() error {
	late := time.AfterFunc(closing, c.kill)
	defer late.Stop()
	defer c.kill()
	_, err := c.call("", "Browser.close", nil)
	_ = c.cmd.Wait() // however it ended, it is gone
	return errors.Join(err, c.in.Close(), c.out.Close(), os.RemoveAll(c.profile))
}

// call sends one command and returns its result.
func (c *chromium) call(session, method string, params any) (json.RawMessage, error) {
	id, answer, err := c.send(session, method, params)
	if err != nil {
		return nil, err
	}
	limit := time.NewTimer(answering)
	defer limit.Stop()
	select {
	case m, ok := <-answer:
		switch {
		case !ok:
			return nil, fmt.Errorf("%w: %w", errSilent, c.failure())
		case m.Error != nil:
			return nil, errors.New(m.Error.Message)
		}
		return m.Result, nil
	case <-limit.C:
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
		return nil, fmt.Errorf("%w within %v", errSilent, answering)
	}
}

func (c *chromium) send(session, method string, params any) (int, <-chan message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return 0, nil, fmt.Errorf("%w: %w", errSilent, c.ended)
	}
	c.n++
	command := map[string]any{"id": c.n, "method": method}
	if params != nil {
		command["params"] = params
	}
	if session != "" {
		command["sessionId"] = session
	}
	out, err := json.Marshal(command)
	if err != nil {
		return 0, nil, fmt.Errorf("writing a command to chromium: %w", err)
	}
	answer := make(chan message, 1)
	c.waiting[c.n] = answer
	if _, err := c.in.Write(append(out, 0)); err != nil {
		return 0, nil, fmt.Errorf("writing a command to chromium: %w", err)
	}
	return c.n, answer, nil
}

func (c *chromium) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// read hands out answers and keeps complaints until the pipe ends; whoever waits then hears of it.
func (c *chromium) read() {
	in := bufio.NewReader(c.out)
	for {
		line, err := in.ReadBytes(0)
		var m message
		if err == nil {
			err = json.Unmarshal(line[:len(line)-1], &m)
		}
		if err == nil {
			c.take(m)
			continue
		}
		c.mu.Lock()
		c.ended = fmt.Errorf("reading from chromium: %w", err)
		for _, answer := range c.waiting {
			close(answer)
		}
		clear(c.waiting)
		c.mu.Unlock()
		return
	}
}

func (c *chromium) take(m message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case m.ID != 0:
		if answer, there := c.waiting[m.ID]; there {
			answer <- m
			delete(c.waiting, m.ID)
		}
	case m.Method == "Runtime.exceptionThrown" || m.Method == "Log.entryAdded":
		c.events[m.SessionID] = append(c.events[m.SessionID], m)
	}
}

// faultsOf is what the pages of a session complained of so far.
func (c *chromium) faultsOf(session string) (faults []string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.events[session] {
		if m.Method == "Runtime.exceptionThrown" {
			faults = append(faults, string(m.Params))
			continue
		}
		var p struct {
			Entry struct{ Level, Text, URL string }
		}
		if err := json.Unmarshal(m.Params, &p); err != nil {
			return nil, fmt.Errorf("reading a log entry from chromium: %w", err)
		}
		if p.Entry.Level == "error" {
			faults = append(faults, p.Entry.Text+" "+p.Entry.URL)
		}
	}
	return faults, nil
}
