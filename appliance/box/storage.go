package box

import (
	"context"
	"path/filepath"

	"kazashi.example/localapi"
)

// statusOfJournal fills in how the records stand: what waits, what would be lost with the disk, what perhaps nobody saw, room and damage.
func (b *Box) statusOfJournal(ctx context.Context, s *localapi.Status) error {
	waiting, err := b.journal.Waiting(ctx)
	if err != nil {
		return err
	}
	unsafe, err := b.journal.Unsafe(ctx)
	if err != nil {
		return err
	}
	oldest, err := b.journal.Oldest(ctx)
	if err != nil {
		return err
	}
	s.Waiting = localapi.Waiting{Records: int(waiting), Oldest: oldest, Unsafe: int(unsafe)} //nolint:gosec // counts of rows
	unseen, err := b.Unseen(ctx)
	if err != nil {
		return err
	}
	s.Unseen = len(unseen)
	s.Journal = localapi.Journal{Disk: localapi.DiskState(b.journal.State().String())}
	s.Journal.Checked, s.Journal.ToCheck = b.journal.Verified()
	for _, a := range b.journal.SetAside() {
		s.Journal.SetAside = append(s.Journal.SetAside, localapi.Aside{
			File: filepath.Base(a.Path), Reading: !a.Read, Records: a.Whole, Damaged: a.Damaged, Unreadable: a.Unreadable,
		})
	}
	return nil
}
