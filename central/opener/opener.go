// Package opener opens what intake received and settles it: exactly once for each record, as of the tap.
//
// It runs beside receiving and takes its work from the store, so that a stop at any point loses nothing: what was not
// committed is done again and ends in the same single row. Each record is settled in one transaction: its row with the
// evidence, the person and pseudonym, what an enrolment leaves, the outgoing verdict. What a card is said to have proved counts once its
// signature was verified here. Several openers may work on one store. Nothing opened is kept in
// clear, and nothing of it is logged. It does not talk to boxes; package boxline hands its verdicts out.
package opener

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/central/intake/lineage"
	"kazashi.example/central/person"
	"kazashi.example/central/ppid"
	"kazashi.example/central/store"
	"kazashi.example/central/validity"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// How work is taken: records at a time, of which so many ask about a certificate at once; and how often the store is looked
// at when nobody rings, because another process may have brought work.
const (
	batchSize = 128
	atOnce    = 8
	lookEvery = 30 * time.Second
)

// Pauses before a record that nobody could settle is tried again; each try doubles the pause.
const (
	firstPause = time.Second
	lastPause  = 5 * time.Minute
)

// awaitPause is when a record that waits for another tap or a renewal is looked at again although that did not come: its coming alone makes
// the record due, so this is for nothing but a fault of ours.
const awaitPause = 6 * time.Hour

// askTimeout bounds one question about a certificate.
const askTimeout = 20 * time.Second

// maxOpeners bounds the epoch keys kept in memory.
const maxOpeners = 1024

// ErrSealKey says that the private half of the key that an epoch was sealed to is not here.
var ErrSealKey = errors.New("no sealing key of this id; put its backup back")

// SealKeys finds C-seal by its id; ErrSealKey.
type SealKeys interface {
	SealKey(id sign.KeyID) (seal.PrivateKey, error)
}

// Rows keys and closes columns that name people.
type Rows interface {
	// Index is equal for equal values under one label, and tells nothing else.
	Index(label string, value []byte) []byte
	// Seal closes a value for one row.
	Seal(label string, row, plain []byte) []byte
	// Open is the inverse of Seal; an error if anything was changed.
	Open(label string, row, sealed []byte) ([]byte, error)
}

// Identity derives handles and pseudonyms; deterministic.
type Identity interface {
	Handle(v record.VerifierID, first certid.CertID) (ppid.Handle, error)
	PPID(sector string, h ppid.Handle) (record.Subject, error)
	// Epoch numbers the key under which PPID derives.
	Epoch() uint32
}

// Services says what each service demanded, and in which sector its people are named.
type Services interface {
	// Rule is a service's under the rules of a site that a box held; under those in force now, if that version is not known here. False if
	// they know no such service.
	Rule(ctx context.Context, site record.SiteID, held rule.Version, id record.ServiceID) (rule.Rule, bool, error)
	Sector(id record.ServiceID) (string, bool)
}

// Validity answers for one certificate and a tap at some moment from from to to, both included: the strictest that holds for any of them.
// An error means that nobody could answer and to ask later.
type Validity interface {
	StatusWithin(ctx context.Context, id certid.CertID, issuer content.Issuer, from, to time.Time) (validity.Status, error)
}

// Examiner reads a certificate that came with a record.
type Examiner interface {
	Examine(der []byte) (jpki.AuthCert, error)
}

// Bells are rung and heard: New when there is something to open, Box when a box has something to fetch.
type Bells interface {
	// New is closed when something came since it was asked for.
	New() <-chan struct{}
	// Ring tells a box that there is something for it.
	Ring(id record.BoxID)
}

// Renewals asks which certificates took the place of others.
type Renewals interface {
	// Tells reports whether anybody is asked about certificates of a hierarchy.
	Tells(h certid.Hierarchy) bool
	// Current returns once everything was told that there was to tell of a certificate that began then; an error means that this
	// cannot be said now. It does not block for long, however often it is called.
	Current(ctx context.Context, began time.Time) error
}

// Config is what an opener works with.
type Config struct {
	Store    store.Store
	SealKeys SealKeys
	Rows     Rows
	Identity Identity
	Services Services
	Validity Validity
	Examiner Examiner
	Holds    Holds    // nil: no refusal for a hold is looked at again
	Renewals Renewals // nil: nobody is asked
	Bells    Bells
	Now      func() time.Time
	Signed   func() time.Time // the newest time that an authority signed, zero for none; nil: nobody is asked
	Log      *slog.Logger
}

// Opener opens and settles.
type Opener struct {
	Config

	people *person.People
	missed chan struct{} // a refusal for a hold could not be looked at as it was added

	mu   sync.Mutex // guards keys
	keys map[record.EpochID]*held
}

// held is an epoch's key with its header as central stored it. opener is nil where the header's encapsulation holds no key at
// all: a box signed what it likes, and no envelope can open under it.
type held struct {
	epoch  store.Epoch
	opener *epoch.Opener
}

// New makes an opener; Run starts it.
func New(c Config) *Opener {
	return &Opener{Config: c, people: person.New(c.Rows, c.Identity), missed: make(chan struct{}, 1), keys: map[record.EpochID]*held{}}
}

// Run opens until the context ends, which is its only error unless the store fails for good.
func (o *Opener) Run(ctx context.Context) error {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		bell := o.Bells.New()
		if err := o.Drain(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			o.Log.ErrorContext(ctx, "opening records failed; trying again", slog.Any("error", err))
		}
		timer.Reset(o.pause(ctx))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-bell:
		case <-timer.C:
		}
	}
}

