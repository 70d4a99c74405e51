// Package closing erases what names people on a box when its site is closed, or when central orders it, and certifies it.
//
// A closing is a plan on the disk before anything is erased: who said so, when, how much was there. Then one part after the other goes,
// the site keys first, since without them the rest is noise; then the certificate is written, and only then the plan goes. After a crash
// anywhere [Closing.Resume] goes on with the plan; each part can be erased again. Records that wait for central are not touched, unless
// everything is to go: then [Leave] empties the data directory once all is closed, certificates excepted. A [Closing] may be used from
// any goroutine. It cannot reach copies that were made before, nor what flash keeps of removed files.
package closing

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/erasure"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

// Names inside the data directory. Certificates have the erasure's id in their names.
const (
	filePlan   = "closing.cbor"
	prefixCert = "erasure-"
	maxPlan    = 16 << 10 // octets
)

// Errors of this package.
var (
	// ErrUnsafe says that records are not safe at central.
	ErrUnsafe = errors.New("records are not safe at central yet")
	// ErrPlan says that the plan of a closing is damaged.
	ErrPlan = errors.New("plan of a closing is damaged; look at the data directory, and close again")
	// ErrUnderWay says that another closing is not finished.
	ErrUnderWay = errors.New("another closing is not finished; start the box again to finish it")
)

// UnsafeError is ErrUnsafe with their number: what Request.Lose has to say to close all the same.
type UnsafeError struct{ Records uint64 }

// Error says how many.
func (e *UnsafeError) Error() string { return fmt.Sprintf("%v: %d", ErrUnsafe, e.Records) }

// Unwrap is ErrUnsafe.
func (*UnsafeError) Unwrap() error { return ErrUnsafe }

// Part is something that names people.
type Part struct {
	// Count says what is there, without keys.
	Count func(ctx context.Context) ([]erasure.Item, error)
	// Erase erases it durably. Again changes nothing.
	Erase func(ctx context.Context) error
}

// Config is what a Closing is made of. All are required.
type Config struct {
	Dir     string
	Box     record.BoxID
	Site    record.SiteID
	Device  crypto.Signer
	Records func(ctx context.Context) (uint64, error) // how many are not safe at central
	Keys    func() []sitekey.Generation               // site keys that lie here
	Parts   []Part                                    // in the order in which they go; the site keys first
	Now     func() (time.Time, record.Confidence)
	Log     *slog.Logger
}

// Closing closes one box's site.
type Closing struct {
	Config
	mu sync.Mutex // one closing at a time
}

// New starts nothing.
func New(c Config) *Closing { return &Closing{Config: c} }

// Request says who wants what.
type Request struct {
	By         string       // a member of staff, as records name them; "" where central orders it
	Order      record.ID128 // the order of central's, or zero
	Lose       uint64       // how many records may be left behind not safe: exactly as many as there are; an order leaves them to be sent
	Everything bool         // erase records, identity and settings too
}

// Done is a finished closing.
type Done struct {
	Certificate erasure.Certificate
	Message     []byte // the certificate as it was signed
	Text        string // the certificate for people
}

// plan is a closing that was decided. It is a certificate without its end.
type plan struct {
	Version     uint8               `cbor:"1,keyasint"`
	Certificate erasure.Certificate `cbor:"2,keyasint"`
	Leaving     bool                `cbor:"3,keyasint"` // everything is certified, and the data directory is to be emptied
}

// Look says what a closing would find: how many records are not safe, and what would go.
func (c *Closing) Look(ctx context.Context) (unsafe uint64, items []erasure.Item, err error) {
	if unsafe, err = c.Records(ctx); err != nil {
		return 0, nil, fmt.Errorf("counting records that are not safe: %w", err)
	}
	for _, p := range c.Parts {
		found, err := p.Count(ctx)
		if err != nil {
			return 0, nil, fmt.Errorf("counting what is to be erased: %w", err)
		}
		items = append(items, found...)
	}
	return unsafe, items, nil
}

