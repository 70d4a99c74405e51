package crl

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/sign"
)

// ErrOverride says that an override is malformed, has expired or is not signed by this central.
var ErrOverride = errors.New("override cannot be used")

const (
	overrideVersion = 1
	maxOverride     = 8 << 10 // octets, signed
	maxReason       = 500     // octets of Reason and By
	endOverride     = ".override"
	endUsed         = ".used" // after the other ending
)

// MaxOverride is the longest that an override may be good for.
const MaxOverride = 30 * 24 * time.Hour

// Override lets one list in whose number is not above that of the one held, once: its authority began to count anew. It is signed by
// C-sign for sign.PurposeCRLOverride. A list must still be no older than the one held by its thisUpdate.
type Override struct {
	Version   uint8            `cbor:"1,keyasint"`
	Hierarchy certid.Hierarchy `cbor:"2,keyasint"`
	Purpose   certid.Purpose   `cbor:"3,keyasint"`
	Point     []byte           `cbor:"4,keyasint,omitempty"` // directory name (DER) of the partition; empty: the whole list
	Key       []byte           `cbor:"5,keyasint"`           // certid.KeyID of the key that signs the list
	From      uint64           `cbor:"6,keyasint"`           // CRL number from which it lets a list in
	Reason    string           `cbor:"7,keyasint"`
	By        string           `cbor:"8,keyasint"` // who answers for it
	Made      int64            `cbor:"9,keyasint"` // Unix seconds
	Expires   int64            `cbor:"10,keyasint"`
}

// Scope is whose lists it speaks of.
func (o Override) Scope() certid.Scope {
	return certid.Scope{Hierarchy: o.Hierarchy, Purpose: o.Purpose}
}

func (o Override) check() error {
	switch {
	case o.Version != overrideVersion || !o.Scope().Valid() || len(o.Key) != len(certid.KeyID{}) || len(o.Point) > manifest.MaxPoint:
		return fmt.Errorf("%w: malformed", ErrOverride)
	case strings.TrimSpace(o.Reason) == "" || strings.TrimSpace(o.By) == "" || len(o.Reason) > maxReason || len(o.By) > maxReason:
		return fmt.Errorf("%w: it must say why and who, in at most %d octets each", ErrOverride, maxReason)
	case o.Expires <= o.Made || time.Duration(o.Expires-o.Made)*time.Second > MaxOverride:
		return fmt.Errorf("%w: it must be good for at most %d days", ErrOverride, MaxOverride/(24*time.Hour))
	}
	return nil
}

// SignOverride closes an override with C-sign. ErrOverride if it is malformed.
func SignOverride(key crypto.Signer, o Override) ([]byte, error) {
	o.Version = overrideVersion
	if err := o.check(); err != nil {
		return nil, err
	}
	b, err := canon.Encode(o)
	if err != nil {
		return nil, err
	}
	return sign.Sign(key, sign.PurposeCRLOverride, b)
}

// OpenOverride verifies and checks a signed override, its times excepted: ErrOverride, or an error of package sign.
func OpenOverride(keys sign.Keys, signed []byte) (Override, error) {
	payload, _, err := sign.Open(keys, sign.PurposeCRLOverride, signed)
	if err != nil {
		return Override{}, fmt.Errorf("%w: %w", ErrOverride, err)
	}
	var o Override
	if err := canon.Decode(payload, &o, maxOverride); err != nil {
		return Override{}, fmt.Errorf("%w: %w", ErrOverride, err)
	}
	return o, o.check()
}

// PlaceOverride puts a signed override where the store of a folder finds it, at once and beside a running central.
func PlaceOverride(dir string, signed []byte) (path string, err error) {
	folder := filepath.Join(dir, dirOverrides)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("making the folder of overrides: %w", err)
	}
	id := sha256.Sum256(signed)
	path = filepath.Join(folder, hex.EncodeToString(id[:8])+endOverride)
	return path, durable.WriteFile(path, signed, 0o600)
}

// spend marks the files of overrides that let a list in. The state names them, too; their new names outlive it.
func (b *batch) spend() {
	for _, path := range b.used {
		if err := os.Rename(path, path+endUsed); err != nil {
			b.s.Log.Warn("a used override could not be marked as such", slog.String("file", filepath.Base(path)), slog.Any("error", err))
		}
	}
}

// override looks for one that lets a list in.
func (s *Store) override(ctx context.Context, of certid.Scope, row manifest.Row, used []manifest.Digest) (_ found, ok bool) {
	dir := filepath.Join(s.Dir, dirOverrides)
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Log.WarnContext(ctx, "overrides cannot be read", slog.Any("error", err))
	}
	now := s.Now().Unix()
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), endOverride) {
			continue
		}
		path := filepath.Join(dir, f.Name())
		o, id, err := s.readOverride(path)
		switch {
		case err != nil:
			s.Log.WarnContext(ctx, "an override cannot be used", slog.String("file", f.Name()), slog.Any("error", err))
		case o.Scope() != of || !bytes.Equal(o.Point, row.Point) || !bytes.Equal(o.Key, row.Key) || row.Number < o.From:
		case now < o.Made-int64(clockSkew/time.Second) || now >= o.Expires || slices.Contains(used, id):
		default:
			return found{o, id, path}, true
		}
	}
	return found{}, false
}

func (s *Store) readOverride(path string) (Override, manifest.Digest, error) {
	b, err := os.ReadFile(path) //nolint:gosec // named by the folder
	if err != nil {
		return Override{}, manifest.Digest{}, err
	}
	o, err := OpenOverride(s.keys, b)
	return o, sha256.Sum256(b), err
}
