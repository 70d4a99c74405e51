// Command cardtime times procedures on cards, on real readers as on virtual ones, for a bench.
//
// It reads requests from standard input, a JSON object a line, runs each on the card that lies on the reader named, and writes a JSON object
// a line to standard output: how long connecting, the procedure and letting go took, and how much was sent. It ends with its input, with
// status 1 if a request could not be understood; a procedure that fails is an answer. What it is told of a birth date stays in memory until it
// ends, so a real card's is to be given by its holder alone; nothing is logged, and no answer tells anything of a card but times and counts.
//
// Requests run one after the other. What is learnt of readers and municipalities is remembered as long as a request asks for that.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/pcsc"
)

const usage = `cardtime times procedures on cards, for "kazashi-lab bench reader". It takes no arguments: requests come on standard input,
a JSON object a line, for example
  {"reader":"Virtual PCD 00 00","procedure":"certificate"}
and answers go to standard output. To look at a card, use "kazashi card"; to record one, "cardtrace".
`

func main() {
	pcsc.Main()
	if len(os.Args) > 1 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	t := &timer{open: connect, memory: mynumber.NewMemory()}
	err := t.serve(ctx, os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cardtime:", err)
		os.Exit(1)
	}
}

// connect is as the box does it: nobody else may use the card meanwhile.
func connect(ctx context.Context, reader string) (connection, error) {
	return pcsc.Connect(ctx, reader, pcsc.Exclusive)
}
