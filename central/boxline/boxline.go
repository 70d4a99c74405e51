// Package boxline is central as boxes see it: it joins them, takes what they bring and gives them what they lack.
//
// It implements uplink.Service over registry, intake and store. What a box is told and must believe later is signed; what it
// is told is durable before it is told. A PPID leaves only once its row is inside a named backup. A [Line] may be used from
// any goroutine; it remembers in memory only what each box was told last, so that a poll can wait for news:
// after a restart every box is told once more. It opens no record.
package boxline

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"sync"
	"time"

	"kazashi.example/central/intake"
	"kazashi.example/central/internal/seldom"
	"kazashi.example/central/opener"
	"kazashi.example/central/registry"
	"kazashi.example/central/sitekeys"
	"kazashi.example/central/store"
	"kazashi.example/central/store/notice"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// Desired is what every box is to have, beside its own records. Ring every bell when any of it changes.
type Desired interface {
	// Rules is the rule set in force at a site, signed.
	Rules(site record.SiteID) (v rule.Version, signed []byte, err error)
	// Bundle is the trust bundle in force: its number and its travelling form.
	Bundle() (number uint64, travelling []byte)
	// Offers are the revocation sets that are newer than what a box holds, at most one a scope, with the deltas that lead from
	// there if there are any.
	Offers(held []wire.HeldSet) []wire.SetOffer
	// OpenBlob opens a file that was offered. fs.ErrNotExist for what is not there, or no longer.
	OpenBlob(id wire.BlobID) (*os.File, error)
}

// Rosters offers sites' rosters, as files that OpenBlob opens.
type Rosters interface {
	// Offer is a site's newest roster; false if there is none. It reads what is made already, and makes nothing.
	Offer(tx store.Tx, site record.SiteID) (wire.RosterOffer, bool, error)
}

// Config is what a line works with. Rosters may be nil: none is offered then.
type Config struct {
	Store    store.Store
	Registry *registry.Registry
	Intake   *intake.Intake
	Acks     *intake.Acks
	Rows     opener.Rows
	Keys     *sitekeys.Keys
	Desired  Desired
	Rosters  Rosters
	Bells    *notice.Bells
	Sign     crypto.Signer // C-sign
	Now      func() time.Time
	Log      *slog.Logger
}

// Line serves boxes.
type Line struct {
	Config

	notLetIn *seldom.Line // joins refused

	mu    sync.Mutex // guards peers
	peers map[record.BoxID]*peer
}

// Peer is what was last heard of a box; lost at a restart.
type Peer struct {
	Seen    time.Time // zero: not since central started
	Clock   time.Time // the box's own
	Waiting uint64    // records that the box says it has not delivered
	Release string
}

// peer is Peer with what the box was told.
type peer struct {
	Peer
	told told

	offered map[certid.Scope]offered
	lately  map[string]lately
	badKey  bool // a site key that it brings cannot be taken, and the log has it
}

// told is what the box holds of acknowledgements if it holds version.
type told struct {
	version rule.Version
	epochs  map[record.EpochID]intake.Digest
}

var _ uplink.Service = (*Line)(nil)

// New makes a line.
func New(c Config) *Line {
	return &Line{Config: c, notLetIn: seldom.New(seldom.Every, c.Now), peers: map[record.BoxID]*peer{}}
}

// Peer says what was last heard of a box.
func (l *Line) Peer(id record.BoxID) Peer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.peers[id]; p != nil {
		return p.Peer
	}
	return Peer{}
}

// with runs f on a box's memory.
func (l *Line) with(id record.BoxID, f func(*peer)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.peers[id] == nil {
		l.peers[id] = &peer{}
	}
	f(l.peers[id])
}

// Join registers a box. Refusals say no more than the box may know.
func (l *Line) Join(ctx context.Context, device sign.PublicKey, q wire.JoinRequest) (wire.JoinAnswer, error) {
	a, err := l.Registry.Join(ctx, device, q)
	return l.joined(ctx, q, a, err)
}

// JoinByCourier is Join for a request that came on a stick.
func (l *Line) JoinByCourier(ctx context.Context, q wire.JoinRequest) (wire.JoinAnswer, error) {
	a, err := l.Registry.JoinByCourier(ctx, q)
	return l.joined(ctx, q, a, err)
}