// Close erases. *UnsafeError unless every record is safe, r.Lose is their number, or central ordered it; then nothing was done. After any
// other error the closing is not finished, and Resume goes on with it.
func (c *Closing) Close(ctx context.Context, r Request) (Done, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := readPlan(c.Dir); !errors.Is(err, fs.ErrNotExist) {
		return Done{}, errors.Join(ErrUnderWay, err)
	}
	unsafe, items, err := c.Look(ctx)
	if err != nil {
		return Done{}, err
	}
	ordered := !r.Order.IsZero()
	if d, found, err := c.ordered(r.Order); ordered && (found || err != nil) {
		return d, err
	}
	if unsafe != r.Lose && !ordered {
		return Done{}, &UnsafeError{unsafe}
	}
	now, confidence := c.Now()
	p := plan{Version: 1, Certificate: erasure.Certificate{
		Version: 1, ID: erasure.NewID(), Box: c.Box, Site: c.Site, By: r.By, Began: now.UnixMilli(), Ended: now.UnixMilli(), Clock: confidence,
		Items: items, Unsafe: unsafe, Everything: r.Everything, Keys: c.Keys(),
	}}
	if ordered {
		p.Certificate.By, p.Certificate.Order = erasure.ByOrder, &r.Order
	}
	if err := p.Certificate.Check(); err != nil {
		return Done{}, err
	}
	if err := writePlan(c.Dir, p); err != nil {
		return Done{}, err
	}
	c.Log.WarnContext(ctx, "closing the site", slog.String("by", p.Certificate.By), slog.Uint64("records_not_safe", unsafe))
	return c.finish(ctx, p)
}

// ordered finds the certificate of an order that was done before: a box that crashed before it noted so is given the order again.
func (c *Closing) ordered(id record.ID128) (Done, bool, error) {
	names, err := filepath.Glob(filepath.Join(c.Dir, prefixCert+"*.cbor"))
	if err != nil {
		return Done{}, false, err
	}
	key, err := sign.PublicKeyOf(c.Device.Public())
	if err != nil {
		return Done{}, false, err
	}
	for _, name := range names {
		msg, err := os.ReadFile(name)
		if err != nil {
			return Done{}, false, err
		}
		if cert, err := erasure.Open(sign.One{Key: key}, msg); err == nil && cert.Order != nil && *cert.Order == id {
			return Done{cert, msg, cert.Text(key.ID())}, true, nil
		}
	}
	return Done{}, false, nil
}

// Resume finishes a closing that was interrupted; false if there is none. A box calls it once its parts are open.
func (c *Closing) Resume(ctx context.Context) (Done, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, err := readPlan(c.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return Done{}, false, nil
	}
	if err != nil {
		return Done{}, false, err
	}
	c.Log.WarnContext(ctx, "going on with the closing of the site", slog.String("by", p.Certificate.By))
	d, err := c.finish(ctx, p)
	return d, true, err
}

func (c *Closing) finish(ctx context.Context, p plan) (Done, error) {
	for _, part := range c.Parts {
		if err := part.Erase(ctx); err != nil {
			return Done{}, fmt.Errorf("erasing: %w", err)
		}
	}
	d, err := c.certify(p.Certificate)
	if err != nil {
		return Done{}, fmt.Errorf("certifying the erasure: %w", err)
	}
	if p.Certificate.Everything {
		p.Leaving = true
		err = writePlan(c.Dir, p)
	} else {
		err = removePlan(c.Dir)
	}
	if err != nil {
		return Done{}, err
	}
	c.Log.WarnContext(ctx, "the site is closed on this box", slog.String("certificate", d.Certificate.ID.String()))
	return d, nil
}

// certify writes the certificate in its three forms. One that is there already stays as it is: it was given out.
func (c *Closing) certify(cert erasure.Certificate) (Done, error) {
	base := filepath.Join(c.Dir, prefixCert+cert.ID.String())
	key, err := sign.PublicKeyOf(c.Device.Public())
	if err != nil {
		return Done{}, err
	}
	msg, err := os.ReadFile(base + ".cbor")
	if err == nil {
		cert, err = erasure.Open(sign.One{Key: key}, msg)
	} else if errors.Is(err, fs.ErrNotExist) {
		now, _ := c.Now()
		cert.Ended = max(cert.Began, now.UnixMilli())
		if msg, err = cert.Sign(c.Device); err == nil {
			err = durable.WriteFile(base+".cbor", msg, 0o600)
		}
	}
	if err != nil {
		return Done{}, err
	}
	asJSON, err := cert.JSON(msg)
	if err != nil {
		return Done{}, err
	}
	d := Done{cert, msg, cert.Text(key.ID())}
	return d, errors.Join(durable.WriteFile(base+".json", asJSON, 0o600), durable.WriteFile(base+".txt", []byte(d.Text), 0o600))
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
		return p, fmt.Errorf("%w: %w", ErrPlan, err)
	}
	if err := p.Certificate.Check(); err != nil || p.Version != 1 || p.Leaving && !p.Certificate.Everything {
		return p, errors.Join(ErrPlan, err)
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

// Leaving reports whether a data directory waits for Leave: everything in it was certified as erased.
func Leaving(dir string) (bool, error) {
	p, err := readPlan(dir)
	if errors.Is(err, fs.ErrNotExist) {
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
