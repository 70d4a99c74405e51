package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"kazashi.example/central/lab/bench"
)

func newBenchCommand() *cobra.Command {
	var cfg bench.Config
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure what the README claims, side by side in one run",
		Long: `Measure the box beside the least that could do the same, and print lines "figure NAME VALUE UNIT"; progress goes to standard error.

  tap_overhead_p50_us, _p99_us     what the box adds to a tap: from the laying to the published verdict, the card's time being none
  tap_overhead_vs_bare_insert      p50 over that of a bare verification and SQLite FULL insert, taken in turn (median of blocks)
  bare_insert_p50_us, _p99_us      of those others
  disk_fsync_p50_us                appending 4 KiB and flushing it, on the same disk
  envelope_bytes_per_record        a sealed record
  wire_bytes_per_record            both ways, TLS included, each record pushed and acknowledged on its own
  wire_bytes_per_record_backlog    the same in batches, as after an outage
  apdus_certificate                commands to the card of one tap, by the real box through pcscd
  opensc_apdus_certificate         the same by pkcs15-tool --read-certificate 01, nothing configured
  box_rss_idle_mib                 resident memory of kazashi run while nothing happens
  box_rss_10k_mib, _peak_mib       of the same box with another reader, after 10,000 records through an outage and back
  central_records_s                how fast central settled those, until the final verdict is durable on the box

The real programs are run from the folder of this one, on free ports. It ends with status 1 if a figure could not be measured.`,
		Example: `  kazashi-lab bench
  kazashi-lab bench --quick
  kazashi-lab bench --dir /mnt/sdcard`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := completeBench(&cfg); err != nil {
				return err
			}
			cfg.Out, cfg.Log = cmd.OutOrStdout(), slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return bench.Run(cmd.Context(), cfg)
		},
	}
	c.Flags().BoolVar(&cfg.Quick, "quick", false, "few samples, in about a minute; the same names")
	c.Flags().StringVar(&cfg.Dir, "dir", "/var/tmp", "folder on the disk to measure; a folder in it is made and removed")
	c.Flags().StringVar(&cfg.Bin, "bin", "", "folder of the built programs; default the folder of this one")
	c.Flags().StringVar(&cfg.Keys, "keys", "", "folder of practice keys; default the one that tests use, in the user's cache folder")
	c.AddCommand(newBenchBelt(), newBenchBox(), newBenchJournal(), newBenchReader(), newBenchRevocation())
	return c
}

func completeBench(cfg *bench.Config) error {
	if cfg.Bin == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("finding the programs: %w; give --bin", err)
		}
		cfg.Bin = filepath.Dir(self)
	}
	if cfg.Keys == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("finding a folder for practice keys: %w; give --keys", err)
		}
		cfg.Keys = filepath.Join(dir, "kazashi-practice-keys")
	}
	return nil
}

// newBenchBelt is the process whose memory bench looks at.
func newBenchBelt() *cobra.Command {
	var cfg bench.BeltConfig
	c := &cobra.Command{
		Use:    "belt --config FILE --certs FILE --taps N",
		Short:  "Run a box on a belt of certificates; started by bench",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Log = slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
			return bench.RunBelt(cmd.Context(), cfg)
		},
	}
	c.Flags().StringVar(&cfg.Config, "config", "", "configuration of the box")
	c.Flags().StringVar(&cfg.Certs, "certs", "", "certificates to lay, PEM")
	c.Flags().IntVar(&cfg.Taps, "taps", 0, "cards to lay")
	mustRequire(c, "config")
	mustRequire(c, "certs")
	return c
}
