package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/keys"
	"kazashi.example/central/policy"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/describe"
	"kazashi.example/sync/trust"
)

func newTrust(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "trust",
		Short: "Make, have signed, publish and look at what every box believes",
		Long: `trust is about the trust bundle: the signed file from which a box learns every key that it must believe, the card
authorities, and who has a legal approval. It is signed by root keys, of which some holders each keep one, off-line.

A ceremony: "make" writes a proposal of what the configuration describes; each holder looks at a copy with "inspect" and adds
a signature with "sign", on a machine of his own; "publish" takes the copies together and puts the bundle in force once enough have signed.
"revert" proposes what an older bundle said, "root" the next holders. A running central gives out what was published when it is started
the next time.

As long as the one root key that "init" made is in the key directory and nobody has published anything, central signs by itself.
None of these commands asks a running central.`,
		Example: `  kazashi-central trust make bundle.proposal
  kazashi-central trust sign bundle.proposal --key /media/key/holder.key
  kazashi-central trust publish bundle.proposal
  kazashi-central trust list`,
	}
	c.AddCommand(newTrustMake(s), newTrustSign(), newTrustPublish(s), newTrustInspect(), newTrustVerify(), newTrustRevert(s), newTrustRoot(s),
		newTrustKey(), newTrustList(s), newTrustExport(s))
	return c
}

// ceremony reads what the commands work on.
func (s *settings) ceremony() (policy.Ceremony, error) {
	conf, err := s.load()
	if err != nil {
		return policy.Ceremony{}, err
	}
	k, err := keys.Open(conf.KeysDir)
	return policy.Ceremony{Config: conf, Keys: k, Now: time.Now()}, err
}

// bundleMode is that of proposals and bundles: nothing in them is secret.
const bundleMode = 0o644

// writeDraft writes a new proposal and says what is to be done with it.
func writeDraft(w io.Writer, path string, d trust.Draft) error {
	b, err := d.Encode()
	if err != nil {
		return err
	}
	if err := newFile(path, b); err != nil {
		return err
	}
	for _, l := range d.Levels() {
		fmt.Fprintf(w, "%s needs %d of %d holders\n", l.What, l.Threshold, len(l.Holders))
	}
	fmt.Fprintf(w, "proposal is in %s\n", path)
	return nil
}

// newFile makes a file that must not exist. It links and renames nothing, which sticks with a FAT file system would refuse.
func newFile(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, bundleMode) //nolint:gosec // nothing in it is secret
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", path, err), os.Remove(path))
	}
	return nil
}

func readDraft(path string) (trust.Draft, error) {
	b, err := readCapped(path)
	if err != nil {
		return trust.Draft{}, err
	}
	d, err := trust.DecodeDraft(b)
	if err != nil {
		return d, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// readCapped reads a file that somebody brought.
func readCapped(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's path
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, trust.MaxBundle+1))
	return b, errors.Join(err, f.Close())
}

func newTrustMake(s *settings) *cobra.Command {
	var expires string
	c := &cobra.Command{
		Use:   "make FILE",
		Short: "Propose the bundle that the configuration describes",
		Long: `make writes a proposal to FILE, which must not exist: this central's keys, the authorities and approvals of the
configuration, under a number above every other. Nothing is signed. Boxes with a checked clock take no bundle after the day that
--expires names, in Japan; without it the bundle does not expire.`,
		Example: `  kazashi-central trust make bundle.proposal
  kazashi-central trust make bundle.proposal --expires 2028-03-31`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			until, err := lastMoment(expires)
			if err != nil {
				return command.WrongUsage(c, err)
			}
			y, err := s.ceremony()
			if err != nil {
				return err
			}
			d, err := y.Propose(until)
			if err != nil {
				return err
			}
			return writeDraft(c.OutOrStdout(), args[0], d)
		},
	}
	c.Flags().StringVar(&expires, "expires", "", "last day, in Japan, on which boxes take the bundle")
	return c
}

// lastMoment is the last second of a day in Japan; zero for no day.
func lastMoment(day string) (time.Time, error) {
	if day == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, day, time.FixedZone("JST", 9*60*60))
	if err != nil {
		return t, fmt.Errorf("--expires: %q is no day like 2028-03-31", day)
	}
	return t.AddDate(0, 0, 1).Add(-time.Second), nil
}

