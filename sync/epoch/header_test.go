package epoch_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

var device = byhand.Key("epoch device")

// keys believes the device alone.
func keys(t testing.TB) sign.Keys { t.Helper(); return testkey.Only(t, device) }

func opener(t testing.TB) seal.PrivateKey {
	t.Helper()
	return testkey.Sealing(t, "epoch opener")
}

// begin opens a first epoch to the test opener.
func begin(t testing.TB) (epoch.Signed, *seal.Key) {
	t.Helper()
	to := opener(t).Public()
	box := record.NewBoxID()
	id, nonce := epoch.NewID(box)
	h := epoch.Header{
		Version: epoch.Version, Suite: seal.Suite1, Box: box, Epoch: id, Nonce: nonce,
		Recipient: to.ID(), Cause: epoch.CauseStart,
	}
	enc, key, err := seal.Encapsulate(to, h.Info())
	if err != nil {
		t.Fatal(err)
	}
	h.Enc = enc
	s, err := h.Sign(device)
	if err != nil {
		t.Fatal(err)
	}
	return s, key
}

func TestHeaderOpensAsItWasSigned(t *testing.T) {
	s, _ := begin(t)
	for name, open := range map[string]func() (epoch.Signed, error){
		"OpenHeader": func() (epoch.Signed, error) { o, _, err := epoch.OpenHeader(keys(t), s.Message); return o, err },
		"Read":       func() (epoch.Signed, error) { return epoch.Read(s.Message) },
	} {
		o, err := open()
		if err != nil || o.Root != s.Root || o.Header.Epoch != s.Header.Epoch || !bytes.Equal(o.Message, s.Message) {
			t.Errorf("%s = %v, root %s, want epoch %s, root %s", name, err, o.Root, s.Header.Epoch, s.Root)
		}
	}
	payload, err := sign.Payload(s.Message)
	if err != nil || s.Root != epoch.Hash(sha256.Sum256(payload)) {
		t.Errorf("root %s is not the hash of the payload (%v)", s.Root, err)
	}
}

// P2: whoever carries a header can give it the other signature that verifies; the chain under it stays the same.
func TestP2TheTwinSignatureKeepsTheRoot(t *testing.T) {
	s, key := begin(t)
	twin := byhand.OtherSignature(s.Message)
	o, _, err := epoch.OpenHeader(keys(t), twin)
	if err != nil || bytes.Equal(twin, s.Message) || o.Root != s.Root {
		t.Fatalf("OpenHeader(twin) = root %s, %v, want %s", o.Root, err, s.Root)
	}
	one, err := epoch.NewWriter(s, key).Seal([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := epoch.DecodeEnvelope(one.Bytes)
	if err != nil || e.Previous != o.Root {
		t.Errorf("record 1 follows %s, %v, want the twin's root %s", e.Previous, err, o.Root)
	}
}

func TestP9HeaderBelievesOnlyTheDeviceKey(t *testing.T) {
	s, _ := begin(t)
	payload, err := sign.Payload(s.Message)
	if err != nil {
		t.Fatal(err)
	}
	other, err := sign.Sign(byhand.Key("another device"), sign.PurposeEpoch, payload)
	if err != nil {
		t.Fatal(err)
	}
	forAck, err := sign.Sign(device, sign.PurposeAck, payload)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		msg  []byte
		want error
	}{
		{"another device", other, sign.ErrUnknownKey},
		{"signed for something else", forAck, sign.ErrSignature},
		{"longer than its cap", make([]byte, epoch.MaxHeader+1), epoch.ErrHeader},
		{"nothing", nil, sign.ErrMessage},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := epoch.OpenHeader(keys(t), c.msg); !errors.Is(err, c.want) {
				t.Errorf("OpenHeader = %v, want %v", err, c.want)
			}
		})
	}
}

