package journal

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kazashi.example/sync/durable"
)

// foundName is the file that says which databases set aside were read, and what was found in them, a line each. What was read is here as long as this
// journal is; what was safe besides need not be read again for any journal to come, and would only be sent once more.
const foundName = "journal.aside"

// foundLine is one line of it: name, records whole and damaged, pages unreadable, whether all of the whole ones are safe.
const foundLine = "%s whole %d damaged %d unreadable %d safe %t\n"

// found is what is kept of a database set aside that was read.
type found struct {
	Aside
	safe bool // and all that was whole in it is safe
}

func foundPath(path string) string { return filepath.Join(filepath.Dir(path), foundName) }

// readFound reads that file, by the names of the databases. What cannot be read of it is read again there.
func readFound(path string) map[string]found {
	all := map[string]found{}
	b, err := os.ReadFile(foundPath(path))
	if err != nil {
		return all
	}
	for line := range strings.Lines(string(b)) {
		var name string
		f := found{Aside: Aside{Read: true}}
		if _, err := fmt.Sscanf(line, foundLine, &name, &f.Whole, &f.Damaged, &f.Unreadable, &f.safe); err == nil {
			all[name] = f
		}
	}
	return all
}

func writeFound(path string, all map[string]found) error {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(all)) {
		f := all[name]
		b = fmt.Appendf(b, foundLine, name, f.Whole, f.Damaged, f.Unreadable, f.safe)
	}
	if err := durable.WriteFile(foundPath(path), b, 0o600); err != nil {
		return fmt.Errorf("keeping what was found in journals set aside: %w", err)
	}
	return nil
}

// keepFound notes that a database set aside was read, unless this one was itself set aside meanwhile.
func (j *Journal) keepFound(st *store, a Aside) error {
	j.write.Lock()
	defer j.write.Unlock()
	switch {
	case j.closed:
		return ErrClosed
	case j.store() != st:
		return errElsewhere
	}
	all := readFound(j.path)
	all[filepath.Base(a.Path)] = found{Aside: a}
	return writeFound(j.path, all)
}

// forgetFound has everything read again for a new journal that may be lost with the one before: what was taken over and not safe yet.
func forgetFound(path string) error {
	all := readFound(path)
	before := len(all)
	maps.DeleteFunc(all, func(_ string, f found) bool { return !f.safe })
	if len(all) == before {
		return nil
	}
	return writeFound(path, all)
}

// settleFound notes that all that was taken over is safe, once it is.
func (j *Journal) settleFound() error {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed || j.book.pastAtRisk() {
		return nil
	}
	all := readFound(j.path)
	changed := false
	for name, f := range all {
		changed = changed || !f.safe
		f.safe = true
		all[name] = f
	}
	if !changed {
		return nil
	}
	return writeFound(j.path, all)
}

// pastAtRisk reports whether some record that was taken over would be lost with this disk.
func (b *book) pastAtRisk() bool {
	return slices.ContainsFunc(b.epochs, func(k *kept) bool { return k.n < 0 && k.unsafe() })
}
