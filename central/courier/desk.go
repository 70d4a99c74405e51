package courier

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/wire"
)

// New makes a courier, and removes from Dir what a stop left there. Nobody else uses Dir.
func New(c Config) (*Courier, error) {
	if err := os.RemoveAll(c.Dir); err != nil {
		return nil, fmt.Errorf("tidying the folder of parcels: %w", err)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of parcels: %w", err)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Courier{Config: c, behind: map[record.BoxID]uint64{}}, nil
}

// desk is a folder of its own that is like a stick, for parcels while they are made.
func (c *Courier) desk() (dir string, s *parcel.Stick, err error) {
	if dir, err = os.MkdirTemp(c.Dir, "desk-"); err != nil {
		return "", nil, fmt.Errorf("making a desk for parcels: %w", err)
	}
	if s, err = parcel.Make(dir); err != nil {
		return dir, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, s, nil
}

// answer is the answer to a request to join as a parcel, sealed to the box.
func (c *Courier) answer(q wire.JoinRequest, a wire.JoinAnswer) (_ []byte, err error) {
	to, err := seal.ParsePublicKey(q.Sealing)
	if err != nil {
		return nil, err
	}
	dir, s, err := c.desk()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close(), os.RemoveAll(dir)) }()
	w, err := s.Writer(parcel.Config{Kind: parcel.Joined, Box: q.Box, Now: c.Now, To: to})
	if err != nil {
		return nil, err
	}
	if err := w.JoinAnswer(a); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, filepath.FromSlash(w.Names()[0].String())))
}

// Spool is a file for a parcel that is on its way in; it has no name, and is gone with its last user.
func (c *Courier) Spool() (*os.File, error) {
	f, err := os.CreateTemp(c.Dir, "in-")
	if err != nil {
		return nil, fmt.Errorf("making a file for a parcel: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("making a file for a parcel: %w", err), f.Close())
	}
	return f, nil
}
