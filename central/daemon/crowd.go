package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"kazashi.example/central/internal/seldom"
)

// crowd is a listener that closes at once what would be too many. It does not leave it waiting: a box tries again by itself,
// and what waits here would keep out others. An IPv6 host owns its whole /64, which therefore counts as one address.
type crowd struct {
	net.Listener

	all, each int
	turned    func(why error) // somebody was turned away

	mu    sync.Mutex // guards what follows
	open  int
	hosts map[netip.Prefix]int // no host has 0
}

// errCrowded is why somebody was turned away.
var errCrowded = errors.New("too many connections")

// limited puts a cap on a listener, and logs seldom that it was reached.
func limited(l net.Listener, all, each int, log *slog.Logger) *crowd {
	line := seldom.New(seldom.Every, time.Now)
	return &crowd{Listener: l, all: all, each: each, hosts: map[netip.Prefix]int{}, turned: func(why error) {
		if n, due := line.Happened(); due {
			log.Warn("connections were turned away", slog.Any("error", why), slog.Int("count", n))
		}
	}}
}

// Accept waits for a connection that there is room for.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host := hostOf(conn.RemoteAddr())
		if err := c.enter(host); err != nil {
			_ = conn.Close() // nothing was said on it
			c.turned(err)
			continue
		}
		return &guest{Conn: conn, leave: sync.OnceFunc(func() { c.leave(host) })}, nil
	}
}

func (c *crowd) enter(host netip.Prefix) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.open >= c.all:
		return fmt.Errorf("%w: %d in all", errCrowded, c.open)
	case c.hosts[host] >= c.each:
		return fmt.Errorf("%w: %d from %s", errCrowded, c.hosts[host], host)
	}
	c.open++
	c.hosts[host]++
	return nil
}

func (c *crowd) leave(host netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	if c.hosts[host]--; c.hosts[host] == 0 {
		delete(c.hosts, host)
	}
}

// hostOf is what counts as one address: an IPv4 address, an IPv6 /64. What has no IP address counts together.
func hostOf(a net.Addr) netip.Prefix {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip, bits := at.Addr().Unmap().WithZone(""), 64
	if ip.Is4() {
		bits = 32
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// guest is a connection that makes room when it is closed.
type guest struct {
	net.Conn

	leave func()
}

// Close closes the connection; its room is free then, once.
func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close()
}
