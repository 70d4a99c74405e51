package uplink_test

import (
	"bufio"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// announce asks for a method, says that a body of this length follows, sends none of it and returns the answer.
func announce(t *testing.T, key crypto.Signer, address, path string, length int) (*http.Response, wire.Failure) {
	t.Helper()
	_, conf := rawClient(t, key, nil)
	c, err := tls.Dial("tcp", address, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	head := "POST %s HTTP/1.1\r\nHost: central\r\nContent-Type: application/cbor\r\nContent-Length: %d\r\n\r\n"
	if _, err := fmt.Fprintf(c, head, path, length); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("no answer before the body: %v", err)
	}
	b, err := io.ReadAll(resp.Body)
	var f wire.Failure
	if err := errors.Join(err, resp.Body.Close(), canon.Decode(b, &f, wire.MaxErrorBody)); err != nil {
		t.Fatal(err)
	}
	return resp, f
}

// P10: whoever is no box is sent away before central reads a single octet of what he would push or poll.
func TestP10NobodysBodyIsRead(t *testing.T) {
	c, address := joined(t, discard)
	for path, length := range map[string]int{"/uplink/v1/push": wire.MaxPush, "/uplink/v1/poll": wire.MaxPoll} {
		resp, f := announce(t, byhand.Key("nobody's device"), address, path, length)
		if resp.StatusCode != http.StatusForbidden || f.Code != wire.CodeUnknownBox || !resp.Close {
			t.Errorf("%s: answer %d %+v, closing %v, want %s and the end", path, resp.StatusCode, f, resp.Close, wire.CodeUnknownBox)
		}
	}
	c.mu.Lock()
	c.lookup = errors.New("the database does not answer")
	c.mu.Unlock()
	if resp, f := announce(t, device, address, "/uplink/v1/push", wire.MaxPush); resp.StatusCode != 500 || f.Code != wire.CodeInternal {
		t.Errorf("a box that cannot be looked up: answer %d %+v, want %s", resp.StatusCode, f, wire.CodeInternal)
	}
}

// A box that is not known reads its refusal even while it is still sending.
func TestARefusalReachesABoxThatIsSending(t *testing.T) {
	_, address := joined(t, discard)
	conf := knows(t, address, centralTLS)
	conf.Device = byhand.Key("nobody's device")
	big := wire.Push{Envelopes: [][]byte{make([]byte, 1<<20)}}
	var refused *uplink.Refusal
	if _, err := client(t, conf).Push(t.Context(), big); !errors.As(err, &refused) || refused.Code != wire.CodeUnknownBox {
		t.Errorf("Push = %v, want %s", err, wire.CodeUnknownBox)
	}
}
