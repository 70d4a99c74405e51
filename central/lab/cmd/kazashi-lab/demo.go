package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/lab/stage"
	"kazashi.example/localapi"
)

// firstPort is the counter's; line, central, practice JPKI and tray follow.
const firstPort = 7440

// lineWithin is how long a demo waits for the box to hear from central and hold a list before it says that all is there.
const lineWithin = 20 * time.Second

func newDemoCommand() *cobra.Command {
	var dir, keys string
	var port int
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run everything on this machine: a counter, a card tray and what stands behind them",
		Long: `Run the practice world until interrupted: card readers (the real pcscd with virtual cards), the practice JPKI, central and one
box, each a process of its own, and the tray where made-up cards are laid on the reader. All of it listens on loopback only. What it
keeps lies in one folder; the next demo goes on from there. Delete the folder to begin anew.`,
		Example: `  kazashi-lab demo
  kazashi-lab demo --dir /tmp/practice --first-port 0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), dir, keys, port, cmd.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&dir, "dir", ".demo", "folder for everything that is kept")
	f.StringVar(&keys, "keys", practiceKeys(), "folder of practice keys, shared by all practice worlds")
	f.IntVar(&port, "first-port", firstPort, "counter; the next four: line, central, practice JPKI, tray; 0 takes free ones")
	return c
}

func demo(ctx context.Context, dir, keys string, port int, out io.Writer) (err error) {
	at, err := addressesFrom(ctx, port)
	if err != nil {
		return err
	}
	bin, err := programFolder()
	if err != nil {
		return err
	}
	e, err := newEnsemble(ctx, bin, dir, keys, at, out)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := e.Start(ctx); err != nil {
		return unlessInterrupted(ctx, err)
	}
	defer func() {
		e.say("stopping everything")
		err = errors.Join(err, e.Close())
		if err == nil {
			e.say("nothing is left running; %s keeps what was there", dir)
		}
	}()
	if err := e.awaitReady(ctx); err != nil {
		return unlessInterrupted(ctx, err)
	}
	if err := e.openDesk(ctx); err != nil {
		return unlessInterrupted(ctx, err)
	}
	e.say("ready after %.1f s", time.Since(began).Seconds())
	welcome(out, e, dir)
	return e.Wait(ctx)
}

// unlessInterrupted is err, or nil if the end was asked for: whatever broke off with it is no failure.
func unlessInterrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

var errSlow = errors.New("the box does not hear from central")

// awaitReady waits until the box has a line, a reader and a list, or a part dies.
func (e *ensemble) awaitReady(ctx context.Context) error {
	client, err := localapi.NewClient("http://" + e.at.Counter)
	if err != nil {
		return fmt.Errorf("asking the box: %w", err)
	}
	defer client.Close()
	watched, stop := context.WithTimeoutCause(ctx, lineWithin, errSlow)
	defer stop()
	died := make(chan error, 1)
	go func() { died <- e.Wait(watched) }()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		s, err := client.Status(watched)
		if err == nil && s.Line.Up && !s.List.ThisUpdate.IsZero() && len(s.Readers) > 0 {
			return nil
		}
		select {
		case <-poll.C:
		case err := <-died:
			if err != nil || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
			return fmt.Errorf("%w within %s: line up %t, list of %s, %d readers, %w; see %s",
				errSlow, lineWithin, s.Line.Up, s.List.ThisUpdate, len(s.Readers), err, e.path("log"))
		}
	}
}

func welcome(out io.Writer, e *ensemble, dir string) {
	fmt.Fprintf(out, `
  counter  http://%s/        what the librarian sees (English: http://%[1]s/?lang=en)
  tray     http://%[2]s/        lay made-up cards, cut the line, restore it

  operator's code  %[5]s        opens roster and site book after a restart without a line (made up, as everything here)
  staff code       %[6]s                 signs %[7]s in at the desk, who is signed in now

Eight things to try:
  1. First use.  On the counter open 初めての方の登録 (First-time registration), type the PINs that the tray shows under 練習 花子 (Hanako),
                 and lay her card. The counter says that her card is registered, and shows the PPID a moment later.
  2. Every day.  Take the card away and lay it again: no PIN. Open 番号のひも付け (Link a number), type a library card's number and lay it once
                 more: from now on each tap tells the number. Somebody who did not register is told so.
  3. A fraud.    Lay 証明書を写した装置 (a device with a copied certificate): Hanako's certificate on somebody else's genuine card is refused.
                 Renew Hanako's certificate on the tray, on the same card or on a new one, wait five seconds for the news to reach the
                 box, and see what the next tap says.
  4. An outage.  Cut the line and go on: taps, and first-time registrations too; who has just registered is served provisionally. Press
                 失効させる (Revoke) under somebody registered and lay that card: the box cannot know. After some ten seconds the counter
                 says that it is off-line.
  5. A thief.    bin/kazashi --config %[3]s/box/kazashi.toml lock      leaves the box as a power cut without a line does: it knows nobody, and
                 every tap without the PIN is refused. Type the operator's code in at the counter, and sign in again.
  6. A recovery. Restore the line. Everything settles by itself; the revoked card's tap shows as corrected, and stays on the work list until
                 somebody who is signed in has looked at it.
  7. No line.    Cut the line and lay a card. On the counter press USBメモリーを使う (Use a USB stick) and write the record to "usb". Then
                 bin/kazashi-central --config %[3]s/central/central.toml courier import %[3]s/sticks/usb
                 bin/kazashi-central --config %[3]s/central/central.toml courier export %[3]s/sticks/usb
                 and take in what central sent: the tap is settled, and the line is still cut.
  8. A loss.     bin/kazashi --config %[3]s/box/kazashi.toml drill lost-box      says what a thief of this box would get; and for central's word on
                 each of its records: bin/kazashi-central --config %[3]s/central/central.toml audit box ID      (box list shows the ID)

  bin/kazashi --config %[3]s/box/kazashi.toml status       (or: taps, work list, keys show)
  %[4]s bin/kazashi card --config %[3]s/box/kazashi.toml pin-status       (or: info, read)
  bin/kazashi-central --config %[3]s/central/central.toml status
  logs in %[3]s/log; Ctrl-C ends everything

`, e.at.Counter, e.at.Tray, dir, e.rig.Env(), stage.OperatorCode, stage.StaffCode, stage.StaffID)
}
