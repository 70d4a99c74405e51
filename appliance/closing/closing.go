// Package closing erases what names people on a box when its site is closed, or when central orders it, and certifies it.
//
// A closing is a plan on the disk before anything is erased: who said so, when, how much was there. Then one part after the other goes,
// the site keys first, since without them the rest is noise; then the certificate is written, and only then the plan goes. Once the plan
// lies there the closing goes on without its caller; after a crash anywhere [Closing.Resume] goes on with it, or whoever asks for the same
// again. Each part can be erased again, and one that cannot be erased keeps no other. What central orders waits for no count: the keys
// are erased first, and what cannot be counted is certified as that. A damaged plan is set aside and reported, and keeps nobody from anything.
//
// Records that wait for central are not touched, unless everything is to go: then taps end before anything is counted, and [Leave] empties the
// data directory once all is closed, certificates excepted. A [Closing] may be used from any goroutine. It cannot reach copies that
// were made before, nor what flash keeps of removed files.
package closing

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kazashi.example/sync/durable"
	"kazashi.example/sync/erasure"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

// Names inside the data directory. Certificates have the erasure's id in their names.
const (
	filePlan   = "closing.cbor"
	fileAside  = "closing.damaged" // takes a damaged plan
	prefixCert = "erasure-"
	maxPlan    = 16 << 10 // octets
)

// countWithin is how long counting may hold up what central ordered.
const countWithin = 10 * time.Second

// Errors of this package.
var (
	// ErrUnsafe says that records are not safe at central.
	ErrUnsafe = errors.New("records are not safe at central yet")
	// ErrUnderWay says that another closing is not finished.
	ErrUnderWay = errors.New("another closing is not finished; who began it may ask for it again, or start the box again to finish it")

	errPlan = errors.New("plan of a closing is damaged")
)

// UnsafeError is ErrUnsafe with their number: what Request.Lose has to say to close all the same.
type UnsafeError struct{ Records uint64 }

// Error says how many.
func (e *UnsafeError) Error() string { return fmt.Sprintf("%v: %d", ErrUnsafe, e.Records) }

// Unwrap is ErrUnsafe.
func (*UnsafeError) Unwrap() error { return ErrUnsafe }

// Part is something that names people.
type Part struct {
	// What names it in the certificate where it cannot be counted, as erasure.Item.What.
	What string
	// Count says what is there, without keys.
	Count func(ctx context.Context) ([]erasure.Item, error)
	// Erase erases it durably. Again changes nothing.
	Erase func(ctx context.Context) error
}

// Config is what a Closing is made of. All but Halt are required.
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
	// Halt keeps records from being added until release is called: when it returns none is under way.
	Halt func() (release func())
}

// Closing closes one box's site.
type Closing struct {
	Config
	mu      sync.Mutex // one closing at a time
	release func()     // lets taps go on that were halted
}

// New starts nothing.
func New(c Config) *Closing { return &Closing{Config: c} }

