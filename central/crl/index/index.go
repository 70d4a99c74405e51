// Package index makes the file of a revocation set from a revocation list, in one pass and bounded memory.
//
// A list in rising order of serials goes straight into the set. At the first serial out of order what there is becomes the first of
// several sorted runs in one temporary file, and the set is made from them at the end. Memory stays below 64 MiB either way. A set is
// durable when [Build] has returned nil, and stands under no name of its own: who calls renames it. Anything else leaves nothing but
// octets in the file that was handed in. Builds are independent of each other.
package index

import (
	"context"
	"fmt"
	"io"
	"os"

	"kazashi.example/central/crl/scan"
	"kazashi.example/sync/crlset"
)

// Options are those of the scan.
type Options = scan.Options

// Build reads one list from r, verifies it, and writes the set of its serials, with reasons and dates, to an empty file, which it syncs.
// Serials that stand twice are resolved by crlset.Resolve. Beside the file there may be another, nameless one, four to eight times as
// large. Errors: those of scan.Read; of the disks, with the system's own error inside (syscall.ENOSPC).
func Build(ctx context.Context, r io.Reader, to *os.File, o Options) (scan.List, crlset.Summary, error) {
	b := &builder{to: to, set: crlset.NewPlanningWriter(&eager{file: to}, crlset.Full)}
	defer b.release()
	list, err := scan.Read(ctx, r, o, b.take)
	if err != nil {
		return scan.List{}, crlset.Summary{}, err
	}
	summary, err := b.finish(ctx)
	if err != nil {
		return scan.List{}, crlset.Summary{}, fmt.Errorf("making a revocation set: %w", err)
	}
	return list, summary, nil
}

// builder is one Build.
type builder struct {
	to   *os.File
	set  *crlset.PlanningWriter
	last []crlset.Entry // the greatest so far, which may yet come again; none at the beginning
	sort *sorter        // nil as long as the list rises
}

// take is the scan's sink.
func (b *builder) take(batch []crlset.Entry) error {
	if b.sort != nil {
		return b.sort.add(batch)
	}
	n, rising := b.rise(batch)
	if n > 0 {
		if err := b.put(batch[:n]); err != nil {
			return err
		}
	}
	if rising == len(batch) {
		return nil
	}
	if err := b.startSorting(); err != nil {
		return err
	}
	return b.sort.add(batch[rising:])
}

// rise resolves what stands twice in that part of the batch which does not fall. It returns how many entries are left at its
// beginning, and how many of the batch they stand for.
func (b *builder) rise(batch []crlset.Entry) (n, rising int) {
	first := 0
	if len(b.last) > 0 {
		for first < len(batch) && batch[first].Key == b.last[0].Key {
			b.last[0] = crlset.Resolve(b.last[0], batch[first])
			first++
		}
		if first == len(batch) || batch[first].Key.Compare(b.last[0].Key) < 0 {
			return 0, first
		}
	}
	n, rising = ascend(batch[first:])
	if first > 0 {
		copy(batch, batch[first:first+n])
	}
	return n, first + rising
}

// ascend resolves what stands twice at the beginning of the batch, as far as it does not fall.
func ascend(batch []crlset.Entry) (n, rising int) {
	for i := range batch {
		switch {
		case n == 0 || above(&batch[i].Key, &batch[n-1].Key):
			if n < i {
				batch[n] = batch[i]
			}
			n++
		case batch[i].Key == batch[n-1].Key:
			batch[n-1] = crlset.Resolve(batch[n-1], batch[i])
		default:
			return n, i
		}
	}
	return n, len(batch)
}

// above is k.Compare(l) > 0 for a loop that does little else.
func above(k, l *crlset.Key) bool {
	if k.B == l.B && k.A == l.A {
		return k.C > l.C
	}
	return k.A > l.A || k.A == l.A && k.B > l.B
}

// put writes entries that rise above the last one, and keeps the greatest back.
func (b *builder) put(rising []crlset.Entry) error {
	if len(b.last) > 0 {
		if err := b.set.AddBatch(b.last); err != nil {
			return fmt.Errorf("writing a revocation set: %w", err)
		}
	}
	end := len(rising) - 1
	if err := b.set.AddBatch(rising[:end]); err != nil {
		return fmt.Errorf("writing a revocation set: %w", err)
	}
	b.last = append(b.last[:0], rising[end])
	return nil
}

// finish writes the rest of the set and syncs it.
func (b *builder) finish(ctx context.Context) (crlset.Summary, error) {
	var err error
	if b.sort != nil {
		err = b.sort.drain(ctx, b.set)
	} else {
		err = b.set.AddBatch(b.last)
	}
	if err != nil {
		return crlset.Summary{}, err
	}
	summary, err := b.set.Close()
	if err != nil {
		return crlset.Summary{}, err
	}
	return summary, b.to.Sync()
}

// startSorting makes what is in the set so far the first run, and begins the set anew.
func (b *builder) startSorting() error {
	s, err := newSorter(b.to)
	if err != nil {
		return err
	}
	b.sort = s
	if err := b.takeBack(); err != nil {
		return fmt.Errorf("taking back what was in order: %w", err)
	}
	b.set, b.last = crlset.NewPlanningWriter(&eager{file: b.to}, crlset.Full), nil
	s.start()
	return nil
}

func (b *builder) takeBack() error {
	if err := b.set.AddBatch(b.last); err != nil {
		return err
	}
	if _, err := b.set.Close(); err != nil {
		return err
	}
	set, err := crlset.OpenFile(b.to.Name(), nil)
	if err != nil {
		return err
	}
	defer set.Close() // nothing was written through it
	if err := b.sort.takeRun(set); err != nil {
		return err
	}
	if err := b.to.Truncate(0); err != nil {
		return err
	}
	_, err = b.to.Seek(0, io.SeekStart)
	return err
}

// release lets the temporary file and the sorter's goroutine go, however Build ends.
func (b *builder) release() {
	if b.sort != nil {
		b.sort.close()
	}
}
