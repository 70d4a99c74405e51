package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"kazashi.example/central/lab/world"
)

func newCardCommand() *cobra.Command {
	c := &cobra.Command{Use: "card", Short: "Practice cards"}
	c.AddCommand(newCardProfile())
	return c
}

func newCardProfile() *cobra.Command {
	var dir, keys string
	var content bool
	c := &cobra.Command{
		Use:   "profile --world DIR PERSON",
		Short: "Print where a person's card profile is, or the profile itself",
		Example: `  kazashi-lab card profile --world .demo/world hanako
  kazashi-lab card profile --world .demo/world hanako --content > hanako.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := world.Open(cmd.Context(), dir, world.Config{Keys: keys})
			if err != nil {
				return fmt.Errorf("opening practice world: %w", err)
			}
			p, err := w.Person(args[0])
			if err != nil {
				return fmt.Errorf("finding the card: %w", err)
			}
			return printProfile(cmd.OutOrStdout(), p.Profile, content)
		},
	}
	c.Flags().StringVar(&dir, "world", "", "folder of the world")
	c.Flags().StringVar(&keys, "keys", "", "folder of private keys; default DIR/keys")
	c.Flags().BoolVar(&content, "content", false, "print the profile (practice keys, PINs and numbers) instead of its path")
	mustRequire(c, "world")
	return c
}

func printProfile(out io.Writer, path string, content bool) error {
	if !content {
		fmt.Fprintln(out, path)
		return nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading card profile: %w", err)
	}
	if _, err := out.Write(b); err != nil {
		return fmt.Errorf("printing card profile: %w", err)
	}
	return nil
}
