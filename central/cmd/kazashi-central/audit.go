package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"kazashi.example/central/audit"
	"kazashi.example/central/backup"
	"kazashi.example/central/config"
	"kazashi.example/central/keys"
	"kazashi.example/central/opener"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// statusUnread is the status of an audit that could not look.
const statusUnread = 2

// errNotWhole is what an audit ends with that found something.
var errNotWhole = errors.New("not every record can be accounted for; what is missing or contradicts is listed above")

func newAudit(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:     "audit",
		Short:   "Prove from the database that nothing of a box is missing",
		Long:    `audit looks at what is stored, not at what the daemon says. It needs no running central and changes nothing.`,
		Example: "  kazashi-central audit box 0123456789abcdef0123456789abcdef",
	}
	c.AddCommand(newAuditBox(s))
	return c
}

func newAuditBox(s *settings) *cobra.Command {
	var asJSON bool
	var copied string
	c := &cobra.Command{
		Use:   "box BOX",
		Short: "Account for every record that a box is known to have written",
		Long: `box verifies the signed beginnings of a box's epochs again, makes every number, hash and place in the chain anew from the
stored octets, and compares the tables with each other. With the key directory at hand it also opens every record and compares it with
what is kept of it. Each record that the box is known to have written is then applied, waiting, explained by what the box itself reported,
or missing, and what is missing is named. Of a record whose days are over the octets are gone; its number, hash and place in the chain
stay, and are checked against its neighbours.

What a box wrote after its last word that came here nobody can know here; up to where that is, is said of each epoch without an end.

Without the keys a record that waits counts only where its octets lead to something that is proved: until then they may be anybody's.

It reads beside a running central, or with --backup a backup by its manifest or its copy. Exit status: 0 everything is accounted for,
1 something is missing or contradicts, 2 the database or the keys cannot be read, or wrong usage.`,
		Example: `  kazashi-central audit box 0123456789abcdef0123456789abcdef
  kazashi-central audit box 0123456789abcdef0123456789abcdef --json | jq .gaps
  kazashi-central audit box 0123456789abcdef0123456789abcdef --backup backups/monday.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := boxID(c, args[0])
			if err != nil {
				return err
			}
			r, err := auditBox(c.Context(), s, id, copied)
			if err != nil {
				return command.Exit(statusUnread, err)
			}
			if asJSON {
				err = command.PrintJSON(c.OutOrStdout(), r)
			} else {
				err = printAudit(c.OutOrStdout(), r)
			}
			if err == nil && !r.Whole {
				err = errNotWhole
			}
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringVar(&copied, "backup", "", "audit this backup, named by its manifest or its copy")
	return c
}

// auditBox opens what is to be audited for reading alone.
func auditBox(ctx context.Context, s *settings, id record.BoxID, copied string) (r audit.Report, err error) {
	conf, err := s.load()
	if err != nil {
		return r, err
	}
	with, err := auditKeys(conf)
	if err != nil {
		return r, err
	}
	path, alone := filepath.Join(conf.DataDir, sqlite.FileDatabase), false
	if copied != "" {
		alone = true
		if path, err = backup.Copy(copied); err != nil {
			return r, err
		}
	}
	look, err := sqlite.OpenLook(ctx, path, alone)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, look.Close()) }()
	return audit.Box(ctx, look, id, with)
}

// auditKeys are central's keys, where they are at hand.
func auditKeys(conf config.Config) (audit.Options, error) {
	k, err := keys.Open(conf.KeysDir)
	if errors.Is(err, fs.ErrNotExist) {
		return audit.Options{}, nil
	}
	if err != nil {
		return audit.Options{}, err
	}
	return audit.Options{Seal: sealKey{k.Seal}, Rows: k.Rows}, nil
}

// sealKey is the one C-seal of a key directory.
type sealKey struct{ key seal.PrivateKey }

// SealKey returns the key if the id is its own.
func (s sealKey) SealKey(id sign.KeyID) (seal.PrivateKey, error) {
	if s.key.Public().ID() != id {
		return seal.PrivateKey{}, fmt.Errorf("%w: %s", opener.ErrSealKey, id)
	}
	return s.key, nil
}

func printAudit(w io.Writer, r audit.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "box %s, %q at %s, %s\n", r.Box, command.Plain(r.Name), r.Site, r.State)
	if r.Whole {
		fmt.Fprintf(&b, "every record that this box is known to have written, up to the numbers below, is applied, waiting or explained\n")
	} else {
		fmt.Fprintf(&b, "NOT every record that this box is known to have written can be accounted for\n")
	}
	fmt.Fprintf(&b, "known      %d records in %d epochs, %d of them up to an end that the box signed\n", r.Known, r.Epochs, r.Signed)
	fmt.Fprintf(&b, "applied    %d, of which %d have been erased and are shown by their place in the chain alone\n", r.Applied, r.Erased)
	fmt.Fprintf(&b, "waiting    %d: %d held, %d for another tap or a renewal\n", r.Waiting, r.Held, r.Awaiting)
	fmt.Fprintf(&b, "explained  %d\n", r.Explained)
	fmt.Fprintf(&b, "missing    %d records, and the beginning of %d epochs\n", r.Missing, r.Headers)
	fmt.Fprintf(&b, "beside     %d envelopes that no box wrote, %d second ones of a number\n", r.Aside, r.Rivals)
	if !r.Opened {
		b.WriteString("the key directory is not at hand: no record was opened, and no content compared\n")
	}
	if r.Locked > 0 {
		fmt.Fprintf(&b, "%d epochs were not opened, because their sealing key is not in the key directory\n", r.Locked)
	}
	if r.Unproved > 0 {
		fmt.Fprintf(&b, "%d of those that wait may be anybody's: nobody opened them here, and nothing that the box signed follows from them\n", r.Unproved)
	}
	for _, g := range r.Gaps {
		b.WriteString(gapLine(g))
	}
	if r.MoreGaps > 0 {
		fmt.Fprintf(&b, "and %d more gaps\n", r.MoreGaps)
	}
	for _, f := range r.Faults {
		b.WriteString(faultLine(f))
	}
	if r.MoreFaults > 0 {
		fmt.Fprintf(&b, "and %d more contradictions\n", r.MoreFaults)
	}
	auditLimits(&b, r)
	_, err := io.WriteString(w, b.String())
	return err
}

func gapLine(g audit.Gap) string {
	what := "missing"
	if g.Explained != "" {
		what = "explained"
	}
	line := fmt.Sprintf("%s: records %d-%d of epoch %s", what, g.First, g.Last, g.Epoch)
	switch {
	case g.HeaderMissing:
		line = fmt.Sprintf("%s: the beginning of epoch %s, which never came", what, g.Epoch)
	case g.First == g.Last:
		line = fmt.Sprintf("%s: record %d of epoch %s", what, g.First, g.Epoch)
	}
	if g.Explained != "" {
		return line + "; " + g.Explained + "\n"
	}
	return line + "; the box or its disk still has it, or it is lost\n"
}

func faultLine(f audit.Fault) string {
	switch {
	case f.Epoch == "":
		return "contradiction: " + f.What + "\n"
	case f.Seq == 0:
		return fmt.Sprintf("contradiction: epoch %s: %s\n", f.Epoch, command.Plain(f.What))
	default:
		return fmt.Sprintf("contradiction: record %d of epoch %s: %s\n", f.Seq, f.Epoch, command.Plain(f.What))
	}
}

// auditLimits says what was reported, and what cannot be known here.
func auditLimits(b *strings.Builder, r audit.Report) {
	for _, t := range r.Told {
		fmt.Fprintf(b, "reported: %s, %s, epoch %s, %s\n", t.Kind, command.Plain(t.Reason), t.Epoch, command.Stamp(t.At))
	}
	if r.Epochs == 0 {
		b.WriteString("cannot be known here: whether the box wrote anything; nothing of it has come\n")
	}
	for _, t := range r.Open {
		fmt.Fprintf(b, "cannot be known here: what the box wrote after record %d of epoch %s, its last word there\n", t.Last, t.Epoch)
	}
	if r.Headless > 0 {
		fmt.Fprintf(b, "cannot be known here: whose %d stored envelopes are, as the beginnings of their epochs never came\n", r.Headless)
	}
}
