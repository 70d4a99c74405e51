package courier_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// parcelOf is the octets of one parcel that fill writes.
func parcelOf(t testing.TB, c courier.Config, fill func(*courier.Writer) error) []byte {
	t.Helper()
	s, dir := makeStick(t)
	w, err := s.Writer(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(fill(w), w.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, w.Names()[0].String()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wholly reads everything that is in a parcel, as whoever takes it would.
func wholly(b []byte, keys sign.Keys, with seal.PrivateKey) error {
	p, err := courier.Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	if _, err := p.Verify(keys); err != nil {
		return err
	}
	if err := p.Unseal(with); err != nil {
		return err
	}
	for part, err := range p.Parts() {
		if err != nil {
			return err
		}
		if part.Type != courier.TypeRun {
			continue
		}
		r, err := part.Run()
		if err != nil {
			return err
		}
		if _, err := r.Envelopes(); err != nil {
			return err
		}
	}
	_, _, err = p.State()
	return err
}

// kinds are a parcel of each kind.
func kinds(t testing.TB, w *world) map[string][]byte {
	t.Helper()
	head, envelopes := w.records(t, 3, 60)
	run, err := courier.Pack(head.Message, envelopes)
	if err != nil {
		t.Fatal(err)
	}
	recovered := w.up()
	recovered.Kind, recovered.Signer = courier.Recovered, nil
	return map[string][]byte{
		"up": parcelOf(t, w.up(), func(w *courier.Writer) error {
			return errors.Join(w.Run(run), w.Correction([]byte{1, 2}), w.State(courier.State{Ends: []courier.End{{Epoch: head.Header.Epoch, Last: 3, Head: run.After}}}))
		}),
		"down":      parcelOf(t, w.down(), func(w *courier.Writer) error { return w.Polled(wire.Polled{CentralEpoch: 3}) }),
		"recovered": parcelOf(t, recovered, func(w *courier.Writer) error { return w.Run(run) }),
		"joining": parcelOf(t, courier.Config{Kind: courier.Joining, Box: w.box}, func(w *courier.Writer) error {
			return w.JoinRequest(wire.JoinRequest{Device: []byte{1}})
		}),
		"joined": parcelOf(t, courier.Config{Kind: courier.Joined, Box: w.box, To: w.s.Public()}, func(w *courier.Writer) error {
			return w.JoinAnswer(wire.JoinAnswer{Site: "branch-1", Bundle: []byte{1}})
		}),
	}
}

// both are the keys of box and central.
type both struct{ a, b sign.Keys }

func (k both) SigningKey(p sign.Purpose, id sign.KeyID) (sign.PublicKey, error) {
	if got, err := k.a.SigningKey(p, id); err == nil {
		return got, nil
	}
	return k.b.SigningKey(p, id)
}

// P9: an octet that was changed anywhere in a parcel of any kind is found, without any key of central's.
func TestP9AFlippedOctetAnywhere(t *testing.T) {
	w := newWorld(t)
	keys := both{keysOf(t, w.device), keysOf(t, w.sign)}
	for name, b := range kinds(t, w) {
		if err := wholly(b, keys, w.s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range b {
			b[i] ^= 0x20
			err := wholly(b, keys, w.s)
			b[i] ^= 0x20
			if !errors.Is(err, courier.ErrDamaged) && !errors.Is(err, courier.ErrHalf) {
				t.Fatalf("%s with octet %d of %d changed: %v, want ErrDamaged or ErrHalf", name, i, len(b), err)
			}
		}
	}
}

// A parcel that was copied in part is known for it at every length, also where the rest is blank.
func TestHalfCopied(t *testing.T) {
	w := newWorld(t)
	for name, b := range kinds(t, w) {
		for n := range len(b) {
			if _, err := courier.Read(bytes.NewReader(b[:n]), int64(n)); !errors.Is(err, courier.ErrHalf) {
				t.Fatalf("Read(%d of %d octets of %s) = %v, want ErrHalf", n, len(b), name, err)
			}
		}
		blank := append(bytes.Clone(b[:len(b)/2]), make([]byte, len(b)-len(b)/2)...)
		if _, err := courier.Read(bytes.NewReader(blank), int64(len(blank))); !errors.Is(err, courier.ErrHalf) {
			t.Errorf("Read(%s, second half blank) = %v, want ErrHalf", name, err)
		}
		more := append(bytes.Clone(b), b[len(b)-44:]...)
		if _, err := courier.Read(bytes.NewReader(more), int64(len(more))); !errors.Is(err, courier.ErrDamaged) {
			t.Errorf("Read(%s, longer) = %v, want ErrDamaged", name, err)
		}
	}
}

// P9: another's key, another box's seal.
func TestP9OtherKeys(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	all := kinds(t, w)
	for _, name := range []string{"up", "down"} {
		p, err := courier.Read(bytes.NewReader(all[name]), int64(len(all[name])))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Verify(both{keysOf(t, other.device), keysOf(t, other.sign)}); !errors.Is(err, courier.ErrSigner) {
			t.Errorf("Verify(%s, other keys) = %v, want ErrSigner", name, err)
		}
	}
	p, err := courier.Read(bytes.NewReader(all["down"]), int64(len(all["down"])))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range p.Parts() {
		if !errors.Is(err, courier.ErrSealed) {
			t.Errorf("Parts(not unsealed) = %v, want ErrSealed", err)
		}
	}
	if err := p.Unseal(other.s); err != nil {
		t.Fatal(err)
	}
	for _, err := range p.Parts() {
		if !errors.Is(err, seal.ErrOpen) {
			t.Errorf("Parts(of another box) = %v, want seal.ErrOpen", err)
		}
	}
}

// frame is a parcel around a bare manifest that the test wrote.
func frame(t testing.TB, manifest any, parts ...[]byte) []byte {
	t.Helper()
	m, err := canon.Encode(manifest)
	if err != nil {
		t.Fatal(err)
	}
	return around(m, parts...)
}

// around is a parcel around a trailer, as it is.
func around(m []byte, parts ...[]byte) []byte {
	sum := sha256.Sum256(m)
	b := append([]byte("KZPARCEL"), bytes.Join(parts, nil)...)
	b = binary.BigEndian.AppendUint32(append(b, m...), uint32(len(m))) //nolint:gosec // short
	return append(append(b, sum[:]...), "LECRAPZK"...)
}

// manifests by their keys, with one flaw each.
func TestManifestRefusals(t *testing.T) {
	part := []byte{7}
	sum := epoch.Hash(sha256.Sum256(part))
	box := record.NewBoxID()
	list := func(kind courier.Type, length uint64) any {
		return []any{map[int]any{1: kind, 2: length, 3: sum}}
	}
	good := func() map[int]any {
		return map[int]any{1: 1, 2: courier.Recovered, 3: box, 4: 9, 5: 1, 6: list(courier.TypeCorrection, 1)}
	}
	if b := frame(t, good(), part); wholly(b, nil, seal.PrivateKey{}) != nil {
		t.Fatalf("the parcel without a flaw: %v", wholly(b, nil, seal.PrivateKey{}))
	}
	for name, c := range map[string]struct {
		key  int
		to   any
		want error
	}{
		"a later version":              {1, 2, courier.ErrNewer},
		"no version":                   {1, 0, courier.ErrDamaged},
		"a kind that nobody knows":     {2, 9, courier.ErrDamaged},
		"up without a signature":       {2, courier.Up, courier.ErrDamaged},
		"no box":                       {3, record.BoxID{}, courier.ErrDamaged},
		"no number":                    {4, 0, courier.ErrDamaged},
		"a number of eleven digits":    {4, 10_000_000_000, courier.ErrDamaged},
		"no parts":                     {6, []any{}, courier.ErrDamaged},
		"a part of another kind":       {6, list(courier.TypePolled, 1), courier.ErrDamaged},
		"a part that is too long":      {6, list(courier.TypeCorrection, 1<<30), courier.ErrDamaged},
		"a part longer than the file":  {6, list(courier.TypeRun, 1<<20), courier.ErrDamaged},
		"covers nothing":               {7, []any{map[int]any{1: record.NewEpochID(), 2: 5, 3: 4}}, courier.ErrDamaged},
		"a central epoch where it may": {8, 4, courier.ErrDamaged},
		"files beside what has none":   {9, []any{map[int]any{1: wire.BlobID{1}, 2: 1}}, courier.ErrDamaged},
		"an encapsulation":             {10, make([]byte, seal.EncLen), courier.ErrDamaged},
		"what central had heard":       {11, 3, courier.ErrDamaged},
		"a text for a list":            {6, "parts", courier.ErrDamaged},
	} {
		m := good()
		m[c.key] = c.to
		if err := wholly(frame(t, m, part), nil, seal.PrivateKey{}); !errors.Is(err, c.want) {
			t.Errorf("Read(%s) = %v, want %v", name, err, c.want)
		}
	}
	later := good()
	later[77] = "a key of a later release"
	if err := wholly(frame(t, later, part), nil, seal.PrivateKey{}); err != nil {
		t.Errorf("Read(an unknown key) = %v, want nil", err)
	}
}

// Runs with one flaw each.
func TestRunRefusals(t *testing.T) {
	w := newWorld(t)
	head, envelopes := w.records(t, 5, 80)
	_, strange := w.records(t, 2, 80)
	for name, rows := range map[string][][]byte{
		"a gap":               {envelopes[0], envelopes[2]},
		"back again":          {envelopes[1], envelopes[0]},
		"twice":               {envelopes[0], envelopes[0]},
		"another epoch's":     strange,
		"another epoch's end": {envelopes[0], strange[1]},
	} {
		if _, err := courier.Pack(head.Message, rows); !errors.Is(err, courier.ErrDamaged) {
			t.Errorf("Pack(%s) = %v, want ErrDamaged", name, err)
		}
	}
	middle, err := courier.Pack(head.Message, envelopes[2:4])
	if err != nil || middle.First != 3 || middle.Last() != 4 {
		t.Fatalf("Pack(from the middle) = %d to %d, %v", middle.First, middle.Last(), err)
	}
	for name, spoil := range map[string]func(*courier.Run){
		"no number":                 func(r *courier.Run) { r.First = 0 },
		"a number that is too high": func(r *courier.Run) { r.First = 1 << 62 },
		"another begin":             func(r *courier.Run) { r.First, r.Previous = 1, epoch.Hash{1} },
		"no begin":                  func(r *courier.Run) { r.Previous = epoch.Hash{} },
		"another end":               func(r *courier.Run) { r.After[0] ^= 1 },
		"a record less":             func(r *courier.Run) { r.Sealed = r.Sealed[1:] },
		"an end without records":    func(r *courier.Run) { r.Sealed = nil },
		"a record that was changed": func(r *courier.Run) {
			r.Sealed = [][]byte{bytes.Clone(r.Sealed[0]), append([]byte{1}, r.Sealed[1][1:]...)}
		},
		"a record that is too long":  func(r *courier.Run) { r.Sealed = [][]byte{make([]byte, epoch.MaxEnvelope)} },
		"a header that is too long":  func(r *courier.Run) { r.Header = make([]byte, epoch.MaxHeader+1) },
		"a header of another epoch":  func(r *courier.Run) { h, _ := w.records(t, 0, 1); r.Header = h.Message },
		"records of another's epoch": func(r *courier.Run) { r.First++ },
	} {
		r := middle
		spoil(&r)
		if _, err := r.Envelopes(); !errors.Is(err, courier.ErrDamaged) {
			t.Errorf("Envelopes(%s) = %v, want ErrDamaged", name, err)
		}
	}
	if bare := (courier.Run{Header: head.Message, First: 1, Previous: head.Root, After: head.Root}); bare.Last() != 0 {
		t.Errorf("Last(a header alone) = %d, want 0", bare.Last())
	} else if all, err := bare.Envelopes(); err != nil || len(all) != 0 {
		t.Errorf("Envelopes(a header alone) = %d, %v", len(all), err)
	}
}

// What a kind cannot carry is refused before it is written, and nothing is left of it.
func TestWriterRefuses(t *testing.T) {
	w := newWorld(t)
	s, _ := makeStick(t)
	for name, c := range map[string]courier.Config{
		"up without a signer":    {Kind: courier.Up, Box: w.box},
		"down without a seal":    {Kind: courier.Down, Box: w.box, Signer: w.sign},
		"no box":                 {Kind: courier.Recovered},
		"a kind nobody knows of": {Kind: 9, Box: w.box},
	} {
		if _, err := s.Writer(c); !errors.Is(err, courier.ErrOrder) {
			t.Errorf("Writer(%s) = %v, want ErrOrder", name, err)
		}
	}
	wr, err := s.Writer(w.up())
	if err != nil {
		t.Fatal(err)
	}
	if err := wr.Polled(wire.Polled{}); !errors.Is(err, courier.ErrOrder) {
		t.Errorf("Polled(up) = %v, want ErrOrder", err)
	}
	if err := wr.Correction(make([]byte, wire.MaxCorrection+1)); !errors.Is(err, courier.ErrOrder) {
		t.Errorf("Correction(too long) = %v, want ErrOrder", err)
	}
	if err := errors.Join(wr.State(courier.State{}), wr.State(courier.State{})); err != nil {
		t.Fatal(err)
	}
	if err := wr.Close(); !errors.Is(err, courier.ErrOrder) {
		t.Errorf("Close(two states) = %v, want ErrOrder", err)
	}
	if names, err := s.Parcels(courier.Up, w.box); err != nil || len(names) != 0 {
		t.Errorf("Parcels = %v, %v, want none", names, err)
	}
}
