package journal

import "context"

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
