package daemon

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
)

// door is a limited listener on loopback whose guests are held until a test lets them go.
type door struct {
	t      *testing.T
	crowd  *crowd
	guests chan net.Conn
	turned chan error
}

func newDoor(t *testing.T, all, each int) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{t, limited(l, all, each, slog.New(slog.DiscardHandler)), make(chan net.Conn, 64), make(chan error, 64)}
	d.crowd.turned = func(why error) { d.turned <- why }
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := d.crowd.Accept()
			if err != nil {
				return
			}
			d.guests <- c
		}
	}()
	t.Cleanup(func() { _ = d.crowd.Close(); <-ended })
	return d
}

// knock connects from an address; nil if it was turned away, the server's side of it otherwise.
func (d *door) knock(from string) net.Conn {
	d.t.Helper()
	dialer := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	mine, err := dialer.Dial("tcp", d.crowd.Addr().String())
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = mine.Close() })
	select {
	case its := <-d.guests:
		return its
	case why := <-d.turned:
		if err := mine.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			d.t.Fatal(err)
		}
		if _, err := mine.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || !errors.Is(why, errCrowded) {
			d.t.Errorf("turned away for %v, read %v, want too many and the end of the connection", why, err)
		}
		return nil
	case <-time.After(5 * time.Second):
		d.t.Fatal("neither let in nor turned away")
		return nil
	}
}

func TestOneAddressCannotTakeTheWholeHouse(t *testing.T) {
	d := newDoor(t, 100, 2)
	first := d.knock("127.0.0.1")
	if first == nil || d.knock("127.0.0.1") == nil {
		t.Fatal("turned away below the cap")
	}
	if d.knock("127.0.0.1") != nil {
		t.Error("a third connection from one address was let in")
	}
	if d.knock("127.0.0.2") == nil {
		t.Error("another address was turned away")
	}
	for range 3 { // a connection makes room once
		_ = first.Close()
	}
	if d.knock("127.0.0.1") == nil {
		t.Error("turned away although one had left")
	}
	if d.knock("127.0.0.1") != nil {
		t.Error("one that left made room for two")
	}
}

func TestTheHouseIsFull(t *testing.T) {
	d := newDoor(t, 3, 2)
	var in []net.Conn
	for _, from := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"} {
		in = append(in, d.knock(from))
	}
	if d.knock("127.0.0.4") != nil {
		t.Error("a fourth connection was let in")
	}
	for _, c := range in {
		_ = c.Close()
	}
	if len(d.crowd.hosts) != 0 || d.crowd.open != 0 {
		t.Errorf("%d open of %d addresses after all left, want none", d.crowd.open, len(d.crowd.hosts))
	}
	if d.knock("127.0.0.4") == nil {
		t.Error("turned away from an empty house")
	}
}

func TestHostOf(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7:1234": "192.0.2.7/32", "[::ffff:192.0.2.7]:1": "192.0.2.7/32", "[2001:db8:1:2:3:4:5:6]:9": "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::1]:9": "2001:db8:1:2::/64", "[fe80::1%eth0]:9": "fe80::/64",
	} {
		a, err := net.ResolveTCPAddr("tcp", in)
		if err != nil {
			t.Fatal(err)
		}
		if got := hostOf(a).String(); got != want {
			t.Errorf("hostOf(%s) = %s, want %s", in, got, want)
		}
	}
	if got := hostOf(&net.UnixAddr{Name: "pipe", Net: "unix"}); got.IsValid() {
		t.Errorf("hostOf(a pipe) = %s, want none", got)
	}
}

func TestTurningAwayIsLoggedSeldom(t *testing.T) {
	var log strings.Builder
	c := limited(nil, 1, 1, slog.New(slog.NewTextHandler(&log, nil)))
	for range 1000 {
		c.turned(errCrowded)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines for 1000 turned away at once, want 1", n)
	}
}
