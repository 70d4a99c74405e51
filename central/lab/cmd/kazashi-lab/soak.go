package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/lab/invariant"
	"kazashi.example/central/lab/soak"
)

// soakOptions is how much is soaked.
type soakOptions struct {
	taps, kills, central, slots, people int
	seed                                uint64
	keep, keys                          string
}

func newSoakCommand() *cobra.Command {
	var o soakOptions
	c := &cobra.Command{
		Use:   "soak",
		Short: "Tap thousands of cards on many readers while box and central are killed, and count every tap by other means",
		Long: `Run the practice world on free ports in a temporary folder, with one box that watches many readers of one pcscd: people enrol, then all readers
are tapped at once while the box is killed (SIGKILL) at random moments, and central now and then. When enough verdicts were heard, everything is
settled and stopped, and what lies on the disks is held against every invariant of exactly-once and against the tray's ledger of each reader.
The last line is the result:

  soak: seed=S taps=T kills=K central_kills=C slots=N lost=0 doubled=0 unheard=U shown=V records=R epochs=E card=P seconds=D

taps are verdicts that were heard; unheard are cards whose box died before it said a word; shown are taps that a restarted box showed as perhaps
never seen. Exit status 0 only if nothing is lost, doubled or otherwise violated.`,
		Example: `  kazashi-lab soak
  kazashi-lab soak --taps 300 --kills 6 --slots 16 --seed 7`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.seed == 0 {
				o.seed = rand.Uint64N(1 << 32) //nolint:gosec // it is printed, and chooses moments
			}
			return runSoak(cmd.Context(), o, cmd.OutOrStdout())
		},
	}
	f := c.Flags()
	f.IntVar(&o.taps, "taps", 10_000, "verdicts to hear")
	f.IntVar(&o.kills, "kills", 200, "times that the box is killed")
	f.IntVar(&o.central, "central-kills", 20, "times that central is killed")
	f.IntVar(&o.slots, "slots", 16, "readers, 1 to 16")
	f.IntVar(&o.people, "people", 2, "people who tap on each reader")
	f.Uint64Var(&o.seed, "seed", 0, "of the moments of the kills; 0 takes one by chance")
	f.StringVar(&o.keep, "keep", "", "folder to run in and to keep; it must be empty or not there")
	f.StringVar(&o.keys, "keys", practiceKeys(), "folder of practice keys, shared by all practice worlds")
	return c
}

// runSoak runs in a folder, which stays if it was asked for or if something failed.
func runSoak(ctx context.Context, o soakOptions, out io.Writer) error {
	dir, err := smokeFolder(o.keep)
	if err != nil {
		return err
	}
	err = playSoak(ctx, dir, o, out)
	if o.keep == "" && (err == nil || ctx.Err() != nil) {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		return fmt.Errorf("%w; everything is kept in %s", err, dir)
	}
	return nil
}

func playSoak(ctx context.Context, dir string, o soakOptions, out io.Writer) error {
	at, err := addressesFrom(ctx, 0)
	if err != nil {
		return err
	}
	bin, err := programFolder()
	if err != nil {
		return err
	}
	e, err := newEnsemble(ctx, bin, dir, o.keys, at, out)
	if err != nil {
		return err
	}
	e.hold, e.gap = 0, 0 // the stream says when a card was seen and when it was gone
	began := time.Now()
	e.say = func(format string, a ...any) {
		fmt.Fprintf(out, "[%6.1f s] %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, a...))
	}
	e.say("seed %d", o.seed)
	s := &soaking{ensemble: e, o: o}
	if err := s.start(ctx); err != nil {
		return errors.Join(err, e.Close())
	}
	r, err := s.run(ctx)
	if err := errors.Join(err, s.close()); err != nil {
		return err
	}
	e.say("everything is settled and stopped; looking at what lies on the disks")
	return s.judge(ctx, r, out)
}

var errSoak = errors.New("the soak found something wrong")

// judge holds the disks against the invariants and the ledgers, and what was heard against central.
func (s *soaking) judge(ctx context.Context, r soak.Result, out io.Writer) error {
	report, err := invariant.CheckAll(ctx, invariant.Places{
		Boxes: []invariant.Box{{Dir: s.path("box")}}, Central: s.path("central"), Keys: s.path("central", "keys"), Ledgers: s.ledgers,
	})
	if err != nil {
		return err
	}
	for _, v := range report.Violations {
		fmt.Fprintln(out, "violated:", v)
	}
	n, err := s.missing(ctx, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%v\n", report)
	fmt.Fprintf(out, "soak: seed=%d taps=%d kills=%d central_kills=%d slots=%d lost=%d doubled=%d unheard=%d shown=%d records=%d epochs=%d card=%d seconds=%.0f\n",
		s.o.seed, r.Heard, r.Kills, r.CentralKills, s.o.slots, max(report.TapsLost, n.lost), max(report.TapsDoubled, n.doubled), r.Unheard, len(r.Shown),
		report.Records, report.Epochs, r.Card, r.Took.Seconds())
	switch {
	case !report.OK() || n.lost+n.doubled > 0:
		return fmt.Errorf("%w: %d taps that were heard are not at central, %d records are of a tap that has one; %w", errSoak, n.lost, n.doubled, report.Err())
	case report.Waiting+report.Lost+report.Unseen+report.Aside > 0:
		return fmt.Errorf("%w: not everything is applied: %v", errSoak, report)
	case n.unshown > 0:
		return fmt.Errorf("%w: %d verdicts that were durable and never heard were not shown after the restart", errSoak, n.unshown)
	case r.Heard < s.o.taps || r.Kills < s.o.kills || r.CentralKills < s.o.central || 2*r.Card < r.Heard:
		return fmt.Errorf("%w: too little was soaked: %+v", errSoak, r.Heard)
	}
	return nil
}
