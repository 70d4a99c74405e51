package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/admin"
	"kazashi.example/central/daemon"
	"kazashi.example/central/registry"
	"kazashi.example/firmware/command"
)

func newSwap(s *settings) *cobra.Command {
	var name string
	var hours int
	c := &cobra.Command{
		Use:   "swap OLD",
		Short: "Make a code with which a spare takes the place of a dead box",
		Long: `swap prints a one-time code, as "box code" does, for a box that takes the place of OLD at its site, with its name unless --name
says otherwise. Until the code is used nothing changes. From then on OLD is replaced: its records count whoever brings them, also those that are
read from its disk later, but it gets no keys, rules and lists any more; and its site seals under a new key. That is for good: OLD may serve
again only as a new box, with a new code and an empty data directory.

For a box that was lost or stolen use "box lost", and a code of "box code" for the next one.`,
		Example: `  kazashi-central box swap 0123456789abcdef0123456789abcdef
  kazashi-central box swap 0123456789abcdef0123456789abcdef --name "Counter 1b"`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			old, err := boxID(c, args[0])
			if err != nil {
				return err
			}
			if c.Flags().Changed("hours") && (hours < 1 || hours > daemon.MaxCodeHours) {
				return command.WrongUsage(c, fmt.Errorf("--hours is 1 to %d", daemon.MaxCodeHours))
			}
			if c.Flags().Changed("name") && name == "" {
				return command.WrongUsage(c, errors.New("--name is empty"))
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			n, err := client.Swap(c.Context(), admin.Swap{Box: old, Name: name, Hours: hours})
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), n.Code)
			fmt.Fprintf(c.ErrOrStderr(), "works once, until %s; type it at the spare: kazashi join\n", command.Stamp(n.Expires))
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "", "what people call the new box, if not as the old one")
	c.Flags().IntVar(&hours, "hours", int(registry.DefaultTTL/time.Hour), "how long the code works")
	return c
}
