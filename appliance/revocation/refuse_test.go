package revocation_test

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/appliance/revocation"
	"kazashi.example/appliance/revocation/settest"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// P7: what is not exactly what was signed is refused by its own name, and the set in use stays.
func TestP7EachFaultOfASetHasItsError(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(w *world, v *settest.Version, o *wire.SetOffer)
		want  error
	}{
		{"signed by a stranger", func(w *world, v *settest.Version, o *wire.SetOffer) {
			w.Key = settest.New(w.t, auth).Key
			w.Sign(v, v.Head)
			*o = w.Offer(0)
		}, sign.ErrUnknownKey},
		{"flipped bit in the signed head", func(w *world, v *settest.Version, o *wire.SetOffer) {
			v.Signed[len(v.Signed)-1] ^= 1
			w.Spoil(v)
			*o = w.Offer(0)
		}, sign.ErrSignature},
		{"one wrong chunk digest in the manifest", func(w *world, v *settest.Version, o *wire.SetOffer) {
			v.Digests()[33] ^= 1
			w.Spoil(v)
			*o = w.Offer(0)
		}, manifest.ErrManifest},
		{"manifest cut", func(w *world, v *settest.Version, o *wire.SetOffer) {
			b := v.Manifest[:len(v.Manifest)-1]
			o.Manifest = wire.Blob{ID: sha256.Sum256(b), Size: uint64(len(b))}
			w.Blobs[o.Manifest.ID] = b
		}, manifest.ErrManifest},
		{"manifest that is another file", func(w *world, v *settest.Version, o *wire.SetOffer) {
			w.Blobs[o.Manifest.ID] = w.All[0].Manifest
			o.Manifest.Size = uint64(len(w.All[0].Manifest))
		}, crlset.ErrDigest},
		{"manifest longer than any", func(_ *world, _ *settest.Version, o *wire.SetOffer) { o.Manifest.Size = manifest.MaxManifest + 1 }, manifest.ErrManifest},
		{"another scope", func(w *world, v *settest.Version, o *wire.SetOffer) {
			h := v.Head
			h.Purpose = certid.PurposeSign
			w.Sign(v, h)
			*o = w.Offer(0)
			o.Purpose = certid.PurposeAuth
		}, manifest.ErrScope},
		{"the number in use, offered as newer", func(w *world, v *settest.Version, o *wire.SetOffer) {
			h := v.Head
			h.Number = w.All[0].Head.Number
			w.Sign(v, h)
			*o = w.Offer(0)
			o.Number.N = 9
		}, revocation.ErrOlder},
		{"a chunk of another set", func(w *world, v *settest.Version, _ *wire.SetOffer) {
			copy(v.Set[crlset.ChunkSize:], w.All[0].Set[2*crlset.ChunkSize:3*crlset.ChunkSize])
		}, crlset.ErrDigest},
		{"a flipped bit in the last chunk", func(_ *world, v *settest.Version, _ *wire.SetOffer) { v.Set[len(v.Set)-1] ^= 1 }, crlset.ErrDigest},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1)
			must(t, w.load(false, w.All[0]))
			v := w.publish(2)
			o := w.Offer(0)
			c.spoil(w, v, &o)
			err := w.box.Fetch(t.Context(), w, []wire.SetOffer{o})
			if errors.Is(c.want, revocation.ErrOlder) {
				err = errors.Join(err, w.unused(c.want)) // is no error of Fetch: nothing is wrong with it
			}
			if !errors.Is(err, c.want) {
				t.Errorf("Fetch = %v, want %v", err, c.want)
			}
			w.holds("after the refusal", 1)
			w.open()
			w.holds("after a restart", 1)
		})
	}
}

// unused is want if no set but the first lies in the folder.
func (w *world) unused(want error) error {
	if sets, _ := filepath.Glob(filepath.Join(w.dir, "*.set")); len(sets) == 1 {
		return want
	}
	return nil
}

// P7: the same of deltas, where no whole set is to be had.
func TestP7EachFaultOfADeltaHasItsError(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(w *world, v *settest.Version, d *manifest.DeltaHead)
		want  error
	}{
		{"for another root", func(_ *world, _ *settest.Version, d *manifest.DeltaHead) { d.Root[0] ^= 1 }, manifest.ErrBase},
		{"to a table that does not come out", func(_ *world, _ *settest.Version, d *manifest.DeltaHead) { d.Steps = nil }, manifest.ErrBase},
		{"its next head by a stranger", func(w *world, v *settest.Version, d *manifest.DeltaHead) {
			var err error
			d.Next, err = v.Head.Sign(settest.New(w.t, auth).Key)
			must(w.t, err)
		}, sign.ErrUnknownKey},
		{"to another scope", func(w *world, v *settest.Version, d *manifest.DeltaHead) {
			h := v.Head
			h.Purpose = certid.PurposeSign
			var err error
			d.Next, err = h.Sign(w.Key)
			must(w.t, err)
		}, manifest.ErrScope},
		{"to a root that does not come out", func(w *world, v *settest.Version, d *manifest.DeltaHead) {
			h := v.Head
			h.Root[0] ^= 1
			var err error
			d.Next, err = h.Sign(w.Key)
			must(w.t, err)
		}, revocation.ErrRoot},
		{"octets that are no delta, signed as they are", func(w *world, v *settest.Version, d *manifest.DeltaHead) {
			b := []byte(strings.Repeat("no delta", 9))
			sum := sha256.Sum256(b)
			d.Size, d.Digests = uint64(len(b)), sum[:]
			w.Blobs[wire.BlobID(d.BlobID())] = b
		}, delta.ErrFormat},
		{"damaged", func(_ *world, v *settest.Version, _ *manifest.DeltaHead) { v.Delta[len(v.Delta)-1] ^= 1 }, crlset.ErrDigest},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 2)
			must(t, w.load(false, w.All[0]))
			v := w.All[1]
			d, _, err := manifest.OpenDelta(w.keys, v.DeltaHead)
			must(t, err)
			c.spoil(w, v, &d)
			w.SignDelta(v, d)
			o := w.Offer(1)
			whole := o.Set
			o.Set = wire.Blob{}
			if err := w.box.Fetch(t.Context(), w, []wire.SetOffer{o}); !errors.Is(err, c.want) {
				t.Errorf("Fetch = %v, want %v", err, c.want)
			}
			w.holds("after the refusal", 1)
			o.Set = whole // the other way is taken as soon as there is one
			must(t, w.box.Fetch(t.Context(), w, []wire.SetOffer{o}))
			w.holds("by the whole set", 2)
		})
	}
}

