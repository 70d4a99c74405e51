package vault

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

const (
	fileRing    = "site-ring.cbor"
	fileDamaged = "site-ring.damaged"
	maxRing     = 512 << 10 // octets
	maxWiped    = 1024      // generations that never come back
	maxMade     = 64        // generations that wait for central
)

// ErrRing says that the file of site keys is damaged, or was not written by this box.
var ErrRing = errors.New("file of site keys is damaged, or another box's")

// ringFile is everything of a site's keys that lies on the disk. It is signed by D, so that nobody who writes to the disk elsewhere plants
// keys of his own; it is replaced whole.
type ringFile struct {
	Version uint8                `cbor:"1,keyasint"`
	Site    record.SiteID        `cbor:"2,keyasint"`
	Box     record.BoxID         `cbor:"3,keyasint"`
	Lock    *lockForm            `cbor:"4,keyasint,omitempty"` // nil: no key lies here
	Keys    []sitekey.Wrapped    `cbor:"5,keyasint,omitempty"` // to the lock, oldest first; the current one last
	Made    []sitekey.Wrapped    `cbor:"6,keyasint,omitempty"` // to C-seal: made here, and not yet named by a grant
	Grant   rule.Version         `cbor:"7,keyasint,omitzero"`  // the newest taken
	Members []sitekey.Member     `cbor:"8,keyasint,omitempty"` // as the grant names them
	Wiped   []sitekey.Generation `cbor:"9,keyasint,omitempty"` // erased here: they never come back
	Hold    Hold                 `cbor:"10,keyasint,omitempty"`
	Named   []sitekey.Generation `cbor:"11,keyasint,omitempty"` // the keys of the newest grant taken, whether they lie here or not
	Current *sitekey.Generation  `cbor:"12,keyasint,omitempty"` // which one central made current, as far as is known here; nil if that is not known
	Since   rule.Version         `cbor:"13,keyasint,omitzero"`  // the grant by which that is known: taken here or by a peer
}

func (f *ringFile) check() error {
	if f.Version != 1 || record.CheckName(f.Site) != nil || f.Box.IsZero() || len(f.Keys) > sitekey.MaxRing || len(f.Made) > maxMade ||
		len(f.Members) > sitekey.MaxMembers || len(f.Wiped) > maxWiped || len(f.Named) > sitekey.MaxGenerations || !f.Hold.known() {
		return ErrRing
	}
	if (f.Lock == nil) != (len(f.Keys) == 0) {
		return fmt.Errorf("%w: keys without a lock, or a lock without keys", ErrRing)
	}
	for _, w := range f.Made {
		if w.Check() != nil || w.Site != f.Site {
			return fmt.Errorf("%w: a key that was made here", ErrRing)
		}
	}
	if f.Lock == nil {
		return nil
	}
	to, err := f.Lock.check()
	if err != nil {
		return err
	}
	for i, w := range f.Keys {
		if w.Check() != nil || w.Site != f.Site || w.Recipient != to.ID() || i != indexOf(f.Keys, w.Generation) {
			return fmt.Errorf("%w: a key", ErrRing)
		}
	}
	return nil
}

func indexOf(keys []sitekey.Wrapped, g sitekey.Generation) int {
	return slices.IndexFunc(keys, func(w sitekey.Wrapped) bool { return w.Generation == g })
}

// decodeRing is the inverse of encode. ErrRing, or an error of packages sign and canon.
func decodeRing(keys sign.Keys, b []byte) (*ringFile, error) {
	if len(b) > maxRing {
		return nil, fmt.Errorf("%w: %d octets, cap %d", canon.ErrSize, len(b), maxRing)
	}
	payload, _, err := sign.Open(keys, sign.PurposeRing, b)
	if err != nil {
		return nil, err
	}
	var f ringFile
	if err := canon.Decode(payload, &f, maxRing); err != nil {
		return nil, err
	}
	return &f, f.check()
}

func (f *ringFile) encode(device crypto.Signer) ([]byte, error) {
	out := *f // the file in force is never changed in place
	out.Version = 1
	if err := out.check(); err != nil {
		return nil, err
	}
	b, err := canon.Encode(&out)
	if err != nil {
		return nil, err
	}
	return sign.Sign(device, sign.PurposeRing, b)
}

