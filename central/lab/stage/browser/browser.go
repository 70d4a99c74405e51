// Package browser drives a real headless chromium for tests, by the Chrome DevTools Protocol over a pipe: no port, no library.
//
// A [Browser] belongs to one test and one goroutine; it ends with the test. It asks nothing of the pages it visits: what it
// evaluates goes past a page's Content-Security-Policy, as the protocol does, so a policy's faults show only in [Browser.Faults].
package browser

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// life bounds everything one browser is asked for, patience one [Browser.Wait].
const (
	life     = 3 * time.Minute
	patience = 20 * time.Second
)

// flags: no sandbox because tests run as root in containers; nothing that talks to the outside; scrollbars that take room, as at a desk.
var flags = []string{
	"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
	"--disable-component-update", "--disable-sync", "--force-color-profile=srgb", "--remote-debugging-pipe",
}

// Browser is one page of a chromium.
type Browser struct {
	tb      testing.TB
	in      *os.File
	out     *bufio.Reader
	session string
	n       int
	faults  []string
}

// message is an answer or an event of the protocol.
type message struct {
	ID     int
	Method string
	Error  *struct{ Message string }
	Result json.RawMessage
	Params json.RawMessage
}

// Start runs a chromium with an empty profile; the test fails if there is none.
func Start(tb testing.TB) *Browser {
	tb.Helper()
	toRead, in, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, toWrite, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), life)                                 // until after the cleanup below
	cmd := exec.CommandContext(ctx, "chromium", append(flags, "--user-data-dir="+tb.TempDir(), "about:blank")...) //nolint:gosec // fixed flags
	cmd.ExtraFiles = []*os.File{toRead, toWrite}                                                                  // descriptors 3 and 4
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		tb.Fatalf("starting chromium (make deps installs it): %v", err)
	}
	_, _ = toRead.Close(), toWrite.Close()
	b := &Browser{tb: tb, in: in, out: bufio.NewReader(out)}
	tb.Cleanup(func() {
		defer cancel()
		b.session = ""
		b.call("Browser.close", nil, nil) // in order, so that it has left its profile before that is deleted
		_ = cmd.Wait()
		_, _ = in.Close(), out.Close()
	})
	if err := out.SetReadDeadline(time.Now().Add(life)); err != nil {
		tb.Fatal(err)
	}
	b.attach()
	return b
}

func (b *Browser) attach() {
	b.tb.Helper()
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Log", "Runtime"} {
		b.call(domain+".enable", nil, nil)
	}
}

// Visit opens url in a window of so many CSS pixels.
func (b *Browser) Visit(url string, width, height int) {
	b.tb.Helper()
	b.call("Emulation.setDeviceMetricsOverride",
		map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.call("Page.navigate", map[string]any{"url": url}, nil)
}

// Eval returns the value of a JavaScript expression as text.
func (b *Browser) Eval(expression string) string {
	b.tb.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails *struct{ Text string }
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &r)
	if r.ExceptionDetails != nil {
		return "exception: " + r.ExceptionDetails.Text
	}
	return fmt.Sprint(r.Result.Value)
}

// Wait polls until an expression has the wanted value; the test fails if that does not come about within 20 seconds.
func (b *Browser) Wait(expression, want string) {
	b.tb.Helper()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	end := time.After(patience)
	for {
		got := b.Eval(expression)
		if got == want {
			return
		}
		select {
		case <-poll.C:
		case <-end:
			b.tb.Fatalf("in the browser, %s = %q, want %q", expression, got, want)
		}
	}
}

// Screenshot writes what the window shows as PNG.
func (b *Browser) Screenshot(path string) {
	b.tb.Helper()
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(path, png, 0o600)
	}
	if err != nil {
		b.tb.Fatalf("writing a screenshot: %v", err)
	}
}

// Faults returns what the pages complained of so far: policy violations, failed loads, uncaught exceptions.
func (b *Browser) Faults() []string {
	b.tb.Helper()
	b.Eval("0") // whatever happened before has been told by then
	return b.faults
}

// call sends one command and decodes its result.
func (b *Browser) call(method string, params, result any) {
	b.tb.Helper()
	b.n++
	msg := map[string]any{"id": b.n, "method": method}
	if params != nil {
		msg["params"] = params
	}
	if b.session != "" {
		msg["sessionId"] = b.session
	}
	out, err := json.Marshal(msg)
	if err == nil {
		_, err = b.in.Write(append(out, 0))
	}
	for err == nil {
		var m message
		if m, err = b.read(); err != nil || m.ID != b.n {
			continue
		}
		if m.Error != nil {
			b.tb.Fatalf("%s: %s", method, m.Error.Message)
		}
		if result == nil {
			return
		}
		if err = json.Unmarshal(m.Result, result); err == nil {
			return
		}
	}
	b.tb.Fatalf("%s: %v", method, err)
}

// read takes the next message and keeps what is a complaint.
func (b *Browser) read() (message, error) {
	line, err := b.out.ReadBytes(0)
	if err != nil {
		return message{}, fmt.Errorf("reading from chromium: %w", err)
	}
	var m message
	if err := json.Unmarshal(line[:len(line)-1], &m); err != nil {
		return message{}, fmt.Errorf("reading from chromium: %w", err)
	}
	switch m.Method {
	case "Runtime.exceptionThrown":
		b.faults = append(b.faults, string(m.Params))
	case "Log.entryAdded":
		var p struct {
			Entry struct{ Level, Text, URL string }
		}
		if err := json.Unmarshal(m.Params, &p); err != nil {
			return message{}, fmt.Errorf("reading a log entry from chromium: %w", err)
		}
		if p.Entry.Level == "error" {
			b.faults = append(b.faults, p.Entry.Text+" "+p.Entry.URL)
		}
	}
	return m, nil
}
