package relay

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// chunk is how much a pump carries at once, in octets.
const chunk = 32 << 10

// errBroken is why a connection ends that has carried what it may.
var errBroken = errors.New("the line broke")

// link is one connection through the relay.
type link struct {
	near, far net.Conn      // far is nil for a link accepted while the line was down
	idle      chan struct{} // closed when no goroutine touches the link any more
}

// interrupt makes every pending and later read and write on the link return at once, and sends nothing to either end.
func (l *link) interrupt() {
	past := time.Unix(1, 0)
	_ = l.near.SetDeadline(past)
	if l.far != nil {
		_ = l.far.SetDeadline(past)
	}
}

func (l *link) close() {
	_ = l.near.Close()
	if l.far != nil {
		_ = l.far.Close()
	}
}

// pump carries octets from src to dst until src ends, an error comes or the line is cut. What a cut interrupts inside a write
// is lost, as on a real line.
func (r *Relay) pump(l *link, src, dst net.Conn, passed *atomic.Uint64) {
	buf := make([]byte, chunk)
	carried := uint64(0)
	for {
		n, err := src.Read(buf)
		if most := r.breakAfter.Load(); most > 0 && passed == &r.fromTarget && carried+uint64(n) >= most { //nolint:gosec // n is not negative
			n, err = int(most-min(carried, most)), errBroken //nolint:gosec // below n
		}
		carried += uint64(n) //nolint:gosec // as above
		if n > 0 {
			passed.Add(uint64(n)) //nolint:gosec // n > 0. Before the write: who has received an octet finds it counted
			if w, werr := dst.Write(buf[:n]); werr != nil {
				passed.Add(^uint64(n - w - 1)) //nolint:gosec // takes back the n-w octets that did not go out
				r.fail(l)
				return
			}
		}
		if errors.Is(err, io.EOF) {
			r.halfClose(l, dst)
			return
		}
		if err != nil {
			r.fail(l)
			return
		}
	}
}
