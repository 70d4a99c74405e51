package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"kazashi.example/central/lab/bench"
)

func newBenchJournal() *cobra.Command {
	var cfg bench.JournalConfig
	c := &cobra.Command{
		Use:   "journal",
		Short: "Measure the box's journal beside a bare SQLite insert and the disk's flush",
		Long: `Write, open and compact journals with a million records, carry records by parcels, and print lines "figure NAME VALUE UNIT"; progress goes to
standard error. Everything compared is run in turn in the same run; figures are medians. A record is a tap of an enrolled person who proves
themselves by their card, with the card's signature of 256 octets.

  journal_append_p50_us, _p99_us   sealing, numbering, chaining and a durable commit, by one reader
  bare_insert_p50_us, _p99_us      a row of the same size, SQLite with synchronous=FULL; disk_fsync_p50_us: appending 4 KiB and flushing it
  journal_append_vs_bare_insert    the first over the second (median of blocks)
  journal_records_s                by eight readers, each of which taps again at once; journal_one_records_s: by one; bare_insert_records_s
  journal_group_gain_8             eight readers over one (median of rounds)
  journal_open_1m_ms, _cold_ms     from the opening until a tap is durable, a million records waiting; cold: none of the file in the page cache
  journal_verify_1m_s              until all of them were hashed again in the background
  tap_stall_during_maintenance_vs_quiet, _p99
                                   an append while a million safe records are deleted over one while nothing is: medians of rounds, and p99 of all
  journal_compact_1m_s             how long that takes, at its pace
  courier_records_s                writing parcels, flushes included; courier_read_records_s: verifying and unpacking them
  courier_bytes_per_record         of the files, headers, manifests and all; _unsigned: without the card's signature; _pin: with a PIN's signature and certificate

It ends with status 1 if a figure could not be measured.`,
		Example: `  kazashi-lab bench journal
  kazashi-lab bench journal --quick
  kazashi-lab bench journal --dir /mnt/sdcard`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Out, cfg.Log = cmd.OutOrStdout(), slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return bench.RunJournal(cmd.Context(), cfg)
		},
	}
	c.Flags().BoolVar(&cfg.Quick, "quick", false, "50,000 records and few samples, in about a minute; the same names")
	c.Flags().IntVar(&cfg.Records, "records", 0, "how many wait; default 1000000, or 50000 when quick")
	c.Flags().StringVar(&cfg.Dir, "dir", "/var/tmp", "folder on the disk to measure; a folder in it is made and removed")
	return c
}
