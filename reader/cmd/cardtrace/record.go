package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/reader/jpki"
	"kazashi.example/reader/trace"
	"kazashi.example/sync/certid"
)

// runTime bounds a procedure once the card is there.
const runTime = time.Minute

// options are those that record and replay share.
type options struct {
	procedure string
	trust     string
	from      int
}

func (o *options) flags(c *cobra.Command, defaultProcedure string) {
	c.Flags().StringVar(&o.procedure, "procedure", defaultProcedure, "which one: "+procedureNames())
	c.Flags().StringVar(&o.trust, "trust", "", "`FILE` of PEM blocks: roots of the JPKI and keys of card authorities")
	c.Flags().IntVar(&o.from, "from", -1, "file descriptor `N` to read PIN, password or birth date from, one a line; else the terminal asks")
	complete := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return strings.Split(procedureNames(), ", "), cobra.ShellCompDirectiveNoFileComp
	}
	_ = c.RegisterFlagCompletionFunc("procedure", complete) // fails for a flag that is not there, and it is
}

// prepare reads what a procedure needs before a card is there. The caller wipes the values.
func (o *options) prepare(c *cobra.Command) (p procedure, trusted trust, values [][]byte, err error) {
	p, ok := findProcedure(o.procedure)
	if !ok {
		return p, trusted, nil, wrongUsage(c, "no procedure %q; there are %s", o.procedure, procedureNames())
	}
	if trusted, err = loadTrust(o.trust); err != nil {
		return p, trusted, nil, err
	}
	ask := fromTerminal(os.Stdin, os.Stderr)
	if o.from >= 0 && len(p.asks) > 0 {
		if ask, err = fromDescriptor(o.from); err != nil {
			return p, trusted, nil, err
		}
	}
	values, err = p.collect(c.Context(), ask)
	return p, trusted, values, err
}

func (p *program) newRecord() *cobra.Command {
	var o options
	var reader, out string
	var practice bool
	var wait time.Duration
	c := &cobra.Command{
		Use:   "record [--procedure NAME] [-o FILE]",
		Short: "Run a procedure on a card and write its transcript",
		Long: `record waits for a card, runs a procedure and writes the transcript, also of a procedure that ends with an error.

Masked is everything but headers, lengths, status words, application identifiers, and files that name nobody. With --practice a
card of the practice world is recorded unmasked, PINs included: nothing is written unless the card's certificate verifies by
the practice roots of --trust. What the Individual Number can be found from is masked even there.

A wrong PIN costs a try. Keep in mind that only a city office can give tries back.`,
		Example: `  cardtrace record
  cardtrace record --reader "Virtual PCD 00 00" --procedure pin -o pin.trace
  cardtrace record --procedure card --trust trust.pem --from 3 3<birthdate.txt
  cardtrace record --procedure pin --practice --trust practice.pem -o pin.trace`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if practice && o.trust == "" {
				return wrongUsage(c, "--practice needs --trust with the practice roots")
			}
			what, trusted, values, err := o.prepare(c)
			if err != nil {
				return err
			}
			defer wipe(values)
			waiting, cancel := context.WithTimeout(c.Context(), wait)
			defer cancel()
			s, err := p.open(waiting, reader)
			if err != nil {
				return err
			}
			defer s.close()
			ctx, stop := context.WithTimeout(c.Context(), runTime)
			defer stop()
			return s.record(ctx, c, what, trusted, practice, values, out)
		},
	}
	o.flags(c, "certificate")
	c.Flags().StringVar(&reader, "reader", "", "`NAME` of the reader; any that gets a card if not given")
	c.Flags().StringVarP(&out, "output", "o", "", "`FILE` to write; standard output if not given")
	c.Flags().BoolVar(&practice, "practice", false, "record a practice card unmasked")
	c.Flags().DurationVar(&wait, "wait", 30*time.Second, "how long to wait for a card")
	return c
}

func (s session) record(ctx context.Context, c *cobra.Command, p procedure, trusted trust, practice bool, values [][]byte, out string) error {
	r := trace.NewRecorder(s, p.name)
	if practice {
		r = trace.NewPracticeRecorder(s, p.name, trusted.practice)
	}
	failed := p.perform(ctx, r, trusted, practice, values)
	t, err := r.Transcript()
	if err != nil {
		return errors.Join(failed, err)
	}
	if err := write(c.OutOrStdout(), out, t.Bytes()); err != nil {
		return errors.Join(failed, err)
	}
	fmt.Fprintf(c.ErrOrStderr(), "%d commands on %s\n", len(t.Exchanges), strings.ToValidUTF8(s.reader, "\uFFFD"))
	return failed
}

// practice says whether a certificate is of the practice hierarchy, by its chain.
func (t trust) practice(der []byte) bool {
	found, err := t.people.Examine(bytes.Clone(der))
	return err == nil && found.Chain == jpki.ChainVerified && found.Hierarchy == certid.HierarchyPractice
}
