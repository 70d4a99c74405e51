package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"kazashi.example/central/lab/bench"
)

func newBenchBox() *cobra.Command {
	var cfg bench.BoxConfig
	c := &cobra.Command{
		Use:   "box",
		Short: "Measure what a large site costs its box, beside a box that has nothing",
		Long: `Make the roster of a site of 200,000 made-up people and a revocation list of 10 million entries, have real boxes take them, and print lines
"figure NAME VALUE UNIT"; progress goes to standard error. Everything compared is run in turn in the same run; figures are medians.

  roster_open_s              from the opening of the folder to the first person found
  roster_lookup_us           find somebody by their certificate and open the entry, every chunk having been compared before
  roster_aead_us             AES-256-GCM with its key set-up, of as many octets
  roster_lookup_vs_aead      the one over the other
  roster_bytes_per_person    of the roster's file, index and digests included
  roster_apply_s             taking the whole roster over a line that costs nothing, every chunk compared and flushed
  tap_laden_p50_us           what a box with that roster and that list adds to a tap: from the laying to the published verdict
  tap_empty_p50_us           the same people's at a box with central's first list and nobody enrolled; tap_added_vs_empty: the one over the other
  tap_card_laden_p50_us, tap_card_empty_p50_us, tap_card_added_vs_empty
                             where the card of an enrolled person proves itself: what a virtual card in the same process reckons is within
  box_rss_anon_mib           memory that is no file of a box with both, after 10,000 taps of enrolled people through an outage and back
  box_rss_file_mib           its mapped pages, which the kernel takes back when it needs them: the program, list and roster

The real programs are run from the folder of this one, on free ports. It ends with status 1 if a figure could not be measured.`,
		Example: `  kazashi-lab bench box
  kazashi-lab bench box --quick`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := completeBench(&cfg.Config); err != nil {
				return err
			}
			cfg.Out, cfg.Log = cmd.OutOrStdout(), slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return bench.RunBox(cmd.Context(), cfg)
		},
	}
	c.Flags().BoolVar(&cfg.Quick, "quick", false, "20,000 people and a million entries, in less than a minute; the same names")
	c.Flags().IntVar(&cfg.People, "people", 0, "how many; default 200000, or 20000 when quick")
	c.Flags().Uint64Var(&cfg.Entries, "entries", 0, "of the revocation list; default 10000000, or 1000000 when quick")
	c.Flags().StringVar(&cfg.Dir, "dir", "/var/tmp", "folder on the disk to measure; a folder in it is made and removed")
	c.Flags().StringVar(&cfg.Bin, "bin", "", "folder of the built programs; default the folder of this one")
	c.Flags().StringVar(&cfg.Keys, "keys", "", "folder of practice keys; default the one that tests use, in the user's cache folder")
	return c
}