// Request says who wants what.
type Request struct {
	By         string       // a member of staff, as records name them; "" where central orders it
	Unverified bool         // whether By is one could not be looked up
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

// Close erases. *UnsafeError unless every record is safe, r.Lose is their number, or central ordered it; then nothing was done, or, where
// records were added while everything was to go, the site alone was closed and they are still here. ErrUnderWay. After any other error
// the closing may be unfinished: the same request, or Resume, goes on with it.
func (c *Closing) Close(ctx context.Context, r Request) (Done, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.settle()
	p, found, err := c.lying(ctx)
	switch {
	case found && p.is(r):
		return c.resume(ctx, p)
	case found:
		return Done{}, ErrUnderWay
	case !r.Order.IsZero():
		if err != nil {
			c.Log.ErrorContext(ctx, "the plan of a closing cannot be read; what is ordered does not wait for it", slog.Any("error", err))
		}
		return c.byOrder(ctx, r.Order)
	case err != nil:
		return Done{}, err
	}
	return c.bySomebody(ctx, r)
}

// bySomebody is a closing that somebody here asked for. Where everything is to go nothing is added from before the count on.
func (c *Closing) bySomebody(ctx context.Context, r Request) (Done, error) {
	if r.Everything {
		c.halt()
	}
	unsafe, items, err := c.Look(ctx)
	if err != nil {
		return Done{}, err
	}
	if unsafe != r.Lose {
		return Done{}, &UnsafeError{unsafe}
	}
	p := c.begun(items)
	p.Certificate.By, p.Certificate.Unverified = r.By, r.Unverified
	p.Certificate.Unsafe, p.Certificate.Everything = unsafe, r.Everything
	if err := p.Certificate.Check(); err != nil {
		return Done{}, err
	}
	if err := writePlan(c.Dir, p); err != nil {
		return Done{}, err
	}
	c.Log.WarnContext(ctx, "closing the site", slog.String("by", r.By), slog.Uint64("records_not_safe", unsafe))
	return c.finish(context.WithoutCancel(ctx), p)
}

// byOrder is a closing that central ordered: nothing that fails here keeps the site keys.
func (c *Closing) byOrder(ctx context.Context, id record.ID128) (Done, error) {
	if d, found := c.ordered(ctx, id); found {
		return d, nil
	}
	ctx = context.WithoutCancel(ctx)
	p := c.begun(c.count(ctx, c.Parts[:1]))
	p.Certificate.By, p.Certificate.Order, p.Certificate.Uncounted, p.KeysFirst = erasure.ByOrder, &id, true, true
	c.Log.WarnContext(ctx, "closing the site by central's order", slog.String("order", id.String()))
	if err := writePlan(c.Dir, p); err != nil {
		c.Log.ErrorContext(ctx, "the plan of a closing could not be written; what is ordered does not wait for it", slog.Any("error", err))
	}
	return c.finish(ctx, p)
}

// begun is a plan that begins now.
func (c *Closing) begun(items []erasure.Item) plan {
	now, confidence := c.Now()
	return plan{Version: 1, Certificate: erasure.Certificate{
		Version: 1, ID: erasure.NewID(), Box: c.Box, Site: c.Site, Began: now.UnixMilli(), Ended: now.UnixMilli(), Clock: confidence,
		Items: items, Keys: c.Keys(),
	}}
}

// count counts parts for what was ordered; what cannot be counted in time is there as unknown.
func (c *Closing) count(ctx context.Context, parts []Part) (items []erasure.Item) {
	ctx, cancel := context.WithTimeout(ctx, countWithin)
	defer cancel()
	for i, p := range parts {
		found, err := p.Count(ctx)
		if err != nil {
			c.Log.ErrorContext(ctx, "what is to be erased could not be counted", slog.String("part", p.What), slog.Any("error", err))
			found = []erasure.Item{{What: cmp.Or(p.What, fmt.Sprintf("part-%d", len(c.Parts)-len(parts)+i+1)), Unknown: true}}
		}
		items = append(items, found...)
	}
	return items
}

// keysFirst erases the first part and then counts the others. What fails is tried again with them.
func (c *Closing) keysFirst(ctx context.Context, p plan) plan {
	if err := c.Parts[0].Erase(ctx); err != nil {
		c.Log.ErrorContext(ctx, "the site keys could not be erased at once", slog.Any("error", err))
	}
	p.KeysFirst = false
	p.Certificate.Items = append(p.Certificate.Items, c.count(ctx, c.Parts[1:])...)
	counting, cancel := context.WithTimeout(ctx, countWithin)
	defer cancel()
	if unsafe, err := c.Records(counting); err == nil {
		p.Certificate.Unsafe, p.Certificate.Uncounted = unsafe, false
	} else {
		c.Log.ErrorContext(ctx, "records that are not safe could not be counted", slog.Any("error", err))
	}
	if err := writePlan(c.Dir, p); err != nil {
		c.Log.ErrorContext(ctx, "what was counted could not be kept", slog.Any("error", err))
	}
	return p
}

// ordered finds the certificate of an order that was done before: a box that crashed before it noted so is given the order again.
func (c *Closing) ordered(ctx context.Context, id record.ID128) (Done, bool) {
	names, err := filepath.Glob(filepath.Join(c.Dir, prefixCert+"*.cbor"))
	key, kerr := sign.PublicKeyOf(c.Device.Public())
	if err = errors.Join(err, kerr); err != nil {
		c.Log.ErrorContext(ctx, "looking for a certificate failed", slog.Any("error", err))
		return Done{}, false
	}
	for _, name := range names {
		msg, err := os.ReadFile(name)
		if err != nil {
			c.Log.ErrorContext(ctx, "a certificate of erasure cannot be read", slog.Any("error", err))
			continue
		}
		if cert, err := erasure.Open(sign.One{Key: key}, msg); err == nil && cert.Order != nil && *cert.Order == id {
			return Done{cert, msg, cert.Text(key.ID())}, true
		}
	}
	return Done{}, false
}

// Resume finishes a closing that was interrupted; false if there is none. A box calls it once its parts are open. Errors are Close's.
func (c *Closing) Resume(ctx context.Context) (Done, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.settle()
	p, found, err := c.lying(ctx)
	if !found {
		return Done{}, false, err
	}
	d, err := c.resume(ctx, p)
	return d, true, err
}

func (c *Closing) resume(ctx context.Context, p plan) (Done, error) {
	if p.Certificate.Everything {
		c.halt()
	}
	c.Log.WarnContext(ctx, "going on with the closing of the site", slog.String("by", p.Certificate.By))
	return c.finish(context.WithoutCancel(ctx), p)
}

func (c *Closing) finish(ctx context.Context, p plan) (Done, error) {
	if p.KeysFirst {
		p = c.keysFirst(ctx, p)
	}
	var errs []error
	for _, part := range c.Parts {
		errs = append(errs, part.Erase(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return Done{}, fmt.Errorf("erasing: %w", err)
	}
	if p.Certificate.Everything {
		return c.everything(ctx, p)
	}
	d, err := c.certify(p.Certificate)
	if err != nil {
		return Done{}, fmt.Errorf("certifying the erasure: %w", err)
	}
	if err := removePlan(c.Dir); err != nil {
		return Done{}, err
	}
	c.Log.WarnContext(ctx, "the site is closed on this box", slog.String("certificate", d.Certificate.ID.String()))
	return d, nil
}

// everything certifies that the records go as well, if there are no more of them than were counted: whoever said so said how many.
func (c *Closing) everything(ctx context.Context, p plan) (Done, error) {
	unsafe, err := c.Records(ctx)
	if err != nil {
		return Done{}, fmt.Errorf("counting records that are not safe: %w", err)
	}
	if unsafe > p.Certificate.Unsafe {
		c.Log.ErrorContext(ctx, "records were added while everything was to go; the site is closed, and they stay", slog.Uint64("records_not_safe", unsafe))
		return c.stay(ctx, p, unsafe)
	}
	d, err := c.certify(p.Certificate)
	if err != nil {
		return Done{}, fmt.Errorf("certifying the erasure: %w", err)
	}
	p.Leaving = true
	if err := writePlan(c.Dir, p); err != nil {
		return Done{}, err
	}
	c.Log.WarnContext(ctx, "everything goes from this box", slog.String("certificate", d.Certificate.ID.String()))
	return d, nil
}

// stay makes a plan one that leaves the records here, and finishes it. A certificate that says otherwise was given to nobody yet.
func (c *Closing) stay(ctx context.Context, p plan, unsafe uint64) (Done, error) {
	for _, tail := range []string{".cbor", ".json", ".txt"} {
		err := os.Remove(filepath.Join(c.Dir, prefixCert+p.Certificate.ID.String()+tail))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Done{}, fmt.Errorf("taking a certificate back: %w", err)
		}
	}
	p.Leaving, p.Certificate.Everything, p.Certificate.Unsafe = false, false, unsafe
	if err := writePlan(c.Dir, p); err != nil {
		return Done{}, err
	}
	d, err := c.finish(ctx, p)
	if err != nil {
		return Done{}, err
	}
	return d, &UnsafeError{unsafe}
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
