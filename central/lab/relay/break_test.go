package relay_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// sent is how many octets of so many came back on a new connection before it ended.
func sent(t *testing.T, address string, octets int) int {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = c.Write(bytes.Repeat([]byte{'x'}, octets)) // fails where the line broke
	}()
	n, _ := io.CopyN(io.Discard, c, int64(octets)) // the same
	return int(n)
}

func TestBreakAfter(t *testing.T) {
	e := startEcho(t)
	r := start(t, e.ln.Addr().String())
	for _, c := range []struct {
		after       uint64
		octets, got int
	}{{0, 200_000, 200_000}, {1, 200_000, 1}, {100_001, 200_000, 100_001}, {100_001, 100_000, 100_000}, {0, 200_000, 200_000}} {
		r.BreakAfter(c.after)
		for range 2 {
			if got := sent(t, r.Addr(), c.octets); got != c.got {
				t.Errorf("BreakAfter(%d): %d of %d octets came, want %d", c.after, got, c.octets, c.got)
			}
		}
	}
}
