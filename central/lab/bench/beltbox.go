package bench

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"kazashi.example/appliance/box"
	"kazashi.example/appliance/config"
	"kazashi.example/firmware/manifest"
)

// Begin is the signal at which RunBelt starts laying cards.
const Begin = syscall.SIGUSR1

// BeltConfig says what RunBelt does.
type BeltConfig struct {
	Config string // the box's configuration file
	Certs  string // file of the certificates to lay, PEM
	Taps   int    // how many cards to lay, one right after the other
	Log    *slog.Logger
}

// RunBelt is `kazashi run` with a belt of certificates in the place of the PC/SC service: the same package box, put together from
// the same configuration. It lays its cards once Begin came, and runs on until ctx ends.
func RunBelt(ctx context.Context, c BeltConfig) (err error) {
	begin := make(chan os.Signal, 1)
	signal.Notify(begin, Begin)
	defer signal.Stop(begin)
	conf, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	certs, err := readCerts(c.Certs)
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

// readCerts reads a file that writeCerts wrote.
func readCerts(path string) (certs [][]byte, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading certificates: %w", err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certs = append(certs, block.Bytes)
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("reading certificates: %w: %s has none", ErrChild, path)
	}
	return certs, nil
}

// writeCerts is how a process is told what to lay.
func writeCerts(path string, certs [][]byte) error {
	var out bytes.Buffer
	for _, der := range certs {
		if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
			return fmt.Errorf("encoding a certificate: %w", err)
		}
	}
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		return fmt.Errorf("writing certificates: %w", err)
	}
	return nil
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
