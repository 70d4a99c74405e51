package count

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// line is one line of the tray's ledger, as far as counting needs it.
type line struct {
	At          time.Time `json:"at"`
	Kind        string    `json:"kind"`
	Line        string    `json:"line"`
	Tap         int64     `json:"tap"`
	Person      string    `json:"person"`
	Serial      string    `json:"serial"`
	ExpectFirst string    `json:"expect_first"`
	ExpectFinal string    `json:"expect_final"`
}

// laid is one laying of a card, from the ledger: what should have become a record, and between when and when.
type laid struct {
	line
	until   time.Time // when the card was gone
	again   time.Time // when it was laid next, anywhere; zero: never
	offline bool
	record  bool // a record is expected of it
	failed  bool // whether the box saw the card is unknown
}

// readLedger collects the layings in order. A card lies until it is taken or the next one is laid. What follows the last newline
// was never acknowledged and is no line. It also notes whose the certificates are.
func readLedger(path string, whose humans) ([]laid, error) {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	var all []laid
	open := -1
	n := 0
	for raw := range bytes.Lines(text[:bytes.LastIndexByte(text, '\n')+1]) {
		n++
		var l line
		if err := json.Unmarshal(raw, &l); err != nil {
			return nil, fmt.Errorf("reading the ledger, line %d: %w", n, err)
		}
		if l.Kind == "lay" || l.Kind == "renew" || l.Kind == "reissue" {
			whose.add(l)
		}
		switch l.Kind {
		case "lay":
			ended(all, open, l.At)
			open = len(all)
			all = append(all, laid{line: l, offline: l.Line == "down", record: l.Serial != "" && l.ExpectFirst != "no_record"})
		case "take":
			ended(all, open, l.At)
			open = -1
		case "fail": // the card may lie there all the same, until the next one is laid
			if open >= 0 && all[open].Tap == l.Tap {
				all[open].record, all[open].failed = false, true
			}
		}
	}
	ended(all, open, time.Now())
	return all, nil
}

// ended ends the laying that is open, if one is.
func ended(all []laid, open int, at time.Time) {
	if open >= 0 {
		all[open].until = at
	}
}

// untilAgain notes of each laying when the same card was laid next.
func untilAgain(all []laid) {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return all[a].At.Compare(all[b].At) })
	last := map[string]int{}
	for _, i := range order {
		if before, ok := last[all[i].Serial]; ok {
			all[before].again = all[i].At
		}
		last[all[i].Serial] = i
	}
}
