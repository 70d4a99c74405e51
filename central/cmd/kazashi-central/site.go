package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/admin"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/record"
)

func newSite(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "site",
		Short: "List sites and their keys, and make new ones",
		Long: `site is about sites: boxes on one network, which seal rosters and their site book under a key of their own.
Every generation of that key is kept here, sealed; none is ever shown.`,
		Example: `  kazashi-central site list
  kazashi-central site key rotate branch-1`,
	}
	key := &cobra.Command{
		Use:   "key",
		Short: "List a site's keys, and make the next one",
		Long:  `key is about the generations of one site's key, by their names.`,
		Example: `  kazashi-central site key list branch-1
  kazashi-central site key rotate branch-1`,
	}
	key.AddCommand(newKeyList(s), newKeyRotate(s))
	c.AddCommand(newSiteList(s), key)
	return c
}

func newSiteList(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List every site",
		Long: `list prints every site that has boxes or keys: how many boxes may hold its keys (those in service that were
not ordered to wipe or lock themselves), how many generations of its key there are, and the current one.`,
		Example: `  kazashi-central site list
  kazashi-central site list --json | jq -r '.[].site'`,
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := sites(c, s)
			if err != nil {
				return err
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), all)
			}
			t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "SITE\tBOXES\tKEYS\tCURRENT\tMADE")
			for _, a := range all {
				current, made := "none yet", ""
				for _, k := range a.Keys {
					if k.Current {
						current, made = k.Generation, command.Stamp(k.Made)
					}
				}
				fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\n", a.Site, a.Boxes, len(a.Keys), current, made)
			}
			return t.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func sites(c *cobra.Command, s *settings) ([]admin.Site, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	return client.Sites(c.Context())
}

func siteID(c *cobra.Command, text string) (record.SiteID, error) {
	if err := record.CheckName(record.SiteID(text)); err != nil {
		return "", command.WrongUsage(c, fmt.Errorf("SITE: %w", err))
	}
	return record.SiteID(text), nil
}

func newKeyList(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list SITE",
		Short: "List the generations of a site's key",
		Long: `list prints the generations of a site's key in the order in which they came: by name, when each was made
or taken, and by whom. A box makes one when it must seal before it can ask central.`,
		Example: `  kazashi-central site key list branch-1
  kazashi-central site key list branch-1 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := siteID(c, args[0])
			if err != nil {
				return err
			}
			all, err := sites(c, s)
			if err != nil {
				return err
			}
			for _, a := range all {
				if a.Site == id && asJSON {
					return command.PrintJSON(c.OutOrStdout(), a)
				}
				if a.Site == id {
					return printKeys(c.OutOrStdout(), a)
				}
			}
			return errors.New("no such site; `kazashi-central site list` shows those that have boxes")
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printKeys(w io.Writer, a admin.Site) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "GENERATION\tMADE\tBY\tCURRENT")
	for _, k := range a.Keys {
		by, current := "central", ""
		if k.Maker != "" {
			by = "box " + k.Maker
		}
		if k.Current {
			current = "yes"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", k.Generation, command.Stamp(k.Made), by, current)
	}
	return t.Flush()
}

func newKeyRotate(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "rotate SITE",
		Short: "Make the next key of a site",
		Long: `rotate makes a new generation of a site's key. Boxes get it with their next poll and seal under it from then
on; what was sealed before stays readable to them. Revoking a box, or ordering it to wipe or lock itself,
does this by itself. Rotate by hand when a key may have become known otherwise.`,
		Example: "  kazashi-central site key rotate branch-1",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := siteID(c, args[0])
			if err != nil {
				return err
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			k, err := client.Rotate(c.Context(), id)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "site %s now seals under %s\n", id, k.Generation)
			return nil
		},
	}
}

func newClock(s *settings) *cobra.Command {
	var to string
	c := &cobra.Command{
		Use:   "clock BOX --to TIME",
		Short: "Order a box to lower its clock",
		Long: `clock orders a box to lower the floor of its clock to a time that has passed. A box never goes back by
itself: one that was told a time of the future, or whose clock ran away, goes on from there until it is
ordered back. The order is bound to a number that the box made for it, so that an old one does nothing
later. TIME is in RFC 3339.`,
		Example: `  kazashi-central box clock 0123456789abcdef0123456789abcdef --to 2026-11-22T09:00:00+09:00`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			at, err := time.Parse(time.RFC3339, to)
			if err != nil {
				return command.WrongUsage(c, errors.New("--to is needed, a time like 2026-11-22T09:00:00+09:00"))
			}
			return giveOrder(c, s, args[0], admin.NewOrder{Kind: "clock", To: at.UTC()})
		},
	}
	c.Flags().StringVar(&to, "to", "", "time to which the floor is lowered (RFC 3339)")
	return c
}

func newKeysOrder(s *settings, kind, short, long string) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:     kind + " BOX --yes",
		Short:   short,
		Long:    long,
		Example: "  kazashi-central box " + kind + " 0123456789abcdef0123456789abcdef --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !yes {
				return command.WrongUsage(c, errors.New("say --yes: people at that counter cannot be looked up afterwards"))
			}
			return giveOrder(c, s, args[0], admin.NewOrder{Kind: kind})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do it")
	return c
}

func giveOrder(c *cobra.Command, s *settings, box string, q admin.NewOrder) (err error) {
	if q.Box, err = boxID(c, box); err != nil {
		return err
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	o, err := client.Order(c.Context(), q)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "order %s given; the box hears it with its next poll, and `box show` says what became of it\n", o.ID)
	return nil
}

// printOrders says what a box was told to do, newest first.
func printOrders(w io.Writer, all []admin.Order) error {
	for _, o := range all {
		what := "is open"
		if o.Outcome != "" {
			what = fmt.Sprintf("%s, %s", command.Plain(o.Outcome), command.Stamp(o.Closed))
		}
		to := ""
		if !o.To.IsZero() {
			to = " to " + command.Stamp(o.To)
		}
		if _, err := fmt.Fprintf(w, "order %s: %s%s, given %s: %s\n", o.ID, o.Kind, to, command.Stamp(o.Given), what); err != nil {
			return err
		}
	}
	return nil
}
