package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/lab/world"
)

func newWorldRenew() *cobra.Command {
	var dir, keys string
	var card bool
	c := &cobra.Command{
		Use:   "renew --dir DIR PERSON",
		Short: "Renew a person's certificates, on the same card or on a new one",
		Long: `Renew a person's certificates as a city office does: new serials and keys, the old ones superseded.

On the same card, card key and age record stay. With --new-card they are new as well, and what was bound to the old card no longer fits.
The card profile is written anew, the former one stays beside it, and DIR/renewals.json holds the pairs of old and new serials.`,
		Example: "  kazashi-lab world renew --dir .demo/world taro\n  kazashi-lab world renew --dir .demo/world --new-card mirai",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := world.Open(cmd.Context(), dir, world.Config{Keys: keys})
			if err != nil {
				return fmt.Errorf("opening practice world: %w", err)
			}
			renew := w.Renew
			if card {
				renew = w.Reissue
			}
			made, err := renew(args[0], time.Now())
			if err != nil {
				return fmt.Errorf("renewing: %w", err)
			}
			p, err := w.Person(args[0])
			if err != nil {
				return fmt.Errorf("finding the card: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d certificates renewed; card profile %s\n", len(made), p.Profile)
			return nil
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "folder of the world")
	c.Flags().StringVar(&keys, "keys", "", "folder of private keys; default DIR/keys")
	c.Flags().BoolVar(&card, "new-card", false, "on a new card, with a new card key and age record")
	mustRequire(c, "dir")
	return c
}
