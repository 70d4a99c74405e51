package scene

import (
	"context"
	"sync"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// Courier is a server.Courier in memory: sticks that a test puts in, and a job that goes as far as the test says.
type Courier struct {
	mu   sync.Mutex // guards the rest
	view localapi.Courier
	asks []localapi.CourierOrder
	err  error // what BeginCourier returns, if set
}

// NewCourier has a folder for sticks, none in it, and 134 records that wait.
func NewCourier() *Courier {
	return &Courier{view: localapi.Courier{Folder: true, Waiting: 134, Unsafe: 134}}
}

// Courier is the view as last set.
func (c *Courier) Courier(context.Context) (localapi.Courier, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.view
	if v.Job != nil {
		j := *v.Job
		v.Job = &j
	}
	return v, nil
}

// BeginCourier begins a job on a stick that is there, or in any folder.
func (c *Courier) BeginCourier(_ context.Context, what localapi.CourierWhat, o localapi.CourierOrder) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if c.view.Job != nil && c.view.Job.Ended.IsZero() {
		return localapi.ErrCourierBusy
	}
	name := o.Path
	for _, s := range c.view.Sticks {
		if o.Stick == s.Name {
			name = s.Name
		}
	}
	if name == "" {
		return localapi.ErrNoStick
	}
	c.asks = append(c.asks, o)
	began := Noon.Add(time.Duration(len(c.asks)) * time.Minute)
	c.view.Job = &localapi.CourierJob{What: what, Stick: name, Began: began}
	return nil
}

// Refuse makes BeginCourier return err from now on.
func (c *Courier) Refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// Asked is what was begun.
func (c *Courier) Asked() []localapi.CourierOrder {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]localapi.CourierOrder(nil), c.asks...)
}

// Set changes the view.
func (c *Courier) Set(change func(*localapi.Courier)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.view)
}

// Unseen lists the kept taps that are restored.
func (b *Box) Unseen(context.Context) (all []localapi.Tap, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.taps {
		if t.Restored {
			all = append(all, t)
		}
	}
	return all, b.err
}

// Seen takes the mark away.
func (b *Box) Seen(_ context.Context, tap record.TapID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.taps {
		if b.taps[i].Tap == tap && b.taps[i].Restored {
			b.taps[i].Restored = false
			return b.err
		}
	}
	return localapi.ErrUnknown
}