// P7: a delta that leads on from a set that is not held is no use, over the line or from a folder.
func TestP7ADeltaForAnotherBase(t *testing.T) {
	w := newWorld(t, 3)
	must(t, w.load(false, w.All[0]))
	if err := w.load(true, w.All[2]); !errors.Is(err, manifest.ErrBase) {
		t.Errorf("Load(delta for set 2) = %v, want manifest.ErrBase", err)
	}
	w.holds("after the refusal", 1)
	must(t, w.load(true, w.All[2], w.All[1]))
	w.holds("with the one between", 3)
}

// P7: a folder's file is what it says, and what it says is its name.
func TestP7AFolderIsNotBelieved(t *testing.T) {
	w := newWorld(t, 2)
	dir := t.TempDir()
	if _, err := w.box.Load(t.Context(), dir); !errors.Is(err, revocation.ErrNothing) {
		t.Errorf("Load(empty folder) = %v, want ErrNothing", err)
	}
	if _, err := w.box.Load(t.Context(), filepath.Join(dir, "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load(no folder) = %v, want fs.ErrNotExist", err)
	}
	w.Export(dir, w.All[0], false)
	for _, ext := range []string{".set", ".manifest"} {
		must(t, os.Rename(filepath.Join(dir, w.All[0].Name()+ext), filepath.Join(dir, "practice-auth-1-8"+ext)))
	}
	if _, err := w.box.Load(t.Context(), dir); !errors.Is(err, revocation.ErrName) {
		t.Errorf("Load(under another number) = %v, want ErrName", err)
	}
	for _, ext := range []string{".set", ".manifest"} {
		must(t, os.Rename(filepath.Join(dir, "practice-auth-1-8"+ext), filepath.Join(dir, "practice-sign-1-1"+ext)))
	}
	if _, err := w.box.Load(t.Context(), dir); !errors.Is(err, manifest.ErrScope) {
		t.Errorf("Load(under another purpose) = %v, want manifest.ErrScope", err)
	}
	w.holds("after the refusals", 0)
	must(t, w.load(false, w.All...))
	w.holds("the newest of two", 2)
	if err := w.load(false, w.All[0]); !errors.Is(err, revocation.ErrOlder) {
		t.Errorf("Load(an older one) = %v, want ErrOlder", err)
	}
}

// A disk that is full takes nothing away from what is in use, and gets back what the download took.
func TestAFullDisk(t *testing.T) {
	for _, c := range []struct{ ext, what string }{{".set.part", "a whole set"}, {".set.part.new", "a set made of deltas"}, {".delta.part", "a delta"}} {
		w := newWorld(t, 2)
		must(t, w.load(false, w.All[0]))
		path := filepath.Join(w.dir, w.All[1].Name()+c.ext)
		must(t, os.Symlink("/dev/full", path)) // writes to it fail with ENOSPC
		o := w.Offer(1)
		if c.ext == ".set.part" {
			o.Deltas = nil
		}
		if err := w.box.Fetch(t.Context(), w, []wire.SetOffer{o}); !errors.Is(err, revocation.ErrFull) {
			t.Errorf("Fetch(%s) on a full disk = %v, want ErrFull", c.what, err)
		}
		w.holds("on a full disk", 1)
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: its part was left on a full disk", c.what)
		}
		must(t, w.box.Fetch(t.Context(), w, []wire.SetOffer{o}))
		w.holds("when there is room again", 2)
	}
}

// A restored central's numbers are higher in their first half; only both together say which is newer.
func TestP9NumbersCompareByCentralEpochFirst(t *testing.T) {
	w := newWorld(t, 3)
	must(t, w.load(false, w.All[2]))
	v := w.All[2]
	h := v.Head
	h.Number = rule.Version{CentralEpoch: 2, N: 1}
	w.Sign(v, h)
	must(t, w.load(false, v))
	if got := w.box.Answer(idOf(t, auth, revoked), issuer).Number; got != h.Number {
		t.Errorf("number %v answers, want %v", got, h.Number)
	}
}
