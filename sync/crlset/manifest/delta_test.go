package manifest_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

// step is a delta head from day 0 to day 1.
func step(t testing.TB) (base, next whole, d manifest.DeltaHead) {
	t.Helper()
	base, next = today(t, 0), today(t, 1)
	s := file(crlset.ChunkSize + 5)
	d = manifest.DeltaHead{
		Version: manifest.Version, Base: base.head.Number, Root: base.head.Root, Next: force(t, next.head), Size: s.Size, Digests: s.Digests,
	}
	return base, next, d.Between(base.table, next.table)
}

// P7: the head of a delta leads from one manifest to the next.
func TestP7DeltaHeadLeadsToTheNextManifest(t *testing.T) {
	base, next, d := step(t)
	msg, err := d.Sign(central)
	if err != nil {
		t.Fatal(err)
	}
	got, h, err := manifest.OpenDelta(keys(t), msg)
	if err != nil || h.Number != next.head.Number || h.Root != next.head.Root || got.BlobID() != manifest.Digest(crlset.Root(d.Size, d.Digests)) {
		t.Fatalf("OpenDelta = %+v to %+v, %v", got, h, err)
	}
	if err := got.Fits(base.head, h); err != nil {
		t.Errorf("Fits(its base) = %v", err)
	}
	table, err := got.Table(base.table)
	if err != nil || !reflect.DeepEqual(table, next.table) {
		t.Fatalf("Table = %+v, %v, want %+v", table, err, next.table)
	}
	if _, err := (manifest.Manifest{Signed: got.Next, Digests: next.digests, Table: table}).Open(keys(t)); err != nil {
		t.Errorf("Open(the next manifest) = %v", err)
	}
}

// P7: a delta is refused for every other base.
func TestP7DeltaFitsOneBase(t *testing.T) {
	base, next, d := step(t)
	for _, c := range []struct {
		name string
		make func(base, next *manifest.Head)
		want error
	}{
		{"its base", func(*manifest.Head, *manifest.Head) {}, nil},
		{"another number", func(b, _ *manifest.Head) { b.Number.N++ }, manifest.ErrBase},
		{"another central epoch", func(b, _ *manifest.Head) { b.Number.CentralEpoch++ }, manifest.ErrBase},
		{"another root", func(b, _ *manifest.Head) { b.Root[31] ^= 1 }, manifest.ErrBase},
		{"another purpose", func(b, _ *manifest.Head) { b.Purpose = certid.PurposeSign }, manifest.ErrScope},
		{"to another hierarchy", func(_, n *manifest.Head) { n.Hierarchy = certid.HierarchyTest }, manifest.ErrScope},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, n := base.head, next.head
			c.make(&b, &n)
			if err := d.Fits(b, n); !errors.Is(err, c.want) {
				t.Errorf("Fits = %v, want %v", err, c.want)
			}
		})
	}
	for _, c := range []struct {
		name  string
		table []manifest.Row
	}{
		{"the next table", next.table},
		{"fewer rows", base.table[:2]},
		{"no rows", nil},
	} {
		if _, err := d.Table(c.table); !errors.Is(err, manifest.ErrBase) {
			t.Errorf("Table(%s) = %v, want ErrBase", c.name, err)
		}
	}
	d.Gone = []uint32{1 << 31}
	if _, err := d.Table(base.table); !errors.Is(err, manifest.ErrBase) {
		t.Errorf("Table with a row gone that never was = %v, want ErrBase", err)
	}
}

// P7: a delta head that contradicts itself is refused.
func TestP7OpenDeltaRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(*manifest.DeltaHead)
		want error
	}{
		{"unknown version", func(d *manifest.DeltaHead) { d.Version = 0 }, manifest.ErrManifest},
		{"no base", func(d *manifest.DeltaHead) { d.Base = rule.Version{} }, manifest.ErrManifest},
		{"base as new as next", func(d *manifest.DeltaHead) { d.Base = number(11) }, manifest.ErrManifest},
		{"base of a later central epoch", func(d *manifest.DeltaHead) { d.Base.CentralEpoch = 2 }, manifest.ErrManifest},
		{"no octets", func(d *manifest.DeltaHead) { d.Size, d.Digests = 0, nil }, manifest.ErrManifest},
		{"too many octets", func(d *manifest.DeltaHead) { d.Size = manifest.MaxSize + 1 }, manifest.ErrManifest},
		{"a digest missing", func(d *manifest.DeltaHead) { d.Digests = d.Digests[32:] }, manifest.ErrManifest},
		{"gone falling", func(d *manifest.DeltaHead) { d.Gone = []uint32{1, 0} }, manifest.ErrManifest},
		{"gone twice", func(d *manifest.DeltaHead) { d.Gone = []uint32{1, 1} }, manifest.ErrManifest},
		{"too many gone", func(d *manifest.DeltaHead) {
			for i := range uint32(manifest.MaxPartitions + 1) {
				d.Gone = append(d.Gone, i)
			}
		}, manifest.ErrManifest},
		{"new row without a key", func(d *manifest.DeltaHead) { d.New = []manifest.Row{{}} }, manifest.ErrManifest},
		{"new row twice", func(d *manifest.DeltaHead) { d.New = []manifest.Row{rows(0)[0], rows(0)[0]} }, manifest.ErrManifest},
		{"next head of another signature", func(d *manifest.DeltaHead) { d.Next[len(d.Next)-1] ^= 1 }, sign.ErrSignature},
		{"no next head", func(d *manifest.DeltaHead) { d.Next = nil }, sign.ErrMessage},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, d := step(t)
			c.make(&d)
			if _, h, err := manifest.OpenDelta(keys(t), forced(t, sign.PurposeDelta, d)); !errors.Is(err, c.want) || h.Version != 0 {
				t.Errorf("OpenDelta = %+v, %v, want nothing and %v", h, err, c.want)
			}
			if _, err := d.Sign(central); errors.Is(c.want, manifest.ErrManifest) && !errors.Is(err, c.want) {
				t.Errorf("Sign = %v, want %v", err, c.want)
			}
		})
	}
	_, _, d := step(t)
	if _, _, err := manifest.OpenDelta(keys(t), forced(t, sign.PurposeSet, d)); !errors.Is(err, sign.ErrSignature) {
		t.Errorf("OpenDelta(signed as a set) = %v, want ErrSignature", err)
	}
}

