// Command cardtrace records what a procedure and a card say to each other, without what they say about anybody, and plays it back.
//
// It is a technician's tool. A PIN or birth date is asked for at the terminal or read from a file descriptor, never from the command
// line. It sends nothing that is not on package mynumber's allow-list, and asks for the tries left before each PIN as that does.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"kazashi.example/reader/pcsc"
	"kazashi.example/reader/trace"
)

func main() {
	pcsc.Main()
	os.Exit((&program{open: connect, readers: watchReaders}).run(os.Args[1:]))
}

// Exit statuses beside 0 for done.
const (
	exitFailed = 1 // the procedure or the program ended with an error; a transcript may have been written
	exitUsage  = 2 // the command line cannot be understood
)

// program is the command line with its way to cards.
type program struct {
	// open waits for a card on a reader, on any if the name is empty, and connects to it.
	open func(ctx context.Context, reader string) (session, error)
	// readers names the readers and says which have a card.
	readers func(ctx context.Context) ([]readerState, error)
}

// session is a connection to a card.
type session struct {
	trace.Transmitter
	reader string
	close  func()
}

// usageError says that a command line cannot be understood.
type usageError struct {
	error
	command string
}

func (e *usageError) Error() string { return fmt.Sprintf("%v (see %s --help)", e.error, e.command) }

func (e *usageError) Unwrap() error { return e.error }

func wrongUsage(c *cobra.Command, format string, a ...any) error {
	return &usageError{error: fmt.Errorf(format, a...), command: c.CommandPath()}
}

// run executes one command line and returns the exit status. The first SIGINT, SIGTERM or SIGHUP ends it in order.
func (p *program) run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop)
	root := p.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "cardtrace: %v\n", err)
	var usage *usageError
	if errors.As(err, &usage) || strings.HasPrefix(err.Error(), "unknown command") {
		return exitUsage
	}
	return exitFailed
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "cardtrace",
		Short: "Record what a card and a procedure say to each other, and play it back",
		Long: `cardtrace records the commands between a procedure and a card as text. PINs, names, serials, certificates and signatures are
masked; headers, lengths and status words stay. Cards of the practice world may be recorded unmasked.

Exit status: 0 done, 1 failed, 2 wrong usage.`,
		Example: `  cardtrace readers
  cardtrace record --procedure certificate -o certificate.trace
  cardtrace show certificate.trace
  source <(cardtrace completion bash)`,
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return wrongUsage(c, "unknown command %q", args[0])
			}
			return c.Help()
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return &usageError{error: err, command: c.CommandPath()} })
	root.AddCommand(p.newReaders(), p.newRecord(), newReplay(), newShow())
	return root
}

// oneFile wants exactly one argument.
func oneFile(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return wrongUsage(c, "want one FILE, have %d", len(args))
	}
	return nil
}

func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return wrongUsage(c, "unknown argument %q", args[0])
	}
	return nil
}
