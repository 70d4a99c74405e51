package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/appliance/box"
	"kazashi.example/appliance/revocation"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/sign"
)

const (
	loadWait  = 30 * time.Second // for the running daemon
	loadEvery = 200 * time.Millisecond
)

// Errors of loading.
var (
	errNotTaken = errors.New("the running daemon has not taken all of it in time; what is left stays in its inbox; see its log")
	errRefused  = errors.New("refused; what was in use stays")
)

func newCRLLoad(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "load FOLDER",
		Short: "Bring newer revocation sets or deltas from a folder, as from a USB stick",
		Long: `load takes what ` + "`kazashi-central crl export`" + ` wrote into a folder: whole sets, or deltas from the set in use. The
folder is only read. If the daemon runs it is given copies and told to look, and load waits up to 30 seconds for it; else load
does it by itself. Everything is verified by signature and digest, wherever it came from; nothing older replaces anything newer,
and what is refused keeps nothing else out. Room on the disk stays free for the records of taps.

Run it as the user that the box runs as. Exit status 1 if something was refused, or nothing is newer.`,
		Example: `  kazashi crl load /media/usb/crl
  kazashi crl load ./crl --data-dir ./data`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			conf, err := s.load()
			if err != nil {
				return err
			}
			if _, err := s.sets(); err != nil {
				return err // before a lock is made
			}
			err = box.Alone(c.Context(), conf.DataDir, func() error { return loadAlone(c, s, args[0]) })
			if errors.Is(err, box.ErrInUse) {
				return loadBeside(c, s, args[0])
			}
			return err
		},
	}
}

// loadAlone does what the daemon would do.
func loadAlone(c *cobra.Command, s *settings, folder string) error {
	k, err := s.sets()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	cache, err := revocation.Open(c.Context(), revocation.Config{Dir: k.dir, Keys: func() sign.Keys { return k.keys }, Log: log})
	if err != nil {
		return err
	}
	defer cache.Close()
	heads, err := cache.Load(c.Context(), folder)
	for _, h := range heads {
		printLoaded(c.OutOrStdout(), h.Scope().String(), numberOf(h.Number), h.At())
	}
	return err
}

func printLoaded(w io.Writer, scope, number string, at time.Time) {
	fmt.Fprintf(w, "%s: number %s of %s is in use\n", scope, number, command.Stamp(at))
}

// loadBeside has the running daemon do it.
func loadBeside(c *cobra.Command, s *settings, folder string) error {
	before, err := s.sets()
	if err != nil {
		return err
	}
	d, err := revocation.Deliver(c.Context(), before.dir, folder, before.keys, before.files)
	if err != nil && !errors.Is(err, revocation.ErrNothing) && !errors.Is(err, revocation.ErrOlder) {
		err = fmt.Errorf("%w: %w", errRefused, err)
	}
	err = errors.Join(err, await(c, d)) // what was refused keeps nothing else out
	after := kept{dir: before.dir, keys: before.keys}
	if lerr := after.look(); lerr != nil {
		return errors.Join(err, lerr)
	}
	was, is := newestOf(before.files), newestOf(after.files)
	for _, scope := range slices.Sorted(maps.Keys(is)) {
		if h := is[scope].Head; was[scope].Head.Number != h.Number {
			printLoaded(c.OutOrStdout(), scope, numberOf(h.Number), h.At())
		}
	}
	return err
}

// await waits until the daemon has looked at everything.
func await(c *cobra.Command, d revocation.Delivery) error {
	t := time.NewTicker(loadEvery)
	defer t.Stop()
	for deadline := time.After(loadWait); ; {
		waiting, refused, err := d.Pending()
		switch {
		case err != nil:
			return err
		case len(refused) > 0:
			return fmt.Errorf("%w: %s: %s", errRefused, refused[0].Name, refused[0].Why)
		case waiting == 0:
			return nil
		}
		select {
		case <-c.Context().Done():
			return c.Context().Err()
		case <-deadline:
			return errNotTaken
		case <-t.C:
		}
	}
}

// newestOf is the newest usable set of each scope.
func newestOf(files []revocation.File) map[string]revocation.File {
	newest := map[string]revocation.File{}
	for _, f := range files { // newest first
		if _, ok := newest[f.Head.Scope().String()]; !ok && f.Err == nil {
			newest[f.Head.Scope().String()] = f
		}
	}
	return newest
}
