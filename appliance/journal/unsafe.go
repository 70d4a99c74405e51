package journal

import (
	"context"

	"kazashi.example/sync/record"
)

// Unsafe counts the records that central has not signed as safe: those that would be lost with this disk.
func (j *Journal) Unsafe(context.Context) (uint64, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	var n uint64
	for _, k := range j.book.epochs {
		n += k.atRisk()
	}
	return n, nil
}

// Safe reports whether central has signed every record from first to last of an epoch as safe, and was not restored since. False for an epoch
// that is not known here, or no longer: whoever deletes a copy asks this first.
func (j *Journal) Safe(id record.EpochID, first, last record.Seq) bool {
	j.mu.RLock()
	defer j.mu.RUnlock()
	k, ok := j.book.byID[id]
	if !ok || first == 0 || first > last {
		return false
	}
	for range k.safe.holes(first, last) {
		return false
	}
	return true
}