// joined says what became of a request, here and to whom it is news.
func (l *Line) joined(ctx context.Context, q wire.JoinRequest, a wire.JoinAnswer, err error) (wire.JoinAnswer, error) {
	for _, known := range []error{
		registry.ErrCode, registry.ErrServer, registry.ErrKeys, registry.ErrUsed, registry.ErrExpired, registry.ErrTaken,
		registry.ErrSwap,
	} {
		if errors.Is(err, known) {
			if n, due := l.notLetIn.Happened(); due { // anybody can knock
				l.Log.WarnContext(ctx, "a box was not let in", slog.String("box", q.Box.String()), slog.Any("error", err), slog.Int("count", n))
			}
			return a, &uplink.Refusal{Code: wire.CodeJoinRefused, Message: known.Error()}
		}
	}
	if err != nil {
		return a, fmt.Errorf("joining box %s: %w", q.Box, err)
	}
	l.Log.InfoContext(ctx, "a box joined", slog.String("box", q.Box.String()), slog.String("site", string(a.Site)))
	l.Bells.Came() // records may have waited for it
	if err := l.ringSite(ctx, a.Site); err != nil {
		l.Log.WarnContext(ctx, "the other boxes of a site hear later of the one that joined", slog.Any("error", err))
	}
	return a, nil
}

// box finds whose connection this is.
func (l *Line) box(ctx context.Context, device sign.PublicKey) (b store.Box, err error) {
	err = l.Store.View(ctx, func(tx store.Tx) error { b, err = tx.BoxByDevice(device.ID()); return err })
	if errors.Is(err, store.ErrNone) {
		return b, &uplink.Refusal{Code: wire.CodeUnknownBox, Message: "no box with this device key has joined; join it with a new code"}
	}
	if err != nil {
		return b, fmt.Errorf("finding the box of a connection: %w", err)
	}
	return b, nil
}

// Known answers for every box that ever joined: one out of service may still bring its records, and hears from Poll that it was
// taken out.
func (l *Line) Known(ctx context.Context, device sign.PublicKey) error {
	_, err := l.box(ctx, device)
	return err
}

// Blob opens a file for a box in service.
func (l *Line) Blob(ctx context.Context, device sign.PublicKey, id wire.BlobID) (io.ReadSeekCloser, error) {
	b, err := l.serving(ctx, device)
	if err == nil && b.State == store.BoxReplaced {
		err = errReplaced
	}
	if err != nil {
		return nil, err
	}
	f, err := l.Desired.OpenBlob(id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &uplink.Refusal{Code: wire.CodeUnknownBlob, Message: "there is no such file, or no longer; poll for what there is"}
	}
	if err != nil {
		return nil, fmt.Errorf("opening blob %s: %w", id, err)
	}
	return f, nil
}

// serving finds whose connection this is, if the box is in service.
func (l *Line) serving(ctx context.Context, device sign.PublicKey) (store.Box, error) {
	b, err := l.box(ctx, device)
	if err == nil && b.State == store.BoxRevoked {
		return b, errRevoked
	}
	return b, err
}

// Push stores what a box brought, its own or another's. A box out of service may still bring: it is held.
func (l *Line) Push(ctx context.Context, device sign.PublicKey, p wire.Push) (wire.Pushed, error) {
	b, err := l.box(ctx, device)
	if err != nil {
		return wire.Pushed{}, err
	}
	taken, err := l.Intake.Receive(ctx, device.ID(), p)
	if errors.Is(err, intake.ErrTooMany) {
		return wire.Pushed{}, &uplink.Refusal{Code: wire.CodeBadMessage, Message: err.Error()}
	}
	if err != nil {
		return wire.Pushed{}, fmt.Errorf("receiving from box %s: %w", b.ID, err)
	}
	if len(taken.Boxes) > 0 {
		l.Bells.Came()
	}
	if n := len(taken.Refused); n > 0 {
		l.Log.WarnContext(ctx, "parts of a push were refused", slog.String("box", b.ID.String()), slog.Int("count", n),
			slog.String("reason", taken.Refused[0].Reason))
	}
	held, err := l.Acks.For(ctx, b.ID, taken.Epochs)
	if err != nil {
		return wire.Pushed{}, err
	}
	l.with(b.ID, func(p *peer) { p.told.learn(held) })
	return wire.Pushed{Ack: held.Message, Refused: taken.Refused}, nil
}

// learn notes an acknowledgement on its way to the box.
func (t *told) learn(h intake.Held) {
	if t.epochs == nil {
		t.epochs = map[record.EpochID]intake.Digest{}
	}
	if h.Version.Compare(t.version) <= 0 {
		return
	}
	t.version = h.Version
	maps.Copy(t.epochs, h.Epochs)
}
