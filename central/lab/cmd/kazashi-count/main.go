// Command kazashi-count counts what became of every card that the practice tray laid on the reader.
//
// It shares no code with box, central or tray. Exit status: 0 when everything is settled, nothing lost, nothing doubled and
// the least numbers asked for are reached; 1 otherwise; 2 when it cannot count.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"kazashi.example/central/lab/count"
)

func main() { os.Exit(run()) }

func run() int {
	var p count.Paths
	var ledgers, boxes []string
	flag.Func("ledger", "the tray's `file`; once for each counter", adds(&ledgers))
	flag.StringVar(&p.Central, "central", "", "central's data `directory`")
	flag.StringVar(&p.Keys, "keys", "", "central's key `directory`")
	flag.Func("box", "the box's data `directory`; once for each counter, in the order of the ledgers", adds(&boxes))
	taps := flag.Int("least-taps", 0, "fewer taps than this fail")
	offline := flag.Int("least-offline", 0, "fewer taps off-line than this fail")
	corrected := flag.Int("least-corrected", 0, "fewer corrected verdicts than this fail")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), `kazashi-count compares the practice tray's ledger with the tables of central and box, tap by tap.

  kazashi-count -ledger .demo/tray/ledger.jsonl -central .demo/central -keys .demo/central/keys -box .demo/box

`)
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 || len(ledgers) == 0 || len(boxes) != len(ledgers) || p.Central == "" || p.Keys == "" {
		flag.Usage()
		return 2
	}
	for i := range ledgers {
		p.Counters = append(p.Counters, count.Counter{Ledger: ledgers[i], Box: boxes[i]})
	}
	r, err := count.Count(context.Background(), p)
	if err != nil {
		fmt.Fprintln(os.Stderr, "kazashi-count:", err)
		return 2
	}
	if err := r.Print(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kazashi-count:", err)
		return 2
	}
	if !r.OK() || r.Taps < *taps || r.Offline < *offline || r.Corrected < *corrected {
		return 1
	}
	return 0
}

// adds is a flag that may be given several times.
func adds(to *[]string) func(string) error {
	return func(s string) error {
		*to = append(*to, s)
		return nil
	}
}
