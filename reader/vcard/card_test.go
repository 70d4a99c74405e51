package vcard_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/internal/testcard"
)

// verified opens every key of the card: all PINs right.
const (
	verifyAuth = "0020009804 31323334"
	verifySign = "0020009B08 4B415A4153484931"
)

func TestSignaturesVerify(t *testing.T) {
	message := []byte("tap")
	sum := sha256.Sum256(message)
	digest, messageHex := fmt.Sprintf("%X", sum), fmt.Sprintf("%X", message)
	info := "3031300D060960864801650304020105000420" + digest
	keys := []struct {
		name, open, p2 string
		key            *rsa.PublicKey
	}{
		{"authentication", selectJPKI + "|" + verifyAuth, "97", testcard.AuthKey()},
		{"signature", selectJPKI + "|" + verifySign, "9A", testcard.SignKey()},
		{"card-face default", selectFace, "00", testcard.CardKey()},
		{"input-assist default", selectInput, "00", testcard.InputKey()},
		{"input-assist EF 0013", selectInput, "93", testcard.InputKey()},
	}
	pss := func(k *rsa.PublicKey, sig []byte) error {
		return rsa.VerifyPSS(k, crypto.SHA256, sum[:], sig, &rsa.PSSOptions{SaltLength: 32})
	}
	full := func(k *rsa.PublicKey, sig []byte) error { return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], sig) }
	bare := func(k *rsa.PublicKey, sig []byte) error { return rsa.VerifyPKCS1v15(k, crypto.Hash(0), sum[:], sig) }
	schemes := []struct {
		p1, lc, data string
		check        func(*rsa.PublicKey, []byte) error
	}{
		{"00", "33", info, full},
		{"01", "03", messageHex, bare},
		{"02", "20", digest, full},
		{"03", "03", messageHex, full},
		{"04", "20", digest, pss},
		{"05", "03", messageHex, pss},
	}
	for _, k := range keys {
		c := newCard(t, testcard.Fixed(), &vcard.MemoryStore{})
		for cmd := range strings.SplitSeq(k.open, "|") {
			play(t, c, []step{{cmd, "9000"}})
		}
		for _, s := range schemes {
			cmd := "802A" + s.p1 + k.p2 + s.lc + s.data + "00"
			got := c.Transmit(octets(t, cmd))
			if len(got) != 258 {
				t.Errorf("%s: Transmit(%s) = %X, want a signature and 9000", k.name, cmd, got)
				continue
			}
			if err := s.check(k.key, got[:256]); err != nil {
				t.Errorf("%s, P1=%s: signature = %v, want one that verifies", k.name, s.p1, err)
			}
		}
	}
}

// P5: counters outlive the power, the security status does not.
func TestP5CountersSurvivePower(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	c := newCard(t, testcard.Fixed(), vcard.NewFileStore(path))
	play(t, c, []step{{selectJPKI, "9000"}, {verifyAuth, "9000"}, {"0020009B06 4B415A415348", "63C4"}, {"0020009804 30303030", "63C2"}})
	play(t, c, []step{{verifyAuth, "9000"}, {"0020009804 30303030", "63C2"}})
	c.Reset()
	play(t, c, []step{
		{"00B0810004", "6A82"},
		{selectJPKI, "9000"},
		{"00200098", "63C2"},
		{"0020009B", "63C4"},
		{"802A009703 616263 00", "6982"},
	})
	again := newCard(t, testcard.Fixed(), vcard.NewFileStore(path)) // another process, another day
	play(t, again, []step{
		{selectJPKI, "9000"},
		{"00200098", "63C2"},
		{"0020009804 30303030", "63C1"},
		{"0020009804 30303030", "63C0"},
		{"0020009804 31323334", "6984"},
	})
	again = newCard(t, testcard.Fixed(), vcard.NewFileStore(path))
	play(t, again, []step{{selectJPKI, "9000"}, {"00200098", "63C0"}, {"0020009804 31323334", "6984"}, {"0020009B", "63C4"}})
	if err := again.ResetCounts(); err != nil {
		t.Fatalf("ResetCounts() = %v, want nil", err)
	}
	again = newCard(t, testcard.Fixed(), vcard.NewFileStore(path))
	play(t, again, []step{{selectJPKI, "9000"}, {"00200098", "63C3"}, {"0020009B", "63C5"}, {verifyAuth, "9000"}})
	play(t, again, []step{{selectInput, "9000"}, {"00200092", "63C0"}}) // blocked at issue, by nobody's tries
}

