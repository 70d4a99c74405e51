package closing

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/erasure"
)

// plan is a closing that was decided. It is a certificate without its end.
type plan struct {
	Version     uint8               `cbor:"1,keyasint"`
	Certificate erasure.Certificate `cbor:"2,keyasint"`
	Leaving     bool                `cbor:"3,keyasint"`           // everything is certified, and the data directory is to be emptied
	KeysFirst   bool                `cbor:"4,keyasint,omitempty"` // only the first part was counted yet: it goes before the others are
}

// is reports whether a plan is that of a request.
func (p plan) is(r Request) bool {
	c := p.Certificate
	if c.Order != nil {
		return *c.Order == r.Order
	}
	return r.Order.IsZero() && c.By == r.By && c.Everything == r.Everything
}

// lying is the plan that lies there, if one does. A damaged one is set aside.
func (c *Closing) lying(ctx context.Context) (p plan, found bool, err error) {
	p, err = readPlan(c.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return plan{}, false, nil
	case !errors.Is(err, errPlan):
		return p, err == nil, err
	}
	c.Log.ErrorContext(ctx, "the plan of a closing is damaged and was set aside; look at what lies here, and close the site again",
		slog.String("file", fileAside), slog.Any("error", err))
	err = os.Rename(filepath.Join(c.Dir, filePlan), filepath.Join(c.Dir, fileAside))
	if err == nil {
		err = durable.SyncDir(c.Dir)
	}
	if err != nil {
		return plan{}, false, fmt.Errorf("setting a damaged plan aside: %w", err)
	}
	return plan{}, false, nil
}

// halt ends taps until the next settle that finds no plan to erase everything.
func (c *Closing) halt() {
	if c.Halt != nil && c.release == nil {
		c.release = c.Halt()
	}
}

// settle lets taps go on, unless a plan lies there that would erase what they leave.
func (c *Closing) settle() {
	if c.release == nil {
		return
	}
	p, err := readPlan(c.Dir)
	if err == nil && p.Certificate.Everything || err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errPlan) {
		return
	}
	c.release()
	c.release = nil
}

func readPlan(dir string) (p plan, err error) {
	b, err := os.ReadFile(filepath.Join(dir, filePlan))
	if err != nil {
		return p, err
	}
	return decodePlan(b)
}

func decodePlan(b []byte) (p plan, err error) {
	if err := canon.Decode(b, &p, maxPlan); err != nil {
		return p, fmt.Errorf("%w: %w", errPlan, err)
	}
	if err := p.Certificate.Check(); err != nil || p.Version != 1 || p.Leaving && !p.Certificate.Everything ||
		p.KeysFirst && p.Certificate.Order == nil {
		return p, errors.Join(errPlan, err)
	}
	return p, nil
}

func writePlan(dir string, p plan) error {
	b, err := canon.Encode(p)
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, filePlan), b, 0o600)
}

func removePlan(dir string) error {
	if err := os.Remove(filepath.Join(dir, filePlan)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.SyncDir(dir)
}

// Leaving reports whether a data directory waits for Leave: everything in it was certified as erased. A damaged plan says nothing.
func Leaving(dir string) (bool, error) {
	p, err := readPlan(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errPlan) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return p.Leaving, nil
}

// Leave empties the data directory but for the certificates and what keep names (the lock that the caller holds). Nothing in it may be
// open any more. After a crash the same call completes it.
func Leave(dir string, keep ...string) error {
	if leaving, err := Leaving(dir); err != nil || !leaving {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("emptying the data directory: %w", err)
	}
	for _, e := range entries {
		if e.Name() == filePlan || strings.HasPrefix(e.Name(), prefixCert) || slices.Contains(keep, e.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("emptying the data directory: %w", err)
		}
	}
	if err := durable.SyncDir(dir); err != nil {
		return fmt.Errorf("emptying the data directory: %w", err)
	}
	return removePlan(dir)
}
