package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"kazashi.example/firmware/command"
	"kazashi.example/localapi"
)

var (
	errOnlyLooked = errors.New("nothing was erased; name the site, and with --by who says so, to erase")
	errNoBy       = errors.New("say with --by which member of staff closes the site")
)

func newClose(s *settings) *cobra.Command {
	var by, out string
	var lose uint64
	var everything bool
	c := &cobra.Command{
		Use:   "close [SITE]",
		Short: "Erase what names people, and certify it",
		Long: `close says what would be erased; with the name of this box's site it erases it, for good: the site's keys, the roster, and the
site's book with who was present, linked numbers and local enrolments. Records stay until central has them safe. While some are not safe it
is refused; --lose with exactly their number closes all the same. What was erased is certified, signed by the box: the certificate is
printed, and lies in the data directory as text, JSON and as it was signed. Who says so must be a member of staff; while the site's keys are
locked, or nobody was added, nobody can look, and the certificate says so. The same command again goes on with what was interrupted.

--everything erases records, settings and the box's identity too; the box stops, and must join again as another. Nothing can be done about
copies that were made before.`,
		Example: `  kazashi close                                  what would go
  kazashi close shelter-3 --by s-01
  kazashi close shelter-3 --by s-01 --lose 4     leave 4 records behind that central does not have safe
  kazashi close shelter-3 --by s-01 --everything --out certificate.kze`,
		Args: cobra.MaximumNArgs(1),
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, args []string) error {
			if len(args) == 0 {
				return lookAtClosing(c, client)
			}
			if by == "" {
				return command.WrongUsage(c, errNoBy)
			}
			if out != "" {
				if err := vacant(out); err != nil {
					return err
				}
			}
			cert, err := client.CloseSite(c.Context(), localapi.CloseSite{Site: args[0], By: by, Lose: lose, Everything: everything})
			if err != nil {
				return unsafeRecords(err)
			}
			fmt.Fprint(c.OutOrStdout(), cert.Text)
			if out == "" {
				return nil
			}
			return writeNew(out, cert.Signed)
		}),
	}
	c.Flags().StringVar(&by, "by", "", "member of staff who closes the site, by their id")
	c.Flags().Uint64Var(&lose, "lose", 0, "how many records that are not safe at central to leave behind")
	c.Flags().BoolVar(&everything, "everything", false, "erase records, identity and settings too")
	c.Flags().StringVar(&out, "out", "", "write the signed certificate into this file as well")
	return c
}

func lookAtClosing(c *cobra.Command, client *localapi.Client) error {
	p, err := client.Closing(c.Context())
	if err != nil {
		return err
	}
	printClosing(c.OutOrStdout(), p)
	return errOnlyLooked
}

func printClosing(w io.Writer, p localapi.Closing) {
	fmt.Fprintf(w, "%-20s %s\n", "site", p.Site)
	for _, it := range p.Items {
		fmt.Fprintf(w, "%-20s %d\n", it.What, it.Count)
	}
	fmt.Fprintf(w, "%-20s %d\n", "records not safe", p.Unsafe)
}

// unsafeRecords adds to a refusal how many records are not safe.
func unsafeRecords(err error) error {
	var e *localapi.Error
	if errors.Is(err, localapi.ErrUnsafe) && errors.As(err, &e) {
		return fmt.Errorf("%w Not safe: %d; to leave them behind say --lose %d", err, e.Records, e.Records)
	}
	return err
}
