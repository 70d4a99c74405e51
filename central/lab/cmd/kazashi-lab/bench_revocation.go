package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"kazashi.example/central/lab/bench"
)

func newBenchRevocation() *cobra.Command {
	var cfg bench.RevocationConfig
	c := &cobra.Command{
		Use:   "revocation",
		Short: "Measure the revocation engine beside openssl, crypto/x509, a Go map, SQLite and what is possible at all",
		Long: `Make lists from a seed, measure on them, and print lines "figure NAME VALUE UNIT"; progress goes to standard error. Everything compared is
run in turn on the same files in the same (warm) cache; figures are medians. The list has 10 million of 300 million serials.

  ingest_vs_openssl              wall time of openssl crl -CAfile … -noout over that of kazashi-central crl ingest, durable index included
  ingest_vs_x509                 of a program that calls ParseRevocationList and CheckSignatureFrom, over the same
  ingest_vs_sha256               ours over openssl dgst -sha256
  ingest_s, _cpu_s, _rss_mib     ours: wall, processor, peak memory; beside it those of openssl (openssl_crl_…) and Go (x509_…)
  ingest_rss_growth_mib          peak memory less that with a tenth of the entries
  ingest_unsorted_rss_mib        of the same list in no order; _vs_sorted: its wall time over that of the sorted one
  set_serial_bytes_vs_limit      the file of a set that keeps serials alone, over log2 of the ways to choose them
  set_full_bytes_vs_limit        of the one that central publishes, with date and reason; limit: as many bits as they can be told apart by
  lookup_vs_gomap                an answer from serials alone over map[uint64]struct{}: p50 of batches of 16, half of them on the list, of a
                                 million questions in random order that each structure is asked in its turn
  lookup_full_vs_gomap           with date and reason, over a map that keeps the same
  lookup_first_vs_gomap          the first 16,384 of a turn, when others have had the caches; lookup_full_first_vs_gomap
  lookup_chained_vs_gomap        the same where each question waits for the answer before, as at a tap; lookup_full_chained_vs_gomap
  set_serial_bytes_vs_gomap      octets over the map's; set_full_bytes_vs_gomap
  sorted_u32_…, sqlite_…         a binary search and a table, for information
  delta_bytes_vs_limit           20,000 additions: the delta that central publishes and its signed head, over the limit
  delta_mixed_bytes_vs_limit     the same of 10,000 additions, 8,000 removals and 2,000 other reasons
  delta_apply_vs_write_fsync     applying it, all digests of both sets and the flush included, over writing and flushing the same octets
  delta_apply_held_vs_…          the same where the base is in use and its chunks were compared before, as on a box that runs
  delta_apply_rss_mib            peak memory of a process that does; _rss_anon_mib: of that, no file
  cold_start_ms                  manifest verified, set mapped, chunks of the answer verified; the set's pages dropped before
  cold_start_process_ms          of the process with it; cold_start_rss_anon_mib: its memory at the answer that is no file
  ingest_large_s, _rss_mib       30 million entries with GOMEMLIMIT=256MiB; not with --quick or --large=false

It ends with status 1 if a figure could not be measured.`,
		Example: `  kazashi-lab bench revocation
  kazashi-lab bench revocation --quick
  kazashi-lab bench revocation --rounds 9 --large=false`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := completeBench(&cfg.Config); err != nil {
				return err
			}
			cfg.Out, cfg.Log = cmd.OutOrStdout(), slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return bench.RunRevocation(cmd.Context(), cfg)
		},
	}
	c.Flags().BoolVar(&cfg.Quick, "quick", false, "a million entries, in about a minute; the same names")
	c.Flags().IntVar(&cfg.Rounds, "rounds", 0, "how often everything is run; default 5, or 3 when quick")
	c.Flags().BoolVar(&cfg.Large, "large", true, "take a list of 30 million entries within 256 MiB, too; not when quick")
	c.Flags().StringVar(&cfg.Dir, "dir", "/var/tmp", "folder on the disk to measure; a folder in it is made and removed")
	c.Flags().StringVar(&cfg.Bin, "bin", "", "folder of the built programs; default the folder of this one")
	c.AddCommand(newBenchRevocationChild())
	return c
}

// newBenchRevocationChild is a process whose time and memory are looked at.
func newBenchRevocationChild() *cobra.Command {
	return &cobra.Command{
		Use:    "child KIND [FILE…]",
		Short:  "Do one thing and end; started by bench revocation",
		Hidden: true,
		Args:   cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return bench.RevocationChild(cmd.Context(), args, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
