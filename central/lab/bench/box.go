package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"kazashi.example/appliance/box"
	"kazashi.example/appliance/config"
	"kazashi.example/central/lab/world"
	"kazashi.example/firmware/manifest"
)

// Begin is the signal at which RunBox starts laying cards.
const Begin = syscall.SIGUSR1

// BoxConfig says what RunBox does.
type BoxConfig struct {
	Config string // the box's configuration file
	World  string // folder of the practice world
	Keys   string // folder of its private keys
	Taps   int    // how many cards to lay, one right after the other
	Log    *slog.Logger
}

// RunBox is `kazashi run` with a belt of certificates in the place of the PC/SC service: the same package box, put together from
// the same configuration. It lays its cards once Begin came, and runs on until ctx ends.
func RunBox(ctx context.Context, c BoxConfig) (err error) {
	begin := make(chan os.Signal, 1)
	signal.Notify(begin, Begin)
	defer signal.Stop(begin)
	conf, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	certs, err := readCerts(ctx, c)
	if err != nil {
		return err
	}
	belt := newBelt(certs)
	m := manifest.Current()
	b, err := box.Open(ctx, conf, belt, m.Version, m.Built, c.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	go belt.move(ctx, begin, c.Taps)
	return b.Run(ctx)
}

// readCerts keeps nothing else of the practice world in this process's memory.
func readCerts(ctx context.Context, c BoxConfig) ([][]byte, error) {
	w, err := world.Open(ctx, c.World, world.Config{Keys: c.Keys})
	if err != nil {
		return nil, fmt.Errorf("opening practice world: %w", err)
	}
	people, err := residents(w)
	return certsOf(people), err
}

// move lays n cards, each as soon as the one before is being read.
func (b *belt) move(ctx context.Context, begin <-chan os.Signal, n int) {
	select {
	case <-ctx.Done():
		return
	case <-begin:
	}
	for range n {
		select {
		case <-ctx.Done():
			return
		case b.lay <- struct{}{}:
		}
		select {
		case <-ctx.Done():
			return
		case <-b.read:
		}
	}
}
