package count

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// maxLine bounds one line of the ledger, in octets.
const maxLine = 1 << 16

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
	offline bool
	record  bool // a record is expected of it
}

// readLedger collects the layings in order. A card lies until it is taken or the next one is laid.
func readLedger(path string) ([]laid, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	defer f.Close()
	var all []laid
	open := -1
	s := bufio.NewScanner(f)
	s.Buffer(nil, maxLine)
	for n := 1; s.Scan(); n++ {
		var l line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("reading the ledger, line %d: %w", n, err)
		}
		switch l.Kind {
		case "lay":
			open = ended(all, open, l.At)
			all = append(all, laid{line: l, offline: l.Line == "down", record: l.Serial != "" && l.ExpectFirst != "no_record"})
			open = len(all) - 1
		case "take":
			open = ended(all, open, l.At)
		case "fail":
			if open >= 0 && all[open].Tap == l.Tap {
				all[open].record = false
			}
			open = ended(all, open, l.At)
		}
	}
	ended(all, open, time.Now())
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	return all, nil
}

// ended ends the laying that is open, if one is, and returns that none is.
func ended(all []laid, open int, at time.Time) int {
	if open >= 0 {
		all[open].until = at
	}
	return -1
}
