package uplink_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// cutter is a line that ends each connection after so many octets came down.
type cutter struct {
	to    string
	after int64
}

// listen takes connections until the test ends and returns its address.
func (c *cutter) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { c.pass(near) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

func (c *cutter) pass(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	var up sync.WaitGroup
	up.Go(func() { _, _ = io.Copy(far, near) })
	_, _ = io.CopyN(near, far, c.after)
	_ = near.Close()
	_ = far.Close()
	up.Wait()
}
