package proof_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"

	"kazashi.example/central/lab/proof/rig"
)

// What is asked for over HTTP, and the status that comes back.
var centralPaths = map[string]int{"/v1/status": 200, "/v1/boxes": 200, "/healthz": 200, "/none": 404}

// boxPaths are those of a box; site is the status of what needs the site's keys.
func boxPaths(site int) map[string]int {
	return map[string]int{
		"/v1/status": 200, "/v1/taps": 200, "/v1/taps?limit=500": 200, "/": 200, "/?lang=ja": 200, "/?lang=en": 200, "/metrics": 200,
		"/healthz": 200, "/v1/next-card": 200, "/v1/taps?limit=x": 400, "/none": 404,
		"/v1/keys": 200, "/v1/corrections?all=1": 200, "/v1/close": 200, "/v1/present": site,
	}
}

// client asks one TCP address as its own URL, or a unix socket.
func client(t *testing.T, network, address string) (c *http.Client, base string) {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	if network == "tcp" {
		return &http.Client{Transport: tr}, address
	}
	tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return &http.Client{Transport: tr}, "http://localhost"
}

func ask(t *testing.T, into map[string][]byte, network, address string, paths map[string]int) {
	t.Helper()
	c, base := client(t, network, address)
	for path, want := range paths {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
		must(t, err)
		status, answer := answered(t, c, q)
		if status != want {
			t.Errorf("%s %s answers %d, want %d", address, path, status, want)
		}
		into[address+" "+path] = answer
	}
}

// answered is the status of an answer, and its body with its header.
func answered(t *testing.T, c *http.Client, q *http.Request) (status int, answer []byte) {
	t.Helper()
	resp, err := c.Do(q)
	must(t, err)
	var b bytes.Buffer
	_, err = io.Copy(&b, resp.Body)
	must(t, err, resp.Header.Write(&b), resp.Body.Close())
	return resp.StatusCode, b.Bytes()
}

// listen reads a box's live stream as it is, again after every end of it.
func listen(t *testing.T, b *rig.Box) (stop func() []byte) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all rig.Buffer
	done := make(chan struct{})
	c, base := client(t, "tcp", b.Counter())
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			q, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/events", nil)
			if err != nil {
				return
			}
			if resp, err := c.Do(q); err == nil {
				_, _ = io.Copy(&all, resp.Body) // until the box stops or the test does
				_ = resp.Body.Close()
			}
		}
	}()
	return func() []byte {
		cancel()
		<-done
		return all.Bytes()
	}
}

// stripped takes the PPIDs out of the settled events of a stream and the numbers out of its verdicts, and wants them to have been there.
func stripped(t *testing.T, live []byte, names map[string]name) []byte {
	t.Helper()
	known := map[string]bool{}
	for _, p := range names {
		known[p.ppid] = true
	}
	var rest bytes.Buffer
	seen := map[string]bool{}
	for line := range bytes.Lines(told(t, live)) {
		data, isData := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data: "))
		var e map[string]json.RawMessage
		if !isData || json.Unmarshal(data, &e) != nil || string(e["type"]) != `"settled"` {
			rest.Write(line)
			continue
		}
		var p string
		if len(e["ppid"]) > 0 && json.Unmarshal(e["ppid"], &p) == nil && known[p] {
			seen[p] = true
			line = bytes.Replace(line, []byte(p), nil, 1)
		}
		rest.Write(line)
	}
	if len(seen) != len(names) {
		t.Errorf("%d PPIDs came live, want %d: a leak of them could not be told from their absence", len(seen), len(names))
	}
	return rest.Bytes()
}
