package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"kazashi.example/appliance/desired"
	"kazashi.example/firmware/command"
	"kazashi.example/localapi"
	"kazashi.example/sync/describe"

	"kazashi.example/sync/rule"
	"kazashi.example/sync/trust"
)

func newTrust(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "trust",
		Short: "Look at what this box believes, bring it as a file, or go back",
		Long: `trust is about the trust bundle: the signed file from which this box learns every key that it must believe, the card
authorities, and who has a legal approval. It comes by the line, or as a file that "kazashi-central trust export" wrote and anyone may
carry. Either way the same is checked: root keys that follow from those believed here, enough signatures, a number above every one that was
in force, and the date if the clock is checked. Nothing is half done.`,
		Example: `  kazashi trust show
  kazashi trust load /media/usb/trust.bundle
  kazashi trust revert`,
	}
	c.AddCommand(newTrustShow(s), newTrustLoad(s), newTrustRevert(s))
	return c
}

// trustShown is what the trust commands print with --json.
type trustShown struct {
	describe.Bundle

	Held     uint64 `json:"held"`               // highest number that was ever in force
	Previous uint64 `json:"previous,omitempty"` // where \"trust revert\" leads
	Reverted bool   `json:"reverted"`
}

// trusting is one of the commands: it does something and prints what is in force then.
func trusting(s *settings, asJSON *bool, do func(*cobra.Command, *localapi.Client, []string) (localapi.Trust, error)) func(*cobra.Command, []string) error {
	return asking(s, func(c *cobra.Command, client *localapi.Client, args []string) error {
		t, err := do(c, client, args)
		if err != nil {
			return err
		}
		return printTrust(c.OutOrStdout(), t, *asJSON)
	})
}

func printTrust(w io.Writer, t localapi.Trust, asJSON bool) error {
	seen, err := trust.Inspect(t.Bundle)
	if err != nil {
		return fmt.Errorf("reading the bundle in force: %w", err)
	}
	shown := trustShown{describe.OfSeen(seen), t.Held, t.Previous, t.Reverted}
	if asJSON {
		return command.PrintJSON(w, shown)
	}
	shown.Print(w)
	switch {
	case t.Reverted:
		fmt.Fprintf(w, "REVERTED  from bundle %d; only a newer one leads on\n", t.Held)
	case t.Previous != 0:
		fmt.Fprintf(w, "previous  %d is kept; \"kazashi trust revert\" leads there\n", t.Previous)
	}
	return nil
}

func newTrustShow(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Say what this box believes",
		Long:  `show asks the running box for the bundle in force: its number, the root sets, keys with their purposes, authorities, approvals.`,
		Example: `  kazashi trust show
  kazashi trust show --json | jq .number`,
		RunE: trusting(s, &asJSON, func(c *cobra.Command, client *localapi.Client, _ []string) (localapi.Trust, error) {
			return client.Trust(c.Context())
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newTrustLoad(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "load FILE",
		Short: "Take a trust bundle from a file",
		Long: `load hands a bundle to the running box, which checks it as if it had come by the line and puts it in force whole or not at
all. Rules that its keys did not sign are out of force at once. The bundle before is kept for "trust revert".`,
		Example: "  kazashi trust load /media/usb/trust.bundle",
		Args:    cobra.ExactArgs(1),
		RunE: trusting(s, &asJSON, func(c *cobra.Command, client *localapi.Client, args []string) (localapi.Trust, error) {
			b, err := readSigned(args[0])
			if err != nil {
				return localapi.Trust{}, err
			}
			return client.LoadTrust(c.Context(), b)
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newTrustRevert(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "revert",
		Short: "Go back to the trust bundle before",
		Long: `revert puts the bundle before in force, until one that is newer than both comes by the line or as a file: tell central to
publish one. It works once, and not where root keys were replaced in between. Rules that the bundle before does not vouch for are out of
force at once, so taps may be refused until central sends others.`,
		Example: "  kazashi trust revert",
		RunE: trusting(s, &asJSON, func(c *cobra.Command, client *localapi.Client, _ []string) (localapi.Trust, error) {
			return client.RevertTrust(c.Context())
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// readSigned reads a file that somebody brought.
func readSigned(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's path
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, localapi.MaxSigned+1))
	return b, errors.Join(err, f.Close())
}

func newRule(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "rule",
		Short: "Look at what services demand here, or bring rules as a file",
		Long: `rule is about the rules of this site: what its services demand of a tap. They come by the line, or as a file that
"kazashi-central rule export" wrote and anyone may carry. Either way the same is checked: signed by a key that the trust bundle names for
it, for this site, newer than those held, nothing against the legal basis, and a legal approval where one is needed.`,
		Example: `  kazashi rule show
  kazashi rule load /media/usb/shelter-7.rules`,
	}
	c.AddCommand(newRuleShow(s), newRuleLoad(s))
	return c
}

// ruling is one of the commands: it does something and prints what is held then.
func ruling(s *settings, asJSON *bool, do func(*cobra.Command, *localapi.Client, []string) (localapi.Rules, error)) func(*cobra.Command, []string) error {
	return asking(s, func(c *cobra.Command, client *localapi.Client, args []string) error {
		r, err := do(c, client, args)
		if err != nil {
			return err
		}
		conf, err := s.load()
		if err != nil {
			return err
		}
		return printRules(c.OutOrStdout(), conf.DataDir, r, *asJSON)
	})
}

func printRules(w io.Writer, dir string, r localapi.Rules, asJSON bool) error {
	if len(r.Signed) == 0 {
		if asJSON {
			return command.PrintJSON(w, describe.Set{Rules: []describe.Rule{}})
		}
		_, err := fmt.Fprintln(w, "no rules are here: every tap is refused until central sends them, or somebody loads them")
		return err
	}
	keys, err := desired.PeekTrust(dir)
	if err != nil {
		return err
	}
	set, err := rule.Inspect(keys, r.Signed)
	if err != nil {
		return fmt.Errorf("reading the rules held: %w", err)
	}
	d := describe.OfSet(set, func(one rule.Rule) bool { return slices.Contains(r.OutOfForce, one.Service) })
	if asJSON {
		return command.PrintJSON(w, d)
	}
	d.Print(w)
	return nil
}

func newRuleShow(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Say what services demand here",
		Long: `show asks the running box for the rules that it holds. A rule whose legal approval is over, or no longer in the trust
bundle, is out of force, and marked so.`,
		Example: `  kazashi rule show
  kazashi rule show --json | jq -r '.rules[] | select(.out_of_force) | .service'`,
		RunE: ruling(s, &asJSON, func(c *cobra.Command, client *localapi.Client, _ []string) (localapi.Rules, error) {
			return client.Rules(c.Context())
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newRuleLoad(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "load FILE",
		Short:   "Take rules from a file",
		Long:    `load hands rules to the running box, which checks them as if they had come by the line and puts them in force whole or not at all.`,
		Example: "  kazashi rule load /media/usb/shelter-7.rules",
		Args:    cobra.ExactArgs(1),
		RunE: ruling(s, &asJSON, func(c *cobra.Command, client *localapi.Client, args []string) (localapi.Rules, error) {
			b, err := readSigned(args[0])
			if err != nil {
				return localapi.Rules{}, err
			}
			return client.LoadRules(c.Context(), b)
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
