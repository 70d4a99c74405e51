package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"kazashi.example/central/lab/bench"
)

func newBenchReader() *cobra.Command {
	var cfg bench.Config
	c := &cobra.Command{
		Use:   "reader",
		Short: "Measure the card side: commands, octets, time beyond the link model, and OpenSC on the same cards",
		Long: `Count and time the procedures on virtual cards, and print lines "figure NAME VALUE UNIT"; progress goes to standard error.

  apdus_PROCEDURE, bytes_PROCEDURE    commands of one visit from its connection on, and their octets both ways, the most of any card;
                                      with _short on a reader that passes short lengths only, once that is learnt:
    certificate                       the authentication certificate alone
    tap_card, tap_card_cvc_cached     the PIN-less tap, of a municipality that is new here or known; counter query included
    tap_card_bound                    one signature by the bound key
    pin                               a signature after the PIN
    enrol, enrol_cvc_cached           pin, attributes and the card's own key in one visit
  opensc_apdus_certificate            of pkcs15-tool --read-certificate 01, the least of any card; _jpki_only: told to know no other card
  tap_model_R_p50_ms                  the model's time of a PIN-less tap at R kbit/s, by pcscd, vpcd and the reader's own process
  tap_model_excess_R_p50_ms, _p99_ms  what it takes beyond that, from the first command until the last signature is verified
  bare_model_excess_R_p50_ms          what the same commands take beyond it by pcscd's bare socket, with nothing looked at
  tap_reader_adds_p50_ms              the one less the other, in turn
  tap_excess_computing_p50_ms         what of the excess no answer was waited for
  tap_connect_p50_ms                  connecting to the card and letting it go, with its activation: no part of the above
  tap_crypto_vs_primitives            the verifications of such a tap over the four bare RSA verifications in them (median of blocks)
  tap_computing_vs_primitives         all that a box computes for it, the guard and the files too, over the same
  tap_crypto_p50_us, tap_computing_p50_us, primitives_p50_us
  certificate_read_p50_ms             a whole program that reads the certificate at 106 kbit/s, from its start to its end
  opensc_certificate_read_p50_ms      pkcs15-tool on the same card, in turn; also _jpki_only
  certificate_read_vs_opensc          the one over the other (median of pairs); also _jpki_only

It ends with status 1 if a figure could not be measured.`,
		Example: `  kazashi-lab bench reader
  kazashi-lab bench reader --quick`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := completeBench(&cfg); err != nil {
				return err
			}
			cfg.Out, cfg.Log = cmd.OutOrStdout(), slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			return bench.RunReader(cmd.Context(), cfg)
		},
	}
	c.Flags().BoolVar(&cfg.Quick, "quick", false, "few samples, in about half a minute; the same names")
	c.Flags().StringVar(&cfg.Dir, "dir", "/var/tmp", "folder for the cards; a folder in it is made and removed")
	c.Flags().StringVar(&cfg.Bin, "bin", "", "folder of the built programs, vcard and cardtime among them; default the folder of this one")
	c.Flags().StringVar(&cfg.Keys, "keys", "", "folder of practice keys; default the one that tests use, in the user's cache folder")
	return c
}