// P2: a header that contradicts itself opens nothing, whoever signed it.
func TestP2HeaderThatContradictsItself(t *testing.T) {
	good, _ := begin(t)
	known := epoch.Predecessor{Lineage: epoch.LineageKnown, Epoch: record.NewEpochID(), LastSeq: 3, Head: epoch.Hash{1}}
	for _, c := range []struct {
		name string
		make func(*epoch.Header)
		want error
	}{
		{"nothing", func(*epoch.Header) {}, nil},
		{"known predecessor", func(h *epoch.Header) { h.Predecessor = known }, nil},
		{"empty predecessor", func(h *epoch.Header) { h.Predecessor = known; h.Predecessor.LastSeq = 0 }, nil},
		{"lost predecessor", func(h *epoch.Header) { h.Predecessor.Lineage = epoch.LineageUnknown }, nil},
		{"version 0", func(h *epoch.Header) { h.Version = 0 }, epoch.ErrHeader},
		{"suite", func(h *epoch.Header) { h.Suite = 2 }, seal.ErrSuite},
		{"box", func(h *epoch.Header) { h.Box = record.BoxID{} }, epoch.ErrHeader},
		{"epoch", func(h *epoch.Header) { h.Epoch = record.EpochID{} }, epoch.ErrHeader},
		{"epoch id of nobody", func(h *epoch.Header) { h.Epoch = record.NewEpochID() }, epoch.ErrHeader},
		{"epoch id of another box", func(h *epoch.Header) { h.Box = record.NewBoxID() }, epoch.ErrHeader},
		{"nonce", func(h *epoch.Header) { h.Nonce[0] ^= 1 }, epoch.ErrHeader},
		{"short encapsulation", func(h *epoch.Header) { h.Enc = h.Enc[1:] }, epoch.ErrHeader},
		{"cause 0", func(h *epoch.Header) { h.Cause = 0 }, epoch.ErrHeader},
		{"cause 7", func(h *epoch.Header) { h.Cause = 7 }, epoch.ErrHeader},
		{"lineage 3", func(h *epoch.Header) { h.Predecessor.Lineage = 3 }, epoch.ErrHeader},
		{"first with a predecessor", func(h *epoch.Header) { h.Predecessor = known; h.Predecessor.Lineage = epoch.LineageFirst }, epoch.ErrHeader},
		{"lost with a predecessor", func(h *epoch.Header) { h.Predecessor = known; h.Predecessor.Lineage = epoch.LineageUnknown }, epoch.ErrHeader},
		{"known without one", func(h *epoch.Header) { h.Predecessor.Lineage = epoch.LineageKnown }, epoch.ErrHeader},
		{"known without an id", func(h *epoch.Header) { h.Predecessor = known; h.Predecessor.Epoch = record.EpochID{} }, epoch.ErrHeader},
		{"known without a head", func(h *epoch.Header) { h.Predecessor = known; h.Predecessor.Head = epoch.Hash{} }, epoch.ErrHeader},
		{"its own predecessor", func(h *epoch.Header) { h.Predecessor = known; h.Predecessor.Epoch = h.Epoch }, epoch.ErrHeader},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := good.Header
			c.make(&h)
			if _, err := h.Sign(device); !errors.Is(err, c.want) {
				t.Errorf("Sign = %v, want %v", err, c.want)
			}
			payload, err := canon.Encode(h)
			if err != nil {
				t.Fatal(err)
			}
			msg, err := sign.Sign(device, sign.PurposeEpoch, payload)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := epoch.OpenHeader(keys(t), msg); !errors.Is(err, c.want) {
				t.Errorf("OpenHeader = %v, want %v", err, c.want)
			}
			if _, err := epoch.Read(msg); !errors.Is(err, c.want) {
				t.Errorf("Read = %v, want %v", err, c.want)
			}
		})
	}
}

// P8: a header of a later version is told from nonsense, whatever else changed with it; and this release writes none.
func TestP8HeaderOfALaterVersion(t *testing.T) {
	for name, v := range map[string]any{
		"same fields":  map[int]any{1: 2, 2: 1},
		"other shapes": map[int]any{1: 2, 2: "suite", 3: []int{1}, 99: true},
		"above 255":    map[int]any{1: 256},
	} {
		payload, err := canon.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := sign.Sign(device, sign.PurposeEpoch, payload)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := epoch.OpenHeader(keys(t), msg); !errors.Is(err, epoch.ErrNewer) {
			t.Errorf("OpenHeader(%s) = %v, want ErrNewer", name, err)
		}
		if _, err := epoch.Read(msg); !errors.Is(err, epoch.ErrNewer) {
			t.Errorf("Read(%s) = %v, want ErrNewer", name, err)
		}
	}
	if _, err := (epoch.Header{Version: epoch.Version + 1}).Sign(device); !errors.Is(err, epoch.ErrHeader) {
		t.Errorf("Sign(later version) = %v, want ErrHeader", err)
	}
}

func TestCausesKeepTheirNumbers(t *testing.T) {
	for n, want := range []string{"unknown", "start", "rotation", "append_failed", "set_aside", "restored", "clock", "unknown"} {
		if got := epoch.Cause(n).String(); got != want {
			t.Errorf("Cause(%d) = %q, want %q", n, got, want)
		}
	}
	if epoch.LineageFirst != 0 || epoch.LineageKnown != 1 || epoch.LineageUnknown != 2 {
		t.Error("a lineage changed its number")
	}
}