// readRing reads the file of a box; an empty one if there is none. One that cannot be used is set aside under another name, and the box begins
// without site keys: central or a peer gives them again. Only a disk that does not answer is an error.
func readRing(dir string, id *Identity, site record.SiteID) (f *ringFile, damaged, err error) {
	none := &ringFile{Site: site, Box: id.Box}
	b, err := os.ReadFile(filepath.Join(dir, fileRing))
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	device, err := id.Public()
	if err != nil {
		return nil, nil, err
	}
	f, err = decodeRing(sign.One{Key: device}, b)
	if err == nil && (f.Site != site || f.Box != id.Box) {
		err = fmt.Errorf("%w: of site %s", ErrRing, f.Site)
	}
	if err == nil {
		return f, nil, nil
	}
	if aside := setAside(dir); aside != nil {
		return nil, nil, errors.Join(err, aside)
	}
	return none, err, nil
}

// setAside keeps at most one damaged file: each is of no use without its lock, and the newest is the likeliest to be asked for.
func setAside(dir string) error {
	if err := os.Rename(filepath.Join(dir, fileRing), filepath.Join(dir, fileDamaged)); err != nil {
		return err
	}
	return durable.SyncDir(dir)
}

// ring opens what lies on the disk with the private half of its lock.
func (f *ringFile) ring(lock seal.PrivateKey) (sitekey.Ring, error) {
	r, err := sitekey.UnwrapAll(lock, f.Site, f.Keys)
	if err != nil {
		return sitekey.Ring{}, fmt.Errorf("%w: %w", ErrRing, err)
	}
	return r, nil
}

// with is the file holding also the keys of r, closed to its own lock, which need not be open for that. Generations that only the file
// holds stay, before those of r.
func (f *ringFile) with(r sitekey.Ring) (*ringFile, error) {
	to, err := f.Lock.check()
	if err != nil {
		return nil, err
	}
	next := *f
	next.Keys = slices.DeleteFunc(slices.Clone(f.Keys), func(w sitekey.Wrapped) bool {
		_, held := r.Find(w.Generation)
		return held
	})
	for _, k := range r.Keys() {
		if i := indexOf(f.Keys, k.Generation()); i >= 0 {
			next.Keys = append(next.Keys, f.Keys[i])
			continue
		}
		w, err := sitekey.Wrap(to, f.Site, k)
		if err != nil {
			return nil, err
		}
		next.Keys = append(next.Keys, w)
	}
	if len(next.Keys) > sitekey.MaxRing {
		return nil, sitekey.ErrFull
	}
	return &next, nil
}

// without is the file without some of its keys.
func (f *ringFile) without(gone []sitekey.Generation) *ringFile {
	next := *f
	next.Keys = slices.DeleteFunc(slices.Clone(f.Keys), func(w sitekey.Wrapped) bool { return slices.Contains(gone, w.Generation) })
	return &next
}

// madeLast is the file with what was made here, and not named yet, after everything else: the last of it is current once it is open.
func (f *ringFile) madeLast() *ringFile {
	next := *f
	next.Keys = slices.DeleteFunc(slices.Clone(f.Keys), func(w sitekey.Wrapped) bool { return indexOf(f.Made, w.Generation) >= 0 })
	for _, m := range f.Made {
		if i := indexOf(f.Keys, m.Generation); i >= 0 {
			next.Keys = append(next.Keys, f.Keys[i])
		}
	}
	return &next
}

// blank is the file without keys; it keeps what must not be forgotten.
func (f *ringFile) blank() *ringFile {
	next := *f
	next.Lock, next.Keys = nil, nil
	return &next
}

// relocked is the file with the keys of r alone, closed to a new lock.
func (f *ringFile) relocked(l *lockForm, r sitekey.Ring) (*ringFile, error) {
	next := f.blank()
	next.Lock = l
	return next.with(r)
}

// replaceable reports whether central gives every key of the file again, so that they need not lie here.
func (f *ringFile) replaceable() bool {
	unnamed := func(w sitekey.Wrapped) bool { return !slices.Contains(f.Named, w.Generation) }
	return len(f.Made) == 0 && !slices.ContainsFunc(f.Keys, unnamed)
}

// by says what opens the file.
func (f *ringFile) by() By {
	if f.Lock == nil {
		return ""
	}
	return ways[f.Lock.Way]
}

// ways are the numbers of package rule in words.
var ways = map[rule.Unlock]By{rule.UnlockCode: ByCode, rule.UnlockTPM: ByTPM, rule.UnlockFile: ByFile}