func newTrustRevert(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "revert NUMBER FILE",
		Short: "Propose what an older bundle said, under a new number",
		Long: `revert writes a proposal to FILE, which must not exist, with what bundle NUMBER said. "trust list" names those
that were in force. Boxes never take an older number, so it is signed and published as any other.`,
		Example: `  kazashi-central trust list
  kazashi-central trust revert 1763776800 back.proposal`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return command.WrongUsage(c, fmt.Errorf("NUMBER: %q is no number", args[0]))
			}
			y, err := s.ceremony()
			if err != nil {
				return err
			}
			d, err := y.Revert(n)
			if err != nil {
				return err
			}
			return writeDraft(c.OutOrStdout(), args[1], d)
		},
	}
}

func newTrustPublish(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "publish FILE…",
		Short: "Put a proposal in force that enough holders signed",
		Long: `publish takes one proposal, or several signed copies of the same one, and checks that enough holders signed
each part, that the number is above the one in force and that boxes can know this central by it. Then the bundle is in force: boxes get it
once central is started again, and a file for boxes without a line comes from "trust export". From then on central signs no bundle by
itself.

A file that "trust export" wrote is taken, too: bundles are in no backup, and a central that lost its data directory gets its last one back so.`,
		Example: `  kazashi-central trust publish bundle.proposal
  kazashi-central trust publish from-hanako.proposal from-taro.proposal`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			y, err := s.ceremony()
			if err != nil {
				return err
			}
			o, err := publish(y, args)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "bundle %d is in force under root set %s\nstart `kazashi-central serve` again to give it to boxes\n", o.Number, o.Root)
			return nil
		},
	}
}

// publish takes copies of a proposal, or one bundle that was published before.
func publish(y policy.Ceremony, files []string) (trust.Opened, error) {
	b, err := readCapped(files[0])
	if err != nil {
		return trust.Opened{}, err
	}
	if _, err := trust.Inspect(b); err == nil && len(files) == 1 {
		return y.Restore(b)
	}
	d, err := readDraft(files[0])
	if err != nil {
		return trust.Opened{}, err
	}
	for _, path := range files[1:] {
		copied, err := readDraft(path)
		if err != nil {
			return trust.Opened{}, err
		}
		if err := d.Join(copied); err != nil {
			return trust.Opened{}, fmt.Errorf("%s: %w", path, err)
		}
	}
	return y.Publish(d)
}

func newTrustList(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the bundles that were in force",
		Long:  `list prints every bundle that was ever in force here, newest first.`,
		Example: `  kazashi-central trust list
  kazashi-central trust list --json | jq -r '.[] | select(.in_force) | .number'`,
		RunE: func(c *cobra.Command, _ []string) error {
			y, err := s.ceremony()
			if err != nil {
				return err
			}
			all, err := y.Bundles()
			if err != nil {
				return err
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), all)
			}
			for _, b := range all {
				fmt.Fprintf(c.OutOrStdout(), "%d  issued %s%s\n", b.Number, command.Stamp(b.Issued), map[bool]string{true: "  in force"}[b.InForce])
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newTrustExport(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "export FILE",
		Short: "Write the bundle in force to a file for boxes without a line",
		Long: `export writes the bundle in force to FILE, which must not exist. Anyone may carry it; "kazashi trust load FILE"
takes it on a box, which checks it as if it had come by the line.`,
		Example: "  kazashi-central trust export /media/usb/trust.bundle",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			y, err := s.ceremony()
			if err != nil {
				return err
			}
			b, err := y.InForce()
			if err != nil {
				return err
			}
			if err := newFile(args[0], b); err != nil {
				return err
			}
			return inspect(c.OutOrStdout(), b, false)
		},
	}
}

func inspect(w io.Writer, b []byte, asJSON bool) error {
	seen, err := trust.Inspect(b)
	if err != nil {
		return err
	}
	d := describe.OfSeen(seen)
	if asJSON {
		return command.PrintJSON(w, d)
	}
	d.Print(w)
	return nil
}
