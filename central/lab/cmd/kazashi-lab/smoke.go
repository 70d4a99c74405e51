package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

func newSmokeCommand() *cobra.Command {
	var keep, keys string
	c := &cobra.Command{
		Use:   "smoke",
		Short: "Play taps, an outage, a power cut and a recovery, and count every tap by other means",
		Long: `Run the practice world on free ports in a temporary folder and play a story: an operator's code and a member of staff; enrolments with PIN,
wrong PINs, taps without PIN, a library number linked, a relay attempt and a blocked card, a revocation that reaches the box as a delta, the
line cut, taps and an enrolment off-line, a hold that reaches the box as a delta in a folder, the box killed while records wait and started
again: locked, until the operator's code is typed in; the line restored, a correction on the work list, the box killed again and opened by central,
a certificate renewed on the same card and one on a new card; a second box that never had a line, joined and settled
by stick alone, whose next records arrive by stick and by line. Then kazashi-count compares the tray's ledger with the tables of central and
box, tap by tap, and must find fault with copies of those tables that were tampered with. The last line is the result:

  smoke: taps=T offline=O settled=S lost=0 doubled=0 corrected=C sets=R deltas=D provisional=P linked=L unlocked=U worked=W carried=S

Exit status 0 only if every tap is settled, none is lost, none is doubled, and at least 12 taps, 5 off-line and 1 correction were seen.`,
		Example: `  kazashi-lab smoke
  kazashi-lab smoke --keep /tmp/evidence`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return smoke(cmd.Context(), keep, keys, cmd.OutOrStdout())
		},
	}
	c.Flags().StringVar(&keep, "keep", "", "folder to run in and to keep; it must be empty or not there")
	c.Flags().StringVar(&keys, "keys", practiceKeys(), "folder of practice keys, shared by all practice worlds")
	return c
}

// smoke runs the story in a folder, which stays if it was asked for or if something failed.
func smoke(ctx context.Context, keep, keys string, out io.Writer) error {
	dir, err := smokeFolder(keep)
	if err != nil {
		return err
	}
	err = play(ctx, dir, keys, out)
	if keep == "" && (err == nil || ctx.Err() != nil) {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		return fmt.Errorf("%w; everything is kept in %s", err, dir)
	}
	return nil
}

func smokeFolder(keep string) (string, error) {
	if keep == "" {
		dir, err := os.MkdirTemp("", "kazashi-smoke-")
		if err != nil {
			return "", fmt.Errorf("making a temporary folder: %w", err)
		}
		return dir, nil
	}
	if old, err := os.ReadDir(keep); err == nil && len(old) > 0 {
		return "", fmt.Errorf("%w: %s is not empty; a count begins with an empty book", errFolder, keep)
	}
	return keep, os.MkdirAll(keep, 0o700)
}

func play(ctx context.Context, dir, keys string, out io.Writer) error {
	at, err := addressesFrom(ctx, 0)
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
	e.hold, e.gap = 0, 0 // the story waits for what the counter shows instead
	s := &story{ensemble: e, began: time.Now(), served: map[string][]record.TapID{}, people: map[string]bool{}, numbers: map[string]string{}}
	e.say = func(format string, a ...any) {
		fmt.Fprintf(out, "[%5.1f s] %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, a...))
	}
	if err := e.Start(ctx); err != nil {
		return err
	}
	err = s.run(ctx)
	if err := errors.Join(err, e.Close()); err != nil {
		return err
	}
	e.say("everything settled; the programs are stopped, counting what they left")
	return s.prove(ctx, out)
}

// run plays the story; if a part dies meanwhile, that is the error.
func (s *story) run(ctx context.Context) error {
	if err := s.awaitReady(ctx); err != nil {
		return err
	}
	if err := s.openDesk(ctx); err != nil {
		return err
	}
	client, err := localapi.NewClient("http://" + s.at.Counter)
	if err != nil {
		return fmt.Errorf("asking the box: %w", err)
	}
	s.client = client
	defer client.Close()
	playing, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if err := s.Wait(playing); err != nil {
			stop(err)
		}
	}()
	err = s.acts(playing)
	if cause := context.Cause(playing); err != nil && cause != nil {
		err = cause
	}
	stop(nil)
	<-watched
	return err
}
