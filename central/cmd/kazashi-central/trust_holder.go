package main

import (
	"crypto"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/keys"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/describe"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

// publicEnd is what the name of a holder's public half ends with.
const publicEnd = ".pub"

func newTrustKey() *cobra.Command {
	return &cobra.Command{
		Use:   "key FILE",
		Short: "Make a holder's root key",
		Long: `key makes a new root key in FILE and its public half in FILE.pub. Neither may exist. The holder keeps FILE, off-line and
with a copy elsewhere, and gives FILE.pub to whoever runs "trust root". It needs no configuration.`,
		Example: "  kazashi-central trust key /media/key/holder.key",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := os.Lstat(args[0] + publicEnd); err == nil {
				return fmt.Errorf("%s exists already", args[0]+publicEnd)
			}
			if err := keys.CreateSigner(args[0]); err != nil {
				return err
			}
			key, err := keys.ReadSigner(args[0])
			if err != nil {
				return err
			}
			pub, err := sign.PublicKeyOf(key.Public())
			if err != nil {
				return err
			}
			text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub.DER()})
			if err := newFile(args[0]+publicEnd, text); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "root key %s\n", pub.ID())
			return nil
		},
	}
}

func newTrustSign() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use:   "sign FILE --key KEY",
		Short: "Add a holder's signature to a proposal",
		Long: `sign adds one root key's signature to everything in the proposal that asks for it, and replaces FILE. Look at the
proposal with "trust inspect" before. A key that is not asked, or has signed already, is refused. It needs no configuration and no network.`,
		Example: `  kazashi-central trust inspect bundle.proposal
  kazashi-central trust sign bundle.proposal --key /media/key/holder.key`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if path == "" {
				return command.WrongUsage(c, errors.New("--key is needed"))
			}
			d, err := readDraft(args[0])
			if err != nil {
				return err
			}
			key, err := keys.ReadSigner(path)
			if err != nil {
				return err
			}
			what, err := signDraft(args[0], d, key)
			for _, w := range what {
				fmt.Fprintf(c.OutOrStdout(), "signed: %s\n", w)
			}
			return err
		},
	}
	c.Flags().StringVar(&path, "key", "", "file of the holder's root key")
	return c
}

func signDraft(path string, d trust.Draft, key crypto.Signer) ([]string, error) {
	what, err := d.Sign(key)
	if err != nil {
		return nil, err
	}
	b, err := d.Encode()
	if err != nil {
		return nil, err
	}
	return what, durable.WriteFile(path, b, bundleMode)
}

func newTrustInspect() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Say what a bundle or a proposal contains, and who signed it",
		Long: `inspect reads a trust bundle or a proposal. It says what the file says of itself; whether to believe it is a matter of
"trust verify". It needs no configuration.`,
		Example: `  kazashi-central trust inspect bundle.proposal
  kazashi-central trust inspect trust.bundle --json | jq .approvals`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			b, err := readCapped(args[0])
			if err != nil {
				return err
			}
			d, err := trust.DecodeDraft(b)
			if errors.Is(err, trust.ErrDraft) {
				return inspect(c.OutOrStdout(), b, asJSON)
			}
			if err != nil {
				return err
			}
			shown, err := describe.OfDraft(d)
			if err != nil {
				return err
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), shown)
			}
			shown.Print(c.OutOrStdout())
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newTrustVerify() *cobra.Command {
	var root string
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify FILE --root FINGERPRINT",
		Short: "Check a bundle as a box would that trusts a root set",
		Long: `verify walks the chain of root sets from the one that FINGERPRINT names, 32 hexadecimal digits as "trust inspect" prints
them, and checks the signatures, the date and what the bundle says. It needs no configuration.`,
		Example: "  kazashi-central trust verify trust.bundle --root 0123456789abcdef0123456789abcdef",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var print trust.Fingerprint
			if n, err := hex.Decode(print[:], []byte(root)); err != nil || n != len(print) || len(root) != hex.EncodedLen(len(print)) {
				return command.WrongUsage(c, errors.New("--root is 32 hexadecimal digits"))
			}
			b, err := readCapped(args[0])
			if err != nil {
				return err
			}
			o, err := trust.Open(b, trust.Terms{Root: print, Now: time.Now()})
			if err != nil {
				return err
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), describe.OfBundle(o.Bundle))
			}
			fmt.Fprintf(c.OutOrStdout(), "bundle %d is in order, signed under root set %s\n", o.Number, o.Root)
			return nil
		},
	}
	c.Flags().StringVar(&root, "root", "", "fingerprint of the root set that is trusted")
	c.Flags().BoolVar(&asJSON, "json", false, "print what the bundle says as JSON")
	return c
}

func newTrustRoot(s *settings) *cobra.Command {
	var holders []string
	var threshold uint8
	var first bool
	c := &cobra.Command{
		Use:   "root FILE --threshold K --holder PUBLIC…",
		Short: "Propose the next holders of root keys",
		Long: `root writes a proposal to FILE, which must not exist: the next root set, of which any K holders sign, and a bundle under
it that says what the one in force does. Enough of the holders before *and* enough of the next ones sign the set, and enough of the
next ones the bundle; "sign" does what each key is asked for. Boxes that publish misses walk there by themselves.

With --first it is the first root set, for a central that is still to be made: the holders sign it, and "init --root FILE" takes it.`,
		Example: `  kazashi-central trust root next.proposal --threshold 2 --holder hanako.key.pub --holder taro.key.pub --holder jiro.key.pub
  kazashi-central trust root first.proposal --first --threshold 2 --holder hanako.key.pub --holder taro.key.pub`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(holders) == 0 || int(threshold) < 1 || int(threshold) > len(holders) {
				return command.WrongUsage(c, errors.New("--holder is needed, once for each, and --threshold is 1 to their number"))
			}
			set, err := rootSet(holders, threshold)
			if err != nil {
				return err
			}
			d, err := s.rotate(set, first)
			if err != nil {
				return err
			}
			return writeDraft(c.OutOrStdout(), args[0], d)
		},
	}
	c.Flags().StringArrayVar(&holders, "holder", nil, "file of a holder's public key; once for each holder")
	c.Flags().Uint8Var(&threshold, "threshold", 0, "how many holders must sign")
	c.Flags().BoolVar(&first, "first", false, "the first root set of a new central")
	return c
}

// rotate numbers the set and drafts it.
func (s *settings) rotate(set trust.RootSet, first bool) (trust.Draft, error) {
	if first {
		set.N = 1
		return trust.NewDraft(nil, &set, trust.Bundle{})
	}
	y, err := s.ceremony()
	if err != nil {
		return trust.Draft{}, err
	}
	set.N = uint64(len(y.Keys.Roots)) + 1
	return y.Rotate(set)
}

func rootSet(files []string, threshold uint8) (trust.RootSet, error) {
	var all []sign.PublicKey
	for _, path := range files {
		b, err := readCapped(path)
		if err != nil {
			return trust.RootSet{}, err
		}
		block, rest := pem.Decode(b)
		if block == nil || block.Type != "PUBLIC KEY" || len(rest) != 0 {
			return trust.RootSet{}, fmt.Errorf("%s: %w", path, sign.ErrKey)
		}
		key, err := sign.ParsePublicKey(block.Bytes)
		if err != nil {
			return trust.RootSet{}, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, key)
	}
	return trust.NewRootSet(0, threshold, all), nil
}
