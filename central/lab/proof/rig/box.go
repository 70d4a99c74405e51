package rig

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"kazashi.example/appliance/box"
	"kazashi.example/appliance/config"
	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/vault"
	"kazashi.example/central/admin"
	"kazashi.example/central/lab/relay"
	"kazashi.example/central/lab/stage"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// Box is one box with its folder and its line, running or not.
type Box struct {
	r *Rig
	// Dir is the data directory.
	Dir string
	// Service is what people tap for; change it before Start.
	Service record.ServiceID
	// Line is the box's own way to central.
	Line *relay.Relay
	Hand *Hand
	ID   record.BoxID

	counter string // host:port of the counter page
	client  *localapi.Client
	heard   *Heard
	stop    func() error
}

// Box makes a box that has joined and does not run.
func (r *Rig) Box(name string) *Box {
	r.tb.Helper()
	b := r.newBox(name)
	b.Join()
	return b
}

func (r *Rig) newBox(name string) *Box {
	r.tb.Helper()
	b := &Box{r: r, Dir: filepath.Join(r.dir, name), Service: Service, Hand: NewHand()}
	ports, err := stage.FreePorts(r.tb.Context(), 1)
	r.must(err)
	b.counter = ports[0]
	b.Line = r.line()
	r.tb.Cleanup(func() { b.Stop() })
	return b
}

// line makes a way to central.
func (r *Rig) line() *relay.Relay {
	r.tb.Helper()
	target := r.Central.uplink
	if r.setup.Record {
		target = recorder(r, target)
	}
	l, err := relay.New("127.0.0.1:0", target, r.BoxLog.logger())
	r.must(err)
	stop := start(l.Run)
	r.tb.Cleanup(func() { r.must(stop()) })
	return l
}

// Join takes a place at central with a new code, as `kazashi join` does.
func (b *Box) Join() {
	b.r.tb.Helper()
	ctx := b.r.tb.Context()
	n, err := b.r.Central.Operator().NewCode(ctx, admin.Code{Site: "branch-1", Name: filepath.Base(b.Dir)})
	b.r.must(err)
	code, err := wire.ParseJoinCode(n.Code)
	b.r.must(err)
	b.r.must(os.MkdirAll(b.Dir, 0o700))
	id := b.identity()
	b.ID = id.Box
	device, err := id.Public()
	b.r.must(err)
	answer, _, err := uplink.Join(ctx, uplink.Config{Address: b.Line.Addr(), Device: id.Device}, code, wire.JoinRequest{
		Box: id.Box, Device: device.DER(), Sealing: id.Sealing.Public().Bytes(), Release: "v0.0.0-proof",
	})
	b.r.must(err)
	b.r.must(desired.Create(b.Dir, desired.Place{Box: id.Box, Site: answer.Site, Name: answer.Name, Root: code.Root}, answer.Bundle))
}

func (b *Box) identity() *vault.Identity {
	b.r.tb.Helper()
	id, err := vault.Open(b.Dir, vault.Options{})
	b.r.must(err)
	return id
}

// Config is the box's configuration file, read.
func (b *Box) Config() config.Config {
	b.r.tb.Helper()
	c, err := config.Parse(b.TOML())
	b.r.must(err)
	return c
}

// TOML is the box's configuration file.
func (b *Box) TOML() []byte {
	return stage.Box{DataDir: b.Dir, Desk: "desk-1", Service: string(b.Service), Central: b.Line.Addr(), Counter: b.counter}.TOML()
}

// Counter is the address of the counter page.
func (b *Box) Counter() string { return "http://" + b.counter }

// Start runs the box and returns once its event stream is open.
func (b *Box) Start() {
	b.r.tb.Helper()
	conf := b.Config()
	k, err := box.Open(b.r.tb.Context(), conf, b.Hand, "v0.0.0-proof", time.Unix(0, 0), b.r.BoxLog.logger())
	b.r.must(err)
	run := start(k.Run)
	b.client, err = localapi.NewClient("unix:" + conf.Socket())
	b.r.must(err)
	b.r.Eventually(func() string {
		if _, err := b.client.Status(context.Background()); err != nil {
			return err.Error()
		}
		return ""
	})
	b.heard = &Heard{r: b.r, news: make(chan struct{})}
	listen := start(func(ctx context.Context) error { b.heard.listen(ctx, b.client); return nil })
	b.heard.Await(0, func(e localapi.Event) bool { return e.Type == localapi.EventStatus })
	b.stop = func() error {
		err := run()
		_ = listen()
		b.client.Close()
		if cerr := k.Close(); err == nil {
			err = cerr
		}
		return err
	}
}

