package box

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"kazashi.example/appliance/journal"
	"kazashi.example/localapi"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/record"
)

// fileUnseen keeps which records' verdicts perhaps nobody saw. It holds numbers of records, and names nobody.
const fileUnseen = "unseen.cbor"

// maxUnseen caps each of the file's two lists; the oldest goes. A crash marks at most 16 records, so that four in a row are kept.
const maxUnseen = 64

// maxUnseenFile is the octets of a full file, with room.
const maxUnseenFile = 8 << 10

// unseen is what the box knows of verdicts from before a restart (design.md §5.8): what the journal marked at this start and the starts before,
// until somebody says that it was seen. No later tap and no restart takes a mark away, and a second crash brings none back that was answered.
type unseen struct {
	path string
	log  *slog.Logger

	mu   sync.Mutex // guards what follows; held while the file is written
	open []numbered // perhaps seen by nobody, oldest first
	seen []numbered // somebody said so, oldest first
}

// numbered is a record's id as it stands in the file.
type numbered struct {
	Epoch record.EpochID `cbor:"1,keyasint"`
	Seq   record.Seq     `cbor:"2,keyasint"`
}

type unseenFile struct {
	Open []numbered `cbor:"1,keyasint"`
	Seen []numbered `cbor:"2,keyasint"`
}

// openUnseen reads what is kept and adds what the journal has marked at this start. What cannot be read is begun anew: then at worst somebody
// is shown a verdict twice.
func openUnseen(ctx context.Context, dir string, j *journal.Journal, log *slog.Logger) (*unseen, error) {
	u := &unseen{path: filepath.Join(dir, fileUnseen), log: log}
	kept, err := readUnseen(u.path)
	if err != nil {
		log.WarnContext(ctx, "which verdicts were seen cannot be read", slog.Any("error", err))
	}
	u.open, u.seen = kept.Open, kept.Seen
	return u, u.look(ctx, j)
}

// look adds what the journal has marked. It marks more once it has read one that the crash damaged.
func (u *unseen) look(ctx context.Context, j *journal.Journal) error {
	rows, err := j.Restored(ctx)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	was := len(u.open)
	for _, r := range rows {
		if id := numbered(r.ID); !slices.Contains(u.open, id) && !slices.Contains(u.seen, id) {
			u.open = append(u.open, id)
		}
	}
	if len(u.open) == was {
		return nil
	}
	if u.open, err = u.write(u.open, u.seen); err != nil { // a full disk: in memory the marks are there all the same
		u.log.WarnContext(ctx, "which verdicts perhaps nobody saw could not be kept", slog.Any("error", err))
	}
	return nil
}

func readUnseen(path string) (f unseenFile, err error) {
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, nil
	case err != nil:
		return f, fmt.Errorf("reading %s: %w", fileUnseen, err)
	}
	if err := canon.Decode(b, &f, maxUnseenFile); err != nil {
		return unseenFile{}, fmt.Errorf("reading %s: %w", fileUnseen, err)
	}
	return f, nil
}

// write keeps both lists, and returns what is left of the first.
func (u *unseen) write(open, seen []numbered) ([]numbered, error) {
	open, seen = open[max(0, len(open)-maxUnseen):], seen[max(0, len(seen)-maxUnseen):]
	b, err := canon.Encode(unseenFile{open, seen})
	if err == nil {
		err = durable.WriteFile(u.path, b, 0o600)
	}
	if err != nil {
		return open, fmt.Errorf("keeping which verdicts were seen: %w", err)
	}
	return open, nil
}

func (u *unseen) has(id record.ID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Contains(u.open, numbered(id))
}

func (u *unseen) list() []numbered {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.open)
}

// answer notes durably that somebody saw one.
func (u *unseen) answer(id numbered) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.Index(u.open, id)
	if i < 0 {
		return nil
	}
	open, seen := slices.Delete(slices.Clone(u.open), i, i+1), append(slices.Clone(u.seen), id)
	open, err := u.write(open, seen)
	if err != nil {
		return err
	}
	u.open, u.seen = open, seen[max(0, len(seen)-maxUnseen):]
	return nil
}

var _ server.Unseen = (*Box)(nil)

// Unseen lists the taps from before a restart whose verdict perhaps nobody saw, newest first. What the journal no longer lists is left out.
func (b *Box) Unseen(ctx context.Context) ([]localapi.Tap, error) {
	var taps []localapi.Tap
	for _, id := range slices.Backward(b.unseen.list()) {
		r, err := b.journal.Row(ctx, record.ID(id))
		if errors.Is(err, journal.ErrNoRow) {
			continue
		}
		if err != nil {
			return nil, err
		}
		t, err := b.tap(ctx, r)
		if err != nil {
			return nil, err
		}
		taps = append(taps, t)
	}
	return taps, nil
}

// Seen notes durably that somebody has seen the verdict of a tap; localapi.ErrUnknown if it is not among the unseen, or no more.
func (b *Box) Seen(ctx context.Context, tap record.TapID) error {
	taps, err := b.Unseen(ctx)
	if err != nil {
		return err
	}
	for _, t := range taps {
		if t.Tap == tap {
			defer b.changed()
			return b.unseen.answer(numbered(t.Record))
		}
	}
	return localapi.ErrUnknown
}