func TestChangedPINSurvivesPower(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	c := newCard(t, testcard.Fixed(), vcard.NewFileStore(path))
	play(t, c, []step{{selectJPKI, "9000"}, {verifyAuth, "9000"}, {"0024019804 38383838", "9000"}})
	c = newCard(t, testcard.Fixed(), vcard.NewFileStore(path))
	play(t, c, []step{{selectJPKI, "9000"}, {verifyAuth, "63C2"}, {"0020009804 38383838", "9000"}})
}

// Two cards in one file do not share counters.
func TestStateIsByCard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	one, two := testcard.Fixed(), testcard.Fixed()
	two.AuthCert = []byte{0x30, 0x01, 0x02}
	play(t, newCard(t, one, vcard.NewFileStore(path)), []step{{selectJPKI, "9000"}, {"0020009804 30303030", "63C2"}})
	play(t, newCard(t, two, vcard.NewFileStore(path)), []step{{selectJPKI, "9000"}, {"00200098", "63C3"}})
	play(t, newCard(t, one, vcard.NewFileStore(path)), []step{{selectJPKI, "9000"}, {"00200098", "63C2"}})
}

func TestDamagedState(t *testing.T) {
	for _, content := range []string{"", "{", `{"version":2}`, "[]"} {
		path := filepath.Join(t.TempDir(), "state")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := vcard.New(testcard.Fixed(), vcard.NewFileStore(path)); !errors.Is(err, vcard.ErrState) {
			t.Errorf("New() over state %q = %v, want %v", content, err, vcard.ErrState)
		}
	}
}

// brokenStore saves only as long as it is allowed to.
type brokenStore struct {
	vcard.MemoryStore
	broken bool
}

func (b *brokenStore) Save(card string, s vcard.State) error {
	if b.broken {
		return errors.New("no space left")
	}
	return b.MemoryStore.Save(card, s)
}

// P5: a counter that cannot be written verifies nothing, and the try is gone.
func TestP5NoVerifyWithoutDurableCounter(t *testing.T) {
	store := &brokenStore{}
	c := newCard(t, testcard.Fixed(), store)
	play(t, c, []step{{selectJPKI, "9000"}, {"0020009804 30303030", "63C2"}})
	store.broken = true
	play(t, c, []step{
		{verifyAuth, "6581"},
		{"00200098", "63C1"},
		{"802A009703 616263 00", "6982"},
		{"0020009804 30303030", "6581"},
		{"00200098", "63C0"},
	})
	store.broken = false
	play(t, c, []step{{verifyAuth, "6984"}})
}

func TestAbsentGroups(t *testing.T) {
	child := testcard.Fixed()
	child.SignCert, child.SignCA, child.SignKey, child.SignPassword = nil, nil, nil, ""
	play(t, newCard(t, child, &vcard.MemoryStore{}), []step{
		{selectJPKI, "9000"}, {"00B0880000", "008F00 9000"}, {"00B0810004", "6A82"}, {"0020009B", "63C0"}, {"00B08A0004", "30820128 9000"},
	})
	phone := &vcard.Profile{
		Label: "practice phone", AuthCert: child.AuthCert, AuthCA: child.AuthCA, AuthKey: child.AuthKey, AuthPIN: "1234",
	}
	play(t, newCard(t, phone, &vcard.MemoryStore{}), []step{
		{selectJPKI, "9000"}, {selectFace, "6A82"}, {selectInput, "6A82"}, {selectCommon, "6A82"}, {"00B08A0004", "30820128 9000"},
	})
}