// P7: partitions come, go, change their signing key and stand still; the table follows.
func TestP7TableFollowsPartitions(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	table := rows(0)
	for n := range 200 {
		next := slices.Clone(table)
		for i := range next {
			switch rng.IntN(4) {
			case 0:
				next[i].Number += rng.Uint64() >> rng.IntN(64)
				next[i].ThisUpdate += rng.Int64N(1<<20) - 1<<19
				next[i].NextUpdate = next[i].ThisUpdate + rng.Int64N(1<<20)
			case 1:
				next[i].Key = id(byte(rng.IntN(256)))
			}
		}
		if at := rng.IntN(len(next)); rng.IntN(3) == 0 && len(next) > 1 {
			next = slices.Delete(next, at, at+1)
		}
		for range rng.IntN(3) {
			next = append(next, manifest.Row{Point: fmt.Appendf(nil, "new %d %d", n, len(next)), Key: id(1), Number: 1, ThisUpdate: day, NextUpdate: day})
		}
		w := today(t, 1)
		h, err := w.head.Describe(file(size), next) // sorts
		if err != nil {
			t.Fatal(err)
		}
		d := manifest.DeltaHead{Next: force(t, h)}.Between(table, next)
		if table, err = d.Table(table); err != nil || !reflect.DeepEqual(table, next) {
			t.Fatalf("day %d: Table = %v rows, %v, want %d", n, len(table), err, len(next))
		}
	}
}

// P7: 1,900 partitions that all moved by about a day cost at most eight octets each.
func TestP7RowsAreSmall(t *testing.T) {
	const partitions = 1900
	rng := rand.New(rand.NewPCG(4, 4))
	base := make([]manifest.Row, partitions)
	for i := range base {
		at := day + rng.Int64N(900)
		base[i] = manifest.Row{Point: fmt.Appendf(nil, "CN=made-up town %04d CRLDP", i), Key: id(1), Number: rng.Uint64N(1 << 20), ThisUpdate: at, NextUpdate: at + 2*86400}
	}
	next := slices.Clone(base)
	for i := range next {
		rose := 86400 + rng.Int64N(600) - 300
		next[i].Number++
		next[i].ThisUpdate += rose
		next[i].NextUpdate += rose
	}
	b, err := canon.Encode(manifest.DeltaHead{}.Between(base, next).Steps)
	if err != nil || len(b) > 8*partitions {
		t.Errorf("%d rows take %d octets, %v, want at most 8 each", partitions, len(b), err)
	}
}

// FuzzDelta signs whatever comes, so that what is behind the signature is reached.
func FuzzDelta(f *testing.F) {
	base, _, d := step(f)
	d.Gone, d.New = []uint32{2}, []manifest.Row{{Point: []byte("z"), Key: id(3), Number: 1, ThisUpdate: 2, NextUpdate: 3}}
	payload, err := canon.Encode(d)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte{0xa0})
	known := keys(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		msg, err := sign.Sign(central, sign.PurposeDelta, bytes.Clone(in))
		if err != nil {
			t.Fatal(err)
		}
		d, _, err := manifest.OpenDelta(known, msg)
		if err != nil {
			return
		}
		if table, err := d.Table(base.table); err == nil && len(table) == 0 {
			t.Fatal("made a table without rows")
		}
		again, err := d.Sign(central)
		if err != nil {
			t.Fatalf("Sign(accepted) = %v", err)
		}
		back, err := sign.Payload(again)
		if err != nil {
			t.Fatal(err)
		}
		same(t, in, back)
	})
}
