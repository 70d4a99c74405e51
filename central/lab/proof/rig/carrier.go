package rig

import (
	"context"
	"io"
	"net"
	"sync"

	"kazashi.example/appliance/desired"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// Carrier speaks to central with a joined box's key, and says what it likes.
func (b *Box) Carrier() *uplink.Client {
	b.r.tb.Helper()
	store, err := desired.Open(b.r.tb.Context(), b.Dir, b.r.BoxLog.logger())
	b.r.must(err)
	known := store.Trust().TLSKeys()
	b.r.must(store.Close())
	c, err := uplink.NewClient(uplink.Config{
		Address: b.Line.Addr(), Device: b.identity().Device, Central: func() []sign.PublicKey { return known },
	})
	b.r.must(err)
	b.r.tb.Cleanup(c.Close)
	return c
}

// Push brings something to central with a carrier's key.
func (r *Rig) Push(c *uplink.Client, p wire.Push) wire.Pushed {
	r.tb.Helper()
	out, err := c.Push(r.tb.Context(), p)
	r.must(err)
	return out
}

// recorder passes connections on to a target and keeps what they carry, both ways.
func recorder(r *Rig, target string) (addr string) {
	r.tb.Helper()
	ln, err := new(net.ListenConfig).Listen(r.tb.Context(), "tcp", "127.0.0.1:0")
	r.must(err)
	var open sync.WaitGroup
	open.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return // closed at the end of the test
			}
			open.Go(func() { r.pass(near, target) })
		}
	})
	r.tb.Cleanup(func() {
		_ = ln.Close()
		open.Wait()
	})
	return ln.Addr().String()
}

func (r *Rig) pass(near net.Conn, target string) {
	defer near.Close()
	far, err := new(net.Dialer).DialContext(context.Background(), "tcp", target)
	if err != nil {
		return // central is down: so is this connection
	}
	defer far.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(io.MultiWriter(near, r.Wire), far)
		_ = near.Close()
	})
	_, _ = io.Copy(io.MultiWriter(far, r.Wire), near)
	_ = far.Close()
	back.Wait()
}
