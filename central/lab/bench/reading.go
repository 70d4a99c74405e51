package bench

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/central/lab/pcscd"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/reader/cvc"
	"kazashi.example/reader/jpki"
	"kazashi.example/reader/vcard/link"
)

// readings is how many samples of each kind [RunReader] takes.
type readings struct {
	cards  int // cards that are counted on, OpenSC's too
	rounds int // taps at each rate
	reads  int // readings of the certificate, ours and OpenSC's in turn
	crypto int // pairs of a tap's computing and the bare primitives
}

func (c Config) readings() readings {
	if c.Quick {
		return readings{cards: 2, rounds: 3, reads: 2, crypto: 2 * ratioBlock}
	}
	return readings{cards: 5, rounds: 60, reads: 15, crypto: 60 * ratioBlock}
}

// ReaderFigures are the names of the figures that RunReader owes.
func ReaderFigures() []string {
	var all []string
	for _, c := range counted {
		for _, suffix := range []string{"", shortSuffix} {
			all = append(all, "apdus_"+c.name+suffix, "bytes_"+c.name+suffix)
		}
	}
	all = append(all, "opensc_apdus_certificate", "opensc_apdus_certificate_jpki_only")
	for _, rate := range link.Rates() {
		for _, what := range rateFigures {
			all = append(all, fmt.Sprintf(what.format, rate))
		}
	}
	return append(all, "tap_reader_adds_p50_ms", "tap_excess_computing_p50_ms", "tap_connect_p50_ms", "tap_crypto_vs_primitives", "tap_crypto_p50_us",
		"tap_computing_vs_primitives", "tap_computing_p50_us", "primitives_p50_us",
		"certificate_read_p50_ms", "opensc_certificate_read_p50_ms", "opensc_certificate_read_jpki_only_p50_ms",
		"certificate_read_vs_opensc", "certificate_read_vs_opensc_jpki_only")
}

// readerRun is one run of RunReader.
type readerRun struct {
	*run
	n            readings
	anchors      *jpki.Anchors
	cards        []world.Person // whose cards are of today, in order, with everything on them
	believed     *cvc.Authorities
	believedKeys []world.CardAnchor // the same, to hand on
}

// RunReader measures the card side alone: commands and octets of every procedure on the virtual card, what the reader adds to the
// time of link and chip, and OpenSC on the same cards. Like [Run] it goes on after a measurement that failed, and its error names
// what is missing. Needed in Bin are vcard and cardtime. Nothing is measured on a disk: Dir may be in memory.
func RunReader(ctx context.Context, c Config) (err error) {
	r := &readerRun{run: &run{Config: c, owed: ReaderFigures()}, n: c.readings()}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("making the folder to measure in: %w", err)
	}
	r.describeMachine()
	if r.dir, err = os.MkdirTemp(c.Dir, "kazashi-bench-"); err != nil {
		return fmt.Errorf("making the folder of this run: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	if err := r.lay(ctx); err != nil {
		return errors.Join(fmt.Errorf("making the cards: %w", err), r.missing())
	}
	faults := r.perform(ctx, []measurement{
		{"what a tap computes", r.measureCrypto},
		{"cards in a real reader", r.measureReaders},
	})
	return errors.Join(faults, r.missing())
}

// lay makes the practice world and finds the cards to measure on.
func (r *readerRun) lay(ctx context.Context) error {
	w, err := world.Open(ctx, filepath.Join(r.dir, "world"), world.Config{Keys: r.Keys})
	if err != nil {
		return fmt.Errorf("opening practice world: %w", err)
	}
	all, err := w.People()
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.Kind == people.Card && p.Case == people.InOrder && !p.Gregorian {
			r.cards = append(r.cards, p)
		}
	}
	if len(r.cards) < len(link.Rates()) {
		return errNobody
	}
	if r.anchors, err = anchorsOf(w); err != nil {
		return err
	}
	return r.believe(w)
}

// believe takes the practice card authorities.
func (r *readerRun) believe(w *world.World) error {
	var err error
	if r.believedKeys, err = w.CardAnchors(); err != nil {
		return err
	}
	var list []cvc.Authority
	for _, a := range r.believedKeys {
		key, err := x509.ParsePKIXPublicKey(a.Key)
		if err != nil {
			return fmt.Errorf("parsing a card authority's key: %w", err)
		}
		list = append(list, cvc.Authority{Hierarchy: a.Hierarchy, ID: a.KeyID, Key: key})
	}
	r.believed, err = cvc.NewAuthorities(list)
	return err
}

// counting are the cards that are counted on.
func (r *readerRun) counting() []world.Person { return r.cards[:min(r.n.cards, len(r.cards))] }

// measureReaders counts in this process, then through a real pcscd with virtual readers, and times there.
func (r *readerRun) measureReaders(ctx context.Context) (err error) {
	counts, err := r.countAll(ctx)
	if err != nil {
		return fmt.Errorf("counting: %w", err)
	}
	defer r.printCounts(counts) // what could be counted without a reader is printed without one
	rig, err := pcscd.Start(ctx, pcscd.Config{VCard: r.program("vcard"), Slots: len(link.Rates())})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rig.Stop()) }()
	t, err := startCardtime(ctx, r.program("cardtime"), rig.Env())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	s := &session{readerRun: r, rig: rig, timer: t}
	return r.perform(ctx, []measurement{
		{"commands through the real reader", func(ctx context.Context) error { return s.count(ctx, counts) }},
		{"commands of OpenSC", s.countOpenSC},
		{"taps over the link model", s.timeTaps},
		{"readings of the certificate", s.timeReads},
	})
}

// milliseconds of a duration.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
