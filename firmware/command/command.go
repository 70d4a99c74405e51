// Package command is what every program's command line does alike: it runs under signals, ends with one of three exit
// statuses, refuses what it cannot understand, and prints text and times of others in one safe form.
//
// A program builds its tree of cobra commands, hands it to Strict and then to Run. Run reads signals and writes to standard
// error, so it is called once, by main; the rest keeps no state and is safe for concurrent use. Nothing is written to disk.
// It reads no configuration and makes no log.
package command

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses beside 0 for done.
const (
	exitFailed = 1 // refused or failed
	exitUsage  = 2 // the command line cannot be understood
)

// Run executes one command line and returns the exit status: 0 done, 1 refused or failed, 2 wrong usage, or one marked by Exit. An error goes to
// standard error behind the name of the program. The command's context ends at the first SIGINT or SIGTERM, so that it ends
// in order; a second one ends the process at once. The root should silence cobra's own printing of errors and usage.
func Run(root *cobra.Command, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", root.Name(), err)
	return statusOf(err)
}