func TestATR(t *testing.T) {
	got := newCard(t, testcard.Fixed(), &vcard.MemoryStore{}).ATR()
	if want := octets(t, "3B88800100 0005E0B381A1007F"); string(got) != string(want) {
		t.Fatalf("ATR() = %X, want %X", got, want)
	}
	var tck byte
	for _, b := range got[1:] {
		tck ^= b
	}
	if tck != 0 {
		t.Errorf("ATR() checks to %02X, want 00 (ISO/IEC 7816-3 §8.2.5)", tck)
	}
}

func FuzzTransmit(f *testing.F) {
	for _, s := range []string{
		"", "00", selectJPKI, selectFace, "00B08A0000", "00B08A00000000", verifyAuth, "00200098", "00B2010C00", "0084000000",
		"802A009703 616263 00", "802A0000000003 616263 0000", "0024019804 38383838", "00A4020C02 0018", "00B0012C00",
	} {
		f.Add(octets(f, selectJPKI), octets(f, s))
	}
	f.Add(octets(f, selectNextAuth), octets(f, "802A009730"+emptySHA384+"00"))
	f.Add(octets(f, selectNextFace), octets(f, "802A000030"+emptySHA384+"00"))
	f.Add(octets(f, "FFCA000000"), octets(f, "FFCA010003"))
	var cards []*vcard.Card
	for _, p := range []*vcard.Profile{
		testcard.Fixed(), testcard.Next(), testcard.Phone(), {Label: "lent", Kind: vcard.Token, UID: "04A1B2C3D4E5F6"},
	} {
		cards = append(cards, newCard(f, p, &vcard.MemoryStore{}))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		for _, c := range cards {
			bombard(t, c, first, second)
		}
	})
}

// bombard sends arbitrary commands and holds the answers to what every card promises.
func bombard(t *testing.T, c *vcard.Card, first, second []byte) {
	t.Helper()
	c.Reset()
	if err := c.ResetCounts(); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range [][]byte{first, second, octets(t, selectFace), second} {
		got := c.Transmit(cmd)
		if len(got) < 2 || len(got) > 32768+2 {
			t.Fatalf("Transmit(%X) = %d octets, want 2 to 32770", cmd, len(got))
		}
		if sw1 := got[len(got)-2]; sw1>>4 != 6 && sw1 != 0x90 {
			t.Fatalf("Transmit(%X) ends in SW1 %02X, want 6x or 90", cmd, sw1)
		}
		if len(got) > 2 && got[len(got)-2] != 0x90 {
			t.Fatalf("Transmit(%X) = %X, want no data with an error", cmd, got)
		}
	}
}

// Whatever a state file says, no counter is above its number of tries.
func FuzzState(f *testing.F) {
	p := testcard.Fixed()
	for _, s := range []string{
		"", "{}", `{"version":1}`, `{"version":1,"cards":{"%s":{"tries":{"jpki/0018":0}}}}`,
		`{"version":1,"cards":{"%s":{"tries":{"jpki/0018":200},"changed":{"jpki/0018":""}}}}`,
	} {
		f.Add(s)
	}
	id := fmt.Sprintf("%x", sha256.Sum256(p.AuthCert))
	path := filepath.Join(f.TempDir(), "state")
	f.Fuzz(func(t *testing.T, content string) {
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(content, "%s", id)), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := vcard.New(p, vcard.NewFileStore(path))
		if err != nil {
			if !errors.Is(err, vcard.ErrState) {
				t.Fatalf("New() over state %q = %v, want %v", content, err, vcard.ErrState)
			}
			return
		}
		play(t, c, []step{{selectJPKI, "9000"}})
		if got := c.Transmit(octets(t, "00200098")); got[0] != 0x63 || got[1] < 0xC0 || got[1] > 0xC3 {
			t.Fatalf("tries over state %q = %X, want 63C0 to 63C3", content, got)
		}
	})
}
