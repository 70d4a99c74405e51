package golden_test

import (
	"bytes"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

type courierFile struct {
	About   string     `json:"about"`
	Device  key        `json:"device"`
	Sign    key        `json:"central_sign"`
	Seal    sealKey    `json:"box_sealing_key"`
	Parcels []recorded `json:"parcels"`
}

// recorded is a parcel as it lies on a stick, and what is in it.
type recorded struct {
	Path     string   `json:"path"`
	Octets   octets   `json:"octets"`
	Manifest string   `json:"manifest_diagnostic"`
	Info     octets   `json:"hpke_info,omitempty"`
	Key      octets   `json:"key,omitempty"`
	Parts    []octets `json:"parts"` // unsealed
}

// courierMade is when the vector's parcels were made, in Unix milliseconds, and courierN their number.
const (
	courierMade = 1_795_000_000_123
	courierN    = 1_795_000_000
)

// runValue is the run of the first epoch of the epoch vector.
func runValue() courier.Run {
	b := must(os.ReadFile(filepath.Join(dir, "epoch.json")))
	var f epochFile
	if err := json.Unmarshal(b, &f); err != nil {
		panic(err) // read by the other tests as well
	}
	var envelopes [][]byte
	for _, r := range f.Epochs[0].Records {
		envelopes = append(envelopes, r.Envelope)
	}
	return must(courier.Pack(f.Epochs[0].Message, envelopes))
}

func stateValue() courier.State {
	return courier.State{
		Poll: wire.Poll{Time: courierMade, Waiting: 3, Release: "v1"},
		Ends: []courier.End{{Epoch: epoch1, Last: 3, Head: runValue().After}, {Epoch: epoch2, Last: 1, Head: hash(0xc2), Safe: true}},
	}
}

// courierKinds are the parcels of the vector, and how each is written.
func courierKinds() []func(*courier.Writer) error {
	return []func(*courier.Writer) error{
		func(w *courier.Writer) error {
			if err := w.Run(runValue()); err != nil {
				return err
			}
			return w.State(stateValue())
		},
		func(w *courier.Writer) error {
			return w.Polled(keyValues()["polled with keys and orders"].(wire.Polled), blobValue(0xa1, 700))
		},
		func(w *courier.Writer) error { return w.Run(runValue()) },
		func(w *courier.Writer) error { return w.JoinRequest(requestValue()) },
		func(w *courier.Writer) error { return w.JoinAnswer(answerValue()) },
	}
}

func courierConfig(k courier.Kind) courier.Config {
	c := courier.Config{Kind: k, Box: boxID, Now: func() time.Time { return time.UnixMilli(courierMade) }}
	switch k {
	case courier.Up:
		c.Signer = byhand.Key("golden D")
	case courier.Down:
		c.Signer, c.To, c.CentralEpoch, c.Heard = byhand.Key("golden C-sign"), sealing("golden S").Public(), 1, courierN-5
	case courier.Joined:
		c.To = sealing("golden S").Public()
	case courier.Recovered, courier.Joining:
	}
	if k <= courier.Recovered {
		c.Next = func() (uint64, error) { return courierN, nil }
	}
	return c
}

func courierVector() any {
	s := sealing("golden S")
	id := s.Public().ID()
	f := courierFile{
		About:  aboutKeys + "One parcel of each kind, as it lies on a stick; encapsulations and signatures are random and were recorded once.",
		Device: keyOf("golden D"), Sign: keyOf("golden C-sign"), Seal: sealKey{"golden S", byhand.Seed("golden S"), s.Public().Bytes(), id[:]},
	}
	folder := must(os.MkdirTemp("", "courier"))
	defer os.RemoveAll(folder)
	stick := must(courier.Make(folder))
	for i, fill := range courierKinds() {
		w := must(stick.Writer(courierConfig(courier.Kind(i + 1)))) //nolint:gosec // five
		for _, err := range []error{fill(w), w.Close()} {
			if err != nil {
				panic(err) // -write only
			}
		}
		name := w.Names()[0].String()
		r := recorded{Path: name, Octets: must(os.ReadFile(filepath.Join(folder, name)))}
		p := must(courier.Read(bytes.NewReader(r.Octets), int64(len(r.Octets))))
		if err := p.Unseal(s); err != nil {
			panic(err) // -write only
		}
		for part, err := range p.Parts() {
			r.Parts = append(r.Parts, must(part.Octets, err))
		}
		payload, _ := manifestOf(r.Octets)
		r.Manifest = must(cbor.Diagnose(payload))
		if enc := encOf(payload); enc != nil {
			r.Info = courierInfo(p.Kind, p.N)
			r.Key = must(courierKey(byhand.Seed("golden S"), enc, r.Info))
		}
		f.Parcels = append(f.Parcels, r)
	}
	return f
}

// manifestOf cuts a parcel by its fixed tail: the manifest, and what lies before it.
func manifestOf(b []byte) (payload, before []byte) {
	tail := b[len(b)-44:]
	n := int(binary.BigEndian.Uint32(tail))
	trailer := b[len(b)-44-n : len(b)-44]
	if trailer[0] == 0xd2 {
		return must(sign.Payload(trailer)), b[:len(b)-44-n]
	}
	return trailer, b[:len(b)-44-n]
}

// encOf is the encapsulation of a manifest; nil if it has none.
func encOf(payload []byte) []byte {
	i := bytes.Index(payload, []byte{0x0a, 0x59, 0x04, 0x81})
	if i < 0 {
		return nil
	}
	return payload[i+4 : i+4+1153]
}

func courierInfo(k courier.Kind, n uint64) []byte {
	purpose := "kazashi/courier-down/v1"
	if k == courier.Joined {
		purpose = "kazashi/courier-joined/v1"
	}
	return byhand.Array(byhand.Text(purpose), byhand.Uint(1), byhand.Bytes(boxID.ID128[:]), byhand.Uint(n))
}

// courierKey is the key of a sealed parcel, by the standard library alone.
func courierKey(seed, enc, info []byte) ([]byte, error) {
	k, err := hpke.MLKEM768P256().NewPrivateKey(seed)
	if err != nil {
		return nil, err
	}
	r, err := hpke.NewRecipient(enc, k, hpke.HKDFSHA256(), hpke.ExportOnly(), info)
	if err != nil {
		return nil, err
	}
	return r.Export("kazashi courier", 32)
}

// partsByHand are the parts of each parcel before they are sealed, written out.
func partsByHand(t *testing.T) [][][]byte {
	t.Helper()
	f := read[epochFile](t, "epoch").Epochs[0]
	j := read[joinFile](t, "join")
	var inside [][]byte
	for _, r := range f.Records {
		at := bytes.LastIndex(r.Envelope, append([]byte{0x58, 0x20}, r.Previous...)) + 34 // behind key 4
		sealedPart := r.Envelope[at+1:]                                                   // behind the number of key 5
		inside = append(inside, sealedPart)
	}
	last := f.Records[2].Chain
	run := byhand.Map(
		byhand.Uint(1), byhand.Bytes(f.Message), byhand.Uint(2), byhand.Uint(1), byhand.Uint(3), byhand.Bytes(f.Root),
		byhand.Uint(4), byhand.Array(inside...), byhand.Uint(5), byhand.Bytes(last),
	)
	state := bytes.Join([][]byte{
		octetsOf(t, []string{"a3 01 a8", "01 a2 01 00 02 00 02 a2 01 00 02 00 03 a2 01 00 02 00 04 00 08 00 09 1b 000001a1ee565e7b 0a 03 0b 62", text("v1")}),
		octetsOf(t, []string{"02 82 a3 01 50", e1, "02 03 03 58 20"}), last,
		octetsOf(t, []string{"a4 01 50"}), epoch2.ID128[:], octetsOf(t, []string{"02 01 03 58 20", strings.Repeat("c2", 32), "04 f5", "03 02"}),
	}, nil)
	polled := octetsOf(t, keysByHand()["polled with keys and orders"])
	return [][][]byte{{run, state}, {polled}, {run}, {j.Request.CBOR}, {j.Answer.CBOR}}
}

// manifestByHand is what the manifest of parcel i must be, given its parts as they lie.
func manifestByHand(i int, lie [][]byte, types []byte, enc []byte) []byte {
	u, b := byhand.Uint, byhand.Bytes
	var parts [][]byte
	for p, octets := range lie {
		sum := sha256.Sum256(octets)
		parts = append(parts, byhand.Map(u(1), u(uint64(types[p])), u(2), u(uint64(len(octets))), u(3), b(sum[:])))
	}
	n := uint64(courierN)
	if i > 2 {
		n = 0
	}
	pairs := [][]byte{
		u(1), u(1), u(2), u(uint64(i + 1)), u(3), b(boxID.ID128[:]), u(4), u(n), u(5), u(courierMade), u(6), byhand.Array(parts...), //nolint:gosec // five
	}
	cover := byhand.Array(byhand.Map(u(1), b(epoch1.ID128[:]), u(2), u(1), u(3), u(3)))
	switch i {
	case 0, 2:
		pairs = append(pairs, u(7), cover)
	case 1:
		blob := byhand.Map(u(1), b(bytes.Repeat([]byte{0xa1}, 32)), u(2), u(700))
		pairs = append(pairs, u(8), u(1), u(9), byhand.Array(blob), u(10), b(enc), u(11), u(courierN-5))
	case 4:
		pairs = append(pairs, u(10), b(enc))
	}
	return byhand.Map(pairs...)
}

// P2, P3: a parcel of each kind reads, opens and verifies by octets written out by hand and the standard library alone.
func TestP2CourierVector(t *testing.T) {
	f := read[courierFile](t, "courier")
	types := [][]byte{{2, 1}, {4}, {2}, {5}, {6}}
	paths := []string{
		"up/" + box + "/1795000000.kzu", "down/" + box + "/1795000000.kzd", "up/" + box + "/1795000000.kzr", "join/" + box + ".kzj", "join/" + box + ".kza",
	}
	for i, r := range f.Parcels {
		if want := "KAZASHI/" + paths[i]; r.Path != want {
			t.Errorf("path = %s, want %s", r.Path, want)
		}
		payload, before := manifestOf(r.Octets)
		if got, err := cbor.Diagnose(payload); err != nil || got != r.Manifest {
			t.Errorf("manifest %d reads %s, %v", i, got, err)
		}
		enc := encOf(payload)
		var lie [][]byte
		at := 8
		for p, plain := range partsByHand(t)[i] {
			is(t, "part", r.Parts[p], plain)
			n := len(plain)
			if enc != nil {
				n += 16
			}
			part := before[at : at+n]
			at += n
			if lie = append(lie, part); enc == nil {
				is(t, "part as it lies", part, plain)
				continue
			}
			opened, err := open(r.Key, nonceByHand(uint64(p)), []byte{0x82, types[i][p], byte(p)}, part)
			if err != nil {
				t.Fatalf("part %d of parcel %d: %v", p, i, err)
			}
			is(t, "part, opened", opened, plain)
		}
		is(t, "manifest", payload, manifestByHand(i, lie, types[i], enc))
		checkFrame(t, f, i, r, payload, at)
		if enc != nil {
			is(t, "info", r.Info, courierInfo(courier.Kind(i+1), map[bool]uint64{true: courierN}[i == 1])) //nolint:gosec // five
			key, err := courierKey(f.Seal.Secret, enc, r.Info)
			if err != nil {
				t.Fatal(err)
			}
			is(t, "key", key, r.Key)
		}
	}
}

// checkFrame checks what stands around parts and manifest.
func checkFrame(t *testing.T, f courierFile, i int, r recorded, payload []byte, end int) {
	t.Helper()
	trailer := r.Octets[end : len(r.Octets)-44]
	sum := sha256.Sum256(trailer)
	tail := bytes.Join([][]byte{binary.BigEndian.AppendUint32(nil, uint32(len(trailer))), sum[:], []byte("LECRAPZK")}, nil) //nolint:gosec // short
	is(t, "head", r.Octets[:8], []byte("KZPARCEL"))
	is(t, "tail", r.Octets[len(r.Octets)-44:], tail)
	if i > 1 {
		is(t, "bare trailer", trailer, payload)
		return
	}
	k, purpose := f.Device, "kazashi/courier-up/v1"
	if i == 1 {
		k, purpose = f.Sign, "kazashi/courier-down/v1"
	}
	if !verifies(t, k.SPKI, byhand.ToBeSigned("Signature1", byhand.Protected([16]byte(k.ID)), purpose, payload), trailer[len(trailer)-64:]) {
		t.Errorf("the signature of parcel %d does not verify", i)
	}
}

// The recorded parcels say to this implementation what they say by hand.
func TestCourierVectorIsRead(t *testing.T) {
	f := read[courierFile](t, "courier")
	for i, r := range f.Parcels {
		p, err := courier.Read(bytes.NewReader(r.Octets), int64(len(r.Octets)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Verify(sign.One{Key: public(byhand.Key(map[bool]string{true: "golden C-sign", false: "golden D"}[i == 1]))}); err != nil {
			t.Errorf("Verify(%s) = %v", r.Path, err)
		}
		if err := p.Unseal(sealing("golden S")); err != nil {
			t.Fatal(err)
		}
		for part, err := range p.Parts() {
			if err != nil {
				t.Fatal(err)
			}
			is(t, r.Path, part.Octets, r.Parts[part.Index])
		}
		if name := (courier.Name{Kind: p.Kind, Box: p.Box, N: p.N}).String(); name != r.Path {
			t.Errorf("Name = %s, want %s", name, r.Path)
		}
		if s, ok, err := p.State(); err != nil || ok != (i == 0) || ok && !reflect.DeepEqual(s, stateValue()) {
			t.Errorf("State(%s) = %+v, %v, %v", r.Path, s, ok, err)
		}
	}
	if e, err := epoch.DecodeEnvelope(must(runValue().Envelopes())[2]); err != nil || e.ID() != (record.ID{Epoch: epoch1, Seq: 3}) {
		t.Errorf("the run's last record is %s, %v", e.ID(), err)
	}
}
