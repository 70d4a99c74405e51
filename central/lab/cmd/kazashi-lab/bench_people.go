package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"kazashi.example/central/lab/bench"
)

func newBenchPeople() *cobra.Command {
	var cfg bench.PeopleConfig
	c := &cobra.Command{
		Use:   "people",
		Short: "Measure the roster of a large site beside a bare opening of as many octets",
		Long: `Make the roster of a site of 200,000 made-up people, take it as a box does, and print lines "figure NAME VALUE UNIT"; progress goes to
standard error. Everything compared is run in turn in the same (warm) cache; figures are medians.

  roster_open_s              from the opening of the folder to the first person found
  roster_lookup_us           find somebody by their certificate and open the entry, every chunk having been compared before
  roster_aead_us             AES-256-GCM with its key set-up, of as many octets
  roster_lookup_vs_aead      the one over the other
  roster_bytes_per_person    of the roster's file, index and digests included
  roster_apply_s             taking the whole roster over a line that costs nothing, every chunk compared and flushed
  roster_rss_anon_mib        memory that is no file of a process that has looked up everybody; roster_rss_file_mib: mapped pages

It ends with status 1 if a figure could not be measured.`,
		Example: `  kazashi-lab bench people
  kazashi-lab bench people --quick`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := completeBench(&cfg.Config); err != nil {
				return err
			}
			cfg.Out, cfg.Log = cmd.OutOrStdout(), slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return bench.RunPeople(cmd.Context(), cfg)
		},
	}
	c.Flags().BoolVar(&cfg.Quick, "quick", false, "20,000 people, in seconds; the same names")
	c.Flags().IntVar(&cfg.People, "people", 0, "how many; default 200000, or 20000 when quick")
	c.Flags().StringVar(&cfg.Dir, "dir", "/var/tmp", "folder on the disk to measure; a folder in it is made and removed")
	c.Flags().StringVar(&cfg.Bin, "bin", "", "folder of the built programs; default the folder of this one")
	c.AddCommand(&cobra.Command{
		Use:    "child FOLDER KEY PEOPLE",
		Short:  "Look everybody up and end; started by bench people",
		Hidden: true,
		Args:   cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			return bench.PeopleChild(args, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	})
	return c
}
