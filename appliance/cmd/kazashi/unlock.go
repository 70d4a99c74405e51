package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/firmware/command"
	"kazashi.example/localapi"
	"kazashi.example/sync/durable"
)

const promptCode = "operator's code"

func newUnlock(s *settings) *cobra.Command {
	var request, answer, from string
	var central bool
	c := &cobra.Command{
		Use:   "unlock",
		Short: "Open the site's keys, so that people can be looked up",
		Long: `unlock asks for the operator's code, without showing it; where standard input is no terminal its next line is the code. A wrong
code is counted, by the TPM if the box has one; after too many the box waits, and says for how long.

Without the code another box of the site can open them, by two files that anybody may carry: --request on this box, --answer on the other,
--from on this one. The answer opens on the asking box alone, and once. Central opens them by itself when there is a line, unless they
were locked by hand: then after --central.`,
		Example: `  kazashi unlock
  kazashi unlock <code.txt
  kazashi unlock --request ask.kzr               on the locked box
  kazashi unlock --answer ask.kzr                on an open box of the site: writes ask.kzr.answer
  kazashi unlock --from ask.kzr.answer           on the locked box`,
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, _ []string) error {
			switch {
			case request != "":
				return writeRequest(c.Context(), client, request)
			case answer != "":
				return writeAnswer(c, client, answer)
			case from != "":
				return opened(c, func(ctx context.Context) (localapi.Keys, error) { return receive(ctx, client, from) })
			case central:
				return opened(c, client.AskCentral)
			default:
				return unlockByCode(c, client)
			}
		}),
	}
	c.Flags().StringVar(&request, "request", "", "write a request to another box of the site into this file")
	c.Flags().StringVar(&answer, "answer", "", "answer the request in this file, for a box that you know")
	c.Flags().StringVar(&from, "from", "", "open by the answer in this file")
	c.Flags().BoolVar(&central, "central", false, "let central open them, after they were locked by hand")
	c.MarkFlagsMutuallyExclusive("request", "answer", "from", "central")
	return c
}

func unlockByCode(c *cobra.Command, client *localapi.Client) error {
	code, err := command.Secret(c, promptCode)
	if err != nil {
		return err
	}
	secret := wrapped(code)
	defer secret.Wipe()
	return opened(c, func(ctx context.Context) (localapi.Keys, error) { return client.Unlock(ctx, secret) })
}

// wrapped moves what was typed into a Secret.
func wrapped(b []byte) (s localapi.Secret) {
	defer clear(b)
	_ = s.UnmarshalText(b) // takes any octets
	return s
}

// opened does it and prints how the keys stand then.
func opened(c *cobra.Command, do func(context.Context) (localapi.Keys, error)) error {
	k, err := do(c.Context())
	if err != nil {
		return tried(err)
	}
	printKeys(c.OutOrStdout(), k)
	return nil
}

// tried adds to a refused code how many are left and how long to wait.
func tried(err error) error {
	var e *localapi.Error
	switch {
	case !errors.As(err, &e):
		return err
	case errors.Is(err, localapi.ErrKeyCode) && e.Left > 0:
		return fmt.Errorf("%w Tries left: %d", err, e.Left)
	case errors.Is(err, localapi.ErrKeyCode), errors.Is(err, localapi.ErrKeyWait):
		return fmt.Errorf("%w No try is left; the next is taken in %s at the latest", err, time.Duration(e.Wait)*time.Second)
	default:
		return err
	}
}

func printKeys(w io.Writer, k localapi.Keys) {
	row := func(name, format string, a ...any) { fmt.Fprintf(w, "%-10s %s\n", name, fmt.Sprintf(format, a...)) }
	state := string(k.State)
	if k.By != "" {
		state += ", by " + k.By
	}
	row("keys", "%s", state)
	if k.Generations > 0 {
		row("held", "%d generations", k.Generations)
	}
	row("code", "%s", map[bool]string{true: "set", false: "not set"}[k.CodeSet])
	row("tpm", "%s", map[bool]string{true: "yes", false: "no: keys lie in a file"}[k.TPM])
	if k.State == localapi.KeysLocked && k.CodeSet {
		row("tries", "%d left", k.Tries)
	}
	if k.Wait > 0 {
		row("wait", "at most %s until one more", time.Duration(k.Wait)*time.Second)
	}
	if k.CodeWanted {
		row("WANTED", "a code: set one with `kazashi code set`")
	}
	if k.Trouble != "" {
		row("TROUBLE", "%s", k.Trouble)
	}
}

// writeRequest looks for the file first: a request that cannot be written would replace one that was carried away.
func writeRequest(ctx context.Context, client *localapi.Client, path string) error {
	if err := vacant(path); err != nil {
		return err
	}
	b, err := client.RequestKeys(ctx)
	if err != nil {
		return err
	}
	return writeNew(path, b)
}

func writeAnswer(c *cobra.Command, client *localapi.Client, path string) error {
	b, err := readFile(path, localapi.MaxPeer)
	if err != nil {
		return err
	}
	e, err := client.AnswerKeys(c.Context(), b)
	if err != nil {
		return err
	}
	if err := writeNew(path+".answer", e.File); err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "box %s can open the site's keys by %s\n", e.Box, path+".answer")
	return nil
}

func receive(ctx context.Context, client *localapi.Client, path string) (localapi.Keys, error) {
	b, err := readFile(path, localapi.MaxPeer)
	if err != nil {
		return localapi.Keys{}, err
	}
	return client.ReceiveKeys(ctx, b)
}

// errLongFile says that a file is no such thing as was asked for.
var errLongFile = errors.New("file is too long")

func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s: %w", path, errLongFile)
	}
	return b, err
}

// vacant refuses a name that is taken.
func vacant(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w; name another file, or remove it", path, fs.ErrExist)
	}
	return nil
}

// writeNew writes a file that is not there yet.
func writeNew(path string, b []byte) error {
	if err := vacant(path); err != nil {
		return err
	}
	return durable.CreateFile(path, b, 0o600)
}
