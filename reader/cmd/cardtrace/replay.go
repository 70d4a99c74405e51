package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"kazashi.example/reader/trace"
)

func newReplay() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "replay FILE",
		Short: "Run a procedure on a transcript instead of a card",
		Long: `replay runs the procedure that a transcript is of, with the transcript for a card. It ends where the procedure sends another
command than the recorded one, or comes to an answer that is masked. Values are asked for as in record, and have to be the
recorded ones.`,
		Example: `  cardtrace replay pin-status.trace
  cardtrace replay --trust practice.pem --from 3 card.trace 3<birthdate.txt`,
		Args: oneFile,
		RunE: func(c *cobra.Command, args []string) error {
			t, err := load(args[0])
			if err != nil {
				return err
			}
			if o.procedure == "" {
				o.procedure = t.Procedure
			}
			p, trusted, values, err := o.prepare(c)
			if err != nil {
				return err
			}
			defer wipe(values)
			n, err := replay(c.Context(), p, t, trusted, values)
			fmt.Fprintf(c.OutOrStdout(), "%s: %d of %d commands as recorded\n", p.name, n, len(t.Exchanges))
			return err
		},
	}
	o.flags(c, "")
	return c
}

// replay returns how many commands were as recorded, and how the procedure ended. Commands that are left over are a difference too.
func replay(ctx context.Context, p procedure, t *trace.Transcript, trusted trust, values [][]byte) (int, error) {
	r := trace.NewReplayer(t)
	err := p.perform(ctx, r, trusted, t.Unmasked, values)
	sent := len(t.Exchanges) - r.Left()
	if err == nil && r.Left() > 0 {
		err = fmt.Errorf("%w: %d recorded commands were not sent", trace.ErrDiffers, r.Left())
	}
	return sent, err
}

func newShow() *cobra.Command {
	return &cobra.Command{
		Use:     "show FILE",
		Short:   "Show a transcript in words",
		Example: "  cardtrace show pin.trace",
		Args:    oneFile,
		RunE: func(c *cobra.Command, args []string) error {
			t, err := load(args[0])
			if err != nil {
				return err
			}
			show(c.OutOrStdout(), t)
			return nil
		},
	}
}

func show(w io.Writer, t *trace.Transcript) {
	mode := "masked"
	if t.Unmasked {
		mode = "unmasked, a practice card's"
	}
	fmt.Fprintf(w, "%s: %d commands, %s\n", t.Procedure, len(t.Exchanges), mode)
	for i, x := range t.Exchanges {
		answer := fmt.Sprintf("%s, %d octets", x.SW, x.Answer.Len)
		if x.Failure != 0 {
			answer = "no answer: " + x.Failure.String()
		}
		fmt.Fprintf(w, "%4d  %s  %-22s %3d octets -> %s\n", i+1, x.Header, instruction(x), x.Data.Len, answer)
	}
}

var instructions = map[[2]byte]string{
	{0x00, 0x20}: "VERIFY", {0x00, 0x24}: "CHANGE REFERENCE DATA", {0x80, 0x2A}: "sign", {0x00, 0x84}: "GET CHALLENGE",
	{0x00, 0xA4}: "SELECT", {0x00, 0xB0}: "READ BINARY", {0x00, 0xB2}: "READ RECORD", {0x00, 0xC0}: "GET RESPONSE",
}

// instruction names what a command does; a VERIFY without data asks for the tries left.
func instruction(x trace.Exchange) string {
	name, ok := instructions[[2]byte{x.Header.CLA, x.Header.INS}]
	switch {
	case !ok:
		return "?"
	case name == "VERIFY" && x.Data.Len == 0:
		return "ask for tries left"
	}
	return name
}

// load reads a transcript.
func load(path string) (*trace.Transcript, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > trace.MaxLen {
		return nil, fmt.Errorf("reading %s: %w: longer than %d octets", path, trace.ErrTranscript, trace.MaxLen)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the transcript: %w", err)
	}
	t, err := trace.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return t, nil
}
