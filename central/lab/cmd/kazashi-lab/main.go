// Command kazashi-lab is the practice world on the command line: made-up people and cards, the practice JPKI, and the tools that drive
// the real programs against them. Nothing it makes is real, and nothing shipped depends on it.
//
// Each command runs until its work is done or it is interrupted; what it keeps lies in the folder given with --world or --dir.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRoot().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kazashi-lab:", err)
		os.Exit(1)
	}
}
