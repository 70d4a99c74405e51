package manifest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"testing"

	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/sign"
)

const vector = "../../../testdata/sync/crlmanifest.json"

var write = flag.Bool("write", false, "write the vector if it does not exist yet, and run no test")

// TestMain runs the tests, or with -write makes the vector. One that exists is never changed.
func TestMain(m *testing.M) {
	if flag.Parse(); !*write {
		m.Run()
		return
	}
	if _, err := os.Stat(vector); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	b, err := json.MarshalIndent(recorded(), "", "  ")
	if err == nil {
		err = os.WriteFile(vector, append(b, '\n'), 0o644)
	}
	if err != nil {
		panic(fmt.Sprintf("writing the vector: %v", err)) // -write only
	}
}

type octets []byte

func (o octets) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(o)), nil }

func (o *octets) UnmarshalText(b []byte) (err error) {
	*o, err = hex.DecodeString(string(b))
	return err
}

// golden is a manifest, the head of a delta, and the manifest that it leads to.
type golden struct {
	About        string `json:"about"`
	Secret       octets `json:"secret_scalar"` // of the signing key
	HeadPayload  octets `json:"head_payload"`
	Manifest     octets `json:"manifest"`
	DeltaPayload octets `json:"delta_head_payload"`
	DeltaHead    octets `json:"delta_head"`
	Next         octets `json:"next_manifest"`
}

// fatal is a testing.TB outside of tests.
type fatal struct{ testing.TB }

func (fatal) Helper()           {}
func (fatal) Fatal(args ...any) { panic(fmt.Sprint(args...)) } // -write only

func recorded() golden {
	base, next, d := step(fatal{})
	d.Next = force(fatal{}, next.head)
	d.New, d.Gone = nil, nil
	g := golden{
		About:    "A set of three made-up partitions and the next day's. The key is made up and known to everybody; ECDSA is random, so signatures were recorded once.",
		Secret:   byhand.Seed("manifest central"),
		Manifest: base.encode(fatal{}),
	}
	var err error
	if g.DeltaHead, err = d.Sign(central); err != nil {
		panic(err) // -write only
	}
	g.HeadPayload, _ = sign.Payload(base.manifest(fatal{}).Signed)
	g.DeltaPayload, _ = sign.Payload(g.DeltaHead)
	g.Next, _ = manifest.Manifest{Signed: d.Next, Digests: next.digests, Table: next.table}.Encode()
	return g
}

// P7: the recorded messages are those that DESIGN.md and the types say, written out by hand.
func TestP7Vector(t *testing.T) {
	b, err := os.ReadFile(vector)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&g); err != nil {
		t.Fatal(err)
	}
	is(t, "head", g.HeadPayload, headByHand(0))
	m, base, err := manifest.Decode(keys(t), g.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	is(t, "manifest", g.Manifest, byhand.Map(
		byhand.Uint(1), byhand.Bytes(m.Signed), byhand.Uint(2), byhand.Bytes(digestsByHand(size)), byhand.Uint(3), tableByHand(0),
	))
	delta, head, err := manifest.OpenDelta(keys(t), g.DeltaHead)
	if err != nil {
		t.Fatal(err)
	}
	is(t, "delta head", g.DeltaPayload, deltaByHand(delta.Next))
	if err := delta.Fits(base, head); err != nil {
		t.Errorf("Fits = %v", err)
	}
	next, _, err := manifest.Decode(keys(t), g.Next)
	if err != nil {
		t.Fatal(err)
	}
	if table, err := delta.Table(m.Table); err != nil || !reflect.DeepEqual(table, next.Table) || !bytes.Equal(delta.Next, next.Signed) {
		t.Errorf("Table = %+v, %v, want %+v", table, err, next.Table)
	}
}

func is(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s = %x, want %x", what, got, want)
	}
}

func int64ByHand(n int64) []byte {
	if n < 0 {
		return byhand.Head(1, uint64(-1-n))
	}
	return byhand.Uint(uint64(n))
}

func tableByHand(n int64) []byte {
	var out [][]byte
	for i := range int64(3) {
		at := day + n*86400 + i*60
		out = append(out, byhand.Map(
			byhand.Uint(1), byhand.Bytes(fmt.Appendf(nil, "point %d", i)), byhand.Uint(2), byhand.Bytes(id(0x51)),
			byhand.Uint(3), byhand.Uint(uint64(700+n)), byhand.Uint(4), int64ByHand(at), byhand.Uint(5), int64ByHand(at+2*86400),
		))
	}
	return byhand.Array(out...)
}

func digestsByHand(octets uint64) (out []byte) {
	for i := range (octets + 65535) / 65536 {
		d := sha256.Sum256([]byte{byte(i), byte(octets)})
		out = append(out, d[:]...)
	}
	return out
}

func rootByHand(octets uint64) []byte {
	in := binary.LittleEndian.AppendUint64([]byte("kazashi/crlset/root/v1"), octets)
	sum := sha256.Sum256(append(in, digestsByHand(octets)...))
	return sum[:]
}

func numberByHand(n uint64) []byte {
	return byhand.Map(byhand.Uint(1), byhand.Uint(1), byhand.Uint(2), byhand.Uint(n))
}

func headByHand(n int64) []byte {
	table := sha256.Sum256(tableByHand(n))
	octets := uint64(size + n)
	return byhand.Map(
		byhand.Uint(1), byhand.Uint(1), // version
		byhand.Uint(2), byhand.Uint(3), // practice
		byhand.Uint(3), byhand.Uint(1), // authentication
		byhand.Uint(4), numberByHand(uint64(10+n)),
		byhand.Uint(5), int64ByHand(day+n*86400), // the oldest partition
		byhand.Uint(6), int64ByHand(day+n*86400+2*86400), // the earliest
		byhand.Uint(7), byhand.Array(byhand.Bytes(id(0x49)), byhand.Bytes(id(0x4a))),
		byhand.Uint(8), byhand.Uint(3), // reasons and dates
		byhand.Uint(9), byhand.Uint(octets/5),
		byhand.Uint(10), byhand.Uint(octets),
		byhand.Uint(11), byhand.Bytes(rootByHand(octets)),
		byhand.Uint(12), byhand.Uint(3), // rows
		byhand.Uint(13), byhand.Bytes(table[:]),
	)
}

func deltaByHand(next []byte) []byte {
	one := func(this int64) []byte { // no row skipped, number up by one, both times by a day, told against the row before
		return byhand.Array(byhand.Uint(0), byhand.Uint(1), int64ByHand(this), byhand.Uint(0))
	}
	const octets = 65536 + 5
	return byhand.Map(
		byhand.Uint(1), byhand.Uint(1),
		byhand.Uint(2), numberByHand(10),
		byhand.Uint(3), byhand.Bytes(rootByHand(size)),
		byhand.Uint(4), byhand.Bytes(next),
		byhand.Uint(5), byhand.Array(one(86400), one(0), one(0)),
		byhand.Uint(7), byhand.Uint(octets),
		byhand.Uint(8), byhand.Bytes(digestsByHand(octets)),
	)
}
