package courier_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"
	"time"

	"kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// world is a box, central and their keys.
type world struct {
	box          record.BoxID
	device, sign *ecdsa.PrivateKey
	central, s   seal.PrivateKey
	n            uint64
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{box: record.NewBoxID(), n: 1_700_000_000}
	var err error
	if w.device, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if w.sign, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if w.central, err = seal.GenerateKey(); err != nil {
		t.Fatal(err)
	}
	if w.s, err = seal.GenerateKey(); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) next() (uint64, error) { w.n++; return w.n, nil }

func (w *world) now() time.Time { return time.UnixMilli(1_790_000_000_000) }

func keysOf(t testing.TB, k *ecdsa.PrivateKey) sign.Keys {
	t.Helper()
	p, err := sign.PublicKeyOf(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return sign.One{Key: p}
}

func (w *world) up() courier.Config {
	return courier.Config{Kind: courier.Up, Box: w.box, Next: w.next, Now: w.now, Signer: w.device}
}

func (w *world) down() courier.Config {
	return courier.Config{
		Kind: courier.Down, Box: w.box, Next: w.next, Now: w.now, Signer: w.sign, To: w.s.Public(), CentralEpoch: 3,
	}
}

// records is an epoch of n records of size octets.
func (w *world) records(t testing.TB, n, size int) (epoch.Signed, [][]byte) {
	t.Helper()
	id, nonce := epoch.NewID(w.box)
	info := seal.Info{Suite: seal.Suite1, Box: w.box, Epoch: id}
	enc, key, err := seal.Encapsulate(w.central.Public(), info)
	if err != nil {
		t.Fatal(err)
	}
	s, err := epoch.Header{
		Version: epoch.Version, Suite: seal.Suite1, Box: w.box, Epoch: id, Nonce: nonce, Recipient: w.central.Public().ID(), Enc: enc,
		Cause: epoch.CauseStart,
	}.Sign(w.device)
	if err != nil {
		t.Fatal(err)
	}
	wr := epoch.NewWriter(s, key)
	var all [][]byte
	for range n {
		b, err := wr.Seal(make([]byte, size))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b.Bytes)
	}
	return s, all
}

func makeStick(t testing.TB) (*courier.Stick, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := courier.Make(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, dir
}