// pause is how long nothing is due.
func (o *Opener) pause(ctx context.Context) time.Duration {
	var due time.Time
	err := o.Store.View(ctx, func(tx store.Tx) (err error) { due, err = tx.NextReady(); return err })
	if err != nil {
		return lookEvery
	}
	return min(max(due.Sub(o.Now()), firstPause/4), lookEvery)
}

// Drain opens everything that is due now and returns. A record that cannot be settled yet is put off and stops no other.
func (o *Opener) Drain(ctx context.Context) error {
	for {
		var batch []store.Envelope
		err := o.Store.View(ctx, func(tx store.Tx) (err error) { batch, err = tx.Ready(o.Now(), batchSize); return err })
		if err != nil {
			return fmt.Errorf("looking for records to open: %w", err)
		}
		if len(batch) == 0 {
			return nil
		}
		g, each := errgroup.WithContext(ctx)
		g.SetLimit(atOnce)
		for _, e := range batch {
			g.Go(func() error { return o.one(each, e) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
}

// one opens one envelope. What stands in the way of this one is logged once and puts it off, so that no box can hold up the
// records of the others; only a store that cannot even note that ends the round.
func (o *Opener) one(ctx context.Context, e store.Envelope) error {
	err := o.try(ctx, e)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if e.Tries == 0 {
		o.Log.ErrorContext(ctx, "a record waits: it could not be opened and settled", slog.String("record", e.ID.String()), slog.Any("error", err))
	}
	if later := o.postpone(ctx, e); later != nil {
		return errors.Join(err, later)
	}
	return nil
}

func (o *Opener) try(ctx context.Context, e store.Envelope) error {
	k, err := o.key(ctx, e.ID.Epoch)
	if err != nil {
		return err
	}
	var plain []byte
	if k.opener != nil {
		if plain, err = open(k, e); err == nil {
			return o.settle(ctx, k.epoch, e, plain)
		}
	}
	if k.opener == nil || errors.Is(err, seal.ErrOpen) {
		return o.setAside(ctx, k.epoch, e)
	}
	return err
}

func open(k *held, e store.Envelope) ([]byte, error) {
	v, err := epoch.DecodeEnvelope(e.Bytes)
	if err != nil {
		return nil, fmt.Errorf("decoding stored envelope %s: %w", e.ID, err)
	}
	return k.opener.Open(v)
}

// key finds the epoch's key again, once for each epoch and run.
func (o *Opener) key(ctx context.Context, id record.EpochID) (*held, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if k := o.keys[id]; k != nil {
		return k, nil
	}
	var e store.Epoch
	if err := o.Store.View(ctx, func(tx store.Tx) (err error) { e, err = tx.Epoch(id); return err }); err != nil {
		return nil, fmt.Errorf("finding epoch %s: %w", id, err)
	}
	with, err := o.SealKeys.SealKey(e.Signed.Header.Recipient)
	if err != nil {
		return nil, fmt.Errorf("opening epoch %s: %w", id, err)
	}
	opener, err := epoch.NewOpener(e.Signed.Header, with)
	if err != nil && !errors.Is(err, seal.ErrOpen) {
		return nil, err
	}
	if len(o.keys) >= maxOpeners {
		clear(o.keys)
	}
	o.keys[id] = &held{e, opener}
	return o.keys[id], nil
}

// setAside takes an envelope whose tag failed out of what central holds: it is nobody's record.
func (o *Opener) setAside(ctx context.Context, e store.Epoch, v store.Envelope) error {
	o.Log.WarnContext(ctx, "an envelope does not open under its epoch's key; set aside", slog.String("record", v.ID.String()),
		slog.String("carrier", v.Carrier.String()))
	if err := o.Store.Update(ctx, func(tx store.Tx) error { return tx.SetEnvelope(v.Row, store.EnvelopeAside) }); err != nil {
		return fmt.Errorf("setting an envelope aside: %w", err)
	}
	o.Bells.Ring(e.Box)
	return nil
}

func (o *Opener) postpone(ctx context.Context, e store.Envelope) error {
	pause := firstPause << min(e.Tries, 20)
	until := o.Now().Add(min(pause, lastPause))
	err := o.Store.Update(ctx, func(tx store.Tx) error { return tx.Postpone(e.Row, until, e.Tries+1) })
	if err != nil {
		return fmt.Errorf("putting a record off: %w", err)
	}
	return nil
}

// await puts a record off until what it waits for is here: the tap that it names, or a renewal. It may have come since this record was
// examined.
func (o *Opener) await(ctx context.Context, e store.Envelope, f finding) error {
	err := o.Store.Update(ctx, func(tx store.Tx) error {
		err := o.arrived(tx, f)
		switch {
		case err == nil:
			return tx.Postpone(e.Row, o.Now(), e.Tries)
		case errors.Is(err, store.ErrNone):
			return tx.Await(e.Row, f.awaits, o.Now().Add(awaitPause), e.Tries+1)
		default:
			return err
		}
	})
	if err != nil {
		return fmt.Errorf("putting a record off until another one comes: %w", err)
	}
	return nil
}

// arrived is store.ErrNone while what a record waits for is not here.
func (o *Opener) arrived(tx store.Tx, f finding) error {
	if f.pair {
		_, err := o.people.Find(tx, f.rule.Verifier, f.cert)
		return err
	}
	_, err := tx.RecordByTap(f.record.Card.Enrolled)
	return err
}

// authenticate notes that an envelope is genuine, before anything is asked about it: what it says of forks must not wait for
// a responder.
func authenticate(tx store.Tx, e store.Epoch, row int64, now time.Time) error {
	news, err := tx.Authenticate(row)
	if err != nil || !news {
		return err
	}
	return lineage.Record(tx, e, now)
}