// Stop ends the box in order. Stopping one that does not run is nothing.
func (b *Box) Stop() {
	b.r.tb.Helper()
	if b.stop == nil {
		return
	}
	if err := b.stop(); err != nil {
		b.r.tb.Errorf("box %s ended with %v", b.ID, err)
	}
	b.stop = nil
}

// Status asks the box how it is.
func (b *Box) Status() localapi.Status {
	b.r.tb.Helper()
	s, err := b.client.Status(b.r.tb.Context())
	b.r.must(err)
	return s
}

// Taps are what the box lists, by tap.
func (b *Box) Taps() map[record.TapID]localapi.Tap {
	b.r.tb.Helper()
	list, err := b.client.Taps(b.r.tb.Context(), localapi.MaxTaps)
	b.r.must(err)
	by := make(map[record.TapID]localapi.Tap, len(list))
	for _, t := range list {
		by[t.Tap] = t
	}
	return by
}

// Heard is the box's event stream since Start.
func (b *Box) Heard() *Heard { return b.heard }

// Ready waits until the box holds rules, a list and the site's keys.
func (b *Box) Ready() {
	b.r.tb.Helper()
	b.r.Eventually(func() string {
		s := b.Status()
		if s.Service.Basis == 0 || s.List.Number == 0 && !b.r.setup.NoLists {
			return fmt.Sprintf("box %s has rules %v and list %d", b.ID, s.Service.Basis, s.List.Number)
		}
		if s.Keys.State != localapi.KeysOpen {
			return fmt.Sprintf("the keys of box %s are %s", b.ID, s.Keys.State)
		}
		return ""
	})
}

// Synced waits until central holds everything that the box has.
func (b *Box) Synced() {
	b.r.tb.Helper()
	b.r.Eventually(func() string {
		if n := b.Status().Waiting.Records; n != 0 {
			return strconv.Itoa(n) + " records wait at box " + b.ID.String()
		}
		return ""
	})
}

// Settled waits until the box holds the final verdict of every tap that it lists.
func (b *Box) Settled() {
	b.r.tb.Helper()
	b.r.Eventually(func() string {
		for id, t := range b.Taps() {
			if t.Final == nil {
				return "tap " + id.String() + " has no final verdict on box " + b.ID.String()
			}
		}
		return ""
	})
}

// Image copies the data directory, running or not, into a new folder of that name.
func (b *Box) Image(name string) (dir string) {
	b.r.tb.Helper()
	dir = filepath.Join(b.r.dir, name)
	b.r.must(CopyDir(b.Dir, dir))
	return dir
}

// PutBack puts an image in the place of the data directory of a box that does not run.
func (b *Box) PutBack(image string) {
	b.r.tb.Helper()
	b.r.must(os.RemoveAll(b.Dir))
	b.r.must(CopyDir(image, b.Dir))
}

// Clone makes another box of an image: the same identity, a line and a counter of its own.
func (b *Box) Clone(image string) *Box {
	b.r.tb.Helper()
	c := b.r.newBox(filepath.Base(image))
	c.ID = b.ID
	return c
}

// Journal opens the journal in a folder of this box's, of which no program runs, and hands it to use.
func (b *Box) Journal(dir string, use func(*journal.Journal)) {
	b.r.tb.Helper()
	id, err := vault.Open(dir, vault.Options{})
	b.r.must(err)
	j, err := journal.Open(b.r.tb.Context(), filepath.Join(dir, "journal.db"), journal.Options{
		Device: id.Device, Box: id.Box, Recipient: func() (seal.PublicKey, error) { return b.r.Central.Keys().Seal.Public(), nil },
	})
	b.r.must(err)
	use(j)
	b.r.must(j.Close())
}

// Sealed is everything that an image holds and central may lack, as a courier would carry it.
func (b *Box) Sealed(image string) (p wire.Push) {
	b.r.tb.Helper()
	b.Journal(image, func(j *journal.Journal) {
		var err error
		p, err = j.Unsent(b.r.tb.Context(), journal.Limits{})
		b.r.must(err)
	})
	return p
}
