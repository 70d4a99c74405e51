// Package browser drives a real headless chromium for tests, by the Chrome DevTools Protocol over a pipe: no port, no library.
//
// A [Browser] belongs to one test and one goroutine; it ends with the test. Tests that run at the same time share one chromium, each with
// cookies, storage and cache of its own, and the last of them ends it. It asks nothing of the pages it visits: what it
// evaluates goes past a page's Content-Security-Policy, as the protocol does, so a policy's faults show only in [Browser.Faults].
package browser

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"
)

// patience bounds one [Browser.Wait].
const patience = 20 * time.Second

// Browser is one page of a chromium.
type Browser struct {
	tb       testing.TB
	chromium *chromium
	context  string
	session  string
}

// Start opens a page with an empty profile, in a chromium that runs or in a new one; the test fails if there is none.
func Start(tb testing.TB) *Browser {
	tb.Helper()
	c, err := join()
	if err != nil {
		tb.Fatalf("starting chromium (make deps installs it): %v", err)
	}
	b := &Browser{tb: tb, chromium: c}
	tb.Cleanup(b.leave)
	b.attach()
	return b
}

// leave forgets the page and all that it stored, and ends the chromium if nobody else is in it.
func (b *Browser) leave() {
	b.session = ""
	if b.context != "" && !b.tb.Failed() { // of a chromium that answers no more, the next test is told
		b.call("Target.disposeBrowserContext", map[string]any{"browserContextId": b.context}, nil)
	}
	if err := b.chromium.leave(); err != nil {
		b.tb.Errorf("ending chromium: %v", err)
	}
}

func (b *Browser) attach() {
	b.tb.Helper()
	var own struct{ BrowserContextID string }
	b.call("Target.createBrowserContext", nil, &own)
	b.context = own.BrowserContextID
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": b.context}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Log", "Runtime"} {
		b.call(domain+".enable", nil, nil)
	}
	b.call("Emulation.setFocusEmulationEnabled", map[string]any{"enabled": true}, nil) // as if it were the only window
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
	faults, err := b.chromium.faultsOf(b.session)
	if err != nil {
		b.tb.Fatal(err)
	}
	return faults
}

// call sends one command and decodes its result.
func (b *Browser) call(method string, params, result any) {
	b.tb.Helper()
	answer, err := b.chromium.call(b.session, method, params)
	if err == nil && result != nil {
		err = json.Unmarshal(answer, result)
	}
	if err != nil {
		b.tb.Fatalf("%s: %v", method, err)
	}
}
