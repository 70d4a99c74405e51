package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"kazashi.example/central/admin"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/describe"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

func newRule(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "rule",
		Short: "Look at what services demand, now and before",
		Long: `rule is about the rules of each site: what its services demand of a tap. They are made of the configuration when central
starts, signed, and numbered by central epoch and time: 1763776800-1763776801. None is ever forgotten: a tap is decided by the one that
its box held.`,
		Example: `  kazashi-central rule list
  kazashi-central rule show branch-1`,
	}
	c.AddCommand(newRuleList(s), newRuleShow(s), newRuleCheck(s), newRuleExport(s))
	return c
}

func newRuleList(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List every version of the rules",
		Long:  `list asks the running central for every version that was ever in force, newest first, with the sites that differ from the others.`,
		Example: `  kazashi-central rule list
  kazashi-central rule list --json | jq -r '.[] | select(.in_force) | .version'`,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			all, err := client.Editions(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), all)
			}
			t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "VERSION\tISSUED\tSITES THAT DIFFER\t")
			for _, e := range all {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", e.Version, command.Stamp(e.Issued), names(e.Sites), standing(e))
			}
			return t.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func names(sites []record.SiteID) string {
	if len(sites) == 0 {
		return "none"
	}
	all := make([]string, 0, len(sites))
	for _, s := range sites {
		all = append(all, string(s))
	}
	return strings.Join(all, " ")
}

func standing(e admin.Edition) string {
	switch {
	case e.Damaged:
		return "DAMAGED"
	case e.InForce:
		return "in force"
	default:
		return ""
	}
}

func newRuleShow(s *settings) *cobra.Command {
	var version string
	var asJSON bool
	c := &cobra.Command{
		Use:   "show SITE",
		Short: "Say what services demand at a site",
		Long: `show asks the running central for the rules of a site, now or under an older version. A site that the configuration does
not name has the rules of all others.`,
		Example: `  kazashi-central rule show branch-1
  kazashi-central rule show branch-1 --version 1763776800-1763776801 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := s.siteRules(c, args[0], version)
			if err != nil {
				return err
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), r.Rules)
			}
			r.Rules.Print(c.OutOrStdout())
			return nil
		},
	}
	c.Flags().StringVar(&version, "version", "", "version, as \"rule list\" prints it; the one in force unless given")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (s *settings) siteRules(c *cobra.Command, site, version string) (admin.SiteRules, error) {
	client, err := s.client()
	if err != nil {
		return admin.SiteRules{}, err
	}
	return client.SiteRules(c.Context(), admin.AskRules{Site: record.SiteID(site), Version: version})
}

func newRuleExport(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "export SITE FILE",
		Short: "Write the rules of a site to a file for boxes without a line",
		Long: `export writes the signed rules in force at a site to FILE, which must not exist. Anyone may carry it; "kazashi rule
load FILE" takes it on a box of that site. It asks the running central.`,
		Example: "  kazashi-central rule export shelter-7 /media/usb/shelter-7.rules",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := s.siteRules(c, args[0], "")
			if err != nil {
				return err
			}
			if err := newFile(args[1], r.Signed); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "rules %s of site %s are in %s\n", r.Rules.Version, r.Rules.Site, args[1])
			return nil
		},
	}
}

func newRuleCheck(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a file of rules as a box would, and say what it demands",
		Long: `check verifies a file that "rule export" wrote against the trust bundle in force here: the signature, what each rule's legal
basis asks for, and that a legal approval is there where one is needed. It does not ask the running central.`,
		Example: `  kazashi-central rule check shelter-7.rules
  kazashi-central rule check shelter-7.rules --json | jq .site`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			b, err := readCapped(args[0])
			if err != nil {
				return err
			}
			set, err := s.checked(b)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			d := describe.OfSet(set, nil)
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), d)
			}
			d.Print(c.OutOrStdout())
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// checked opens a set as a box of the site that it names would.
func (s *settings) checked(b []byte) (rule.Set, error) {
	y, err := s.ceremony()
	if err != nil {
		return rule.Set{}, err
	}
	bundle, err := y.Believed()
	if err != nil {
		return rule.Set{}, err
	}
	set, err := rule.Inspect(bundle, b)
	if err != nil {
		return rule.Set{}, err
	}
	if set.Site == "" {
		return rule.Set{}, errors.New("the rules name no site")
	}
	return set, set.Under(rule.Terms{Site: set.Site, Approved: func(v record.VerifierID) bool { return bundle.Approves(v, y.Now) }})
}
