package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"kazashi.example/appliance/roster/rostertest"
)

// BoxConfig says how much [RunBox] measures.
type BoxConfig struct {
	Config
	People  int    // of the site; 0: 200,000, or 20,000 when quick
	Entries uint64 // of the revocation list; 0: ten million, or a million when quick
}

// Sizes of sites.
const (
	fullPeople   = 200_000
	quickPeople  = 20_000
	fullMembers  = 2000 // people who tap
	quickMembers = 100
)

// boxNames are the figures that RunBox owes.
var boxNames = []string{
	"roster_open_s", "roster_lookup_us", "roster_aead_us", "roster_lookup_vs_aead", "roster_bytes_per_person", "roster_apply_s",
	"tap_laden_p50_us", "tap_empty_p50_us", "tap_added_vs_empty", "tap_card_laden_p50_us", "tap_card_empty_p50_us", "tap_card_added_vs_empty",
	"box_rss_anon_mib", "box_rss_file_mib",
}

// BoxFigures are the names of the figures that a run of RunBox owes.
func BoxFigures() []string { return boxNames }

// boxRun is one run of RunBox.
type boxRun struct {
	*run
	people  int
	entries uint64
	central *rostertest.Central // of the figures of the roster by itself

	empty, laden *counter // boxes that have next to nothing, and everything
	number       uint64   // of the long list's set
	members      []member // who tap
}

// RunBox measures what a large site costs its box: the roster beside a bare opening of as many octets, and taps and memory with a long
// revocation list and that roster beside a box that has neither. Its errors are Run's.
func RunBox(ctx context.Context, c BoxConfig) (err error) {
	people, entries := fullPeople, uint64(fullEntries)
	if c.Quick {
		people, entries = quickPeople, quickEntries
	}
	r := &boxRun{
		run:    &run{Config: c.Config, n: c.amounts(), owed: boxNames},
		people: cmp.Or(c.People, people), entries: cmp.Or(c.Entries, entries),
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("making the folder to measure in: %w", err)
	}
	if err := r.describe(); err != nil {
		return err
	}
	if r.dir, err = os.MkdirTemp(c.Dir, "kazashi-bench-"); err != nil {
		return fmt.Errorf("making the folder of this run: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	fmt.Fprintf(r.Out, "# %d made-up people of one site, each with a card key of 294 octets, a pseudonym, and every second with a number\n", r.people)
	err = r.perform(ctx, []measurement{{"a roster", r.measureRoster}})
	return errors.Join(err, r.onScene(ctx), r.missing())
}

// onScene measures what needs a central and boxes.
func (r *boxRun) onScene(ctx context.Context) (err error) {
	if r.scene, err = openScene(ctx, r.run); err != nil {
		return fmt.Errorf("setting the scene: %w", err)
	}
	defer func() { err = errors.Join(err, r.scene.close()) }()
	defer func() { err = errors.Join(err, r.empty.end(), r.laden.end()) }()
	if err := r.load(ctx); err != nil {
		return fmt.Errorf("loading a box: %w", err)
	}
	return r.perform(ctx, []measurement{
		{"what a large site adds to a tap", r.measureAdded},
		{"what it adds to a tap that the card proves", r.measureAddedToCard},
		{"the memory of its box", r.measureBoxMemory},
	})
}
