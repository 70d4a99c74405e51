package vcard_test

import (
	"crypto/ecdsa"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/internal/testcard"
)

// Selections and the data to be signed of the practice next-generation card, written out.
const (
	selectNextAuth = "00A4040C0A F04B415A415348490001"
	selectNextFace = "00A4040C0A F04B415A415348490002"
	// emptySHA384 is SHA-384 of nothing.
	emptySHA384 = "38B060A751AC96384CD9327EB1B1E36A21FDB71114BE07434C0CC7BF63F6E1DA274EDEBFE76F65FBD51AD2F14898B95B"
)

var nextVectors = []struct {
	name  string
	steps []step
}{
	{"applications", []step{
		{selectNextAuth, "9000"},
		{selectNextFace, "9000"},
		{selectJPKI, "6A82"},
		{selectFace, "6A82"},
		{selectInput, "6A82"},
		{selectCommon, "6A82"},
		{"00A4040C08 F04B415A41534849", "9000"}, // a beginning of both: the first
		{"00B0860013", "4B415A41534849 5052414354494345 4E455854 9000"},
		{"00A404000A F04B415A415348490002 00", "6F0C840AF04B415A415348490002 9000"},
	}},
	{"free files", []step{
		{selectNextAuth, "9000"},
		{"00B08A0008", "3082019010111213 9000"},
		{"00B08A0000", "~256"},
		{"00B08A00000000", "~404"},
		{"00B0810000", "6982"},
		{"00B0820000", "6A82"},
		{"00B08B0000", "6A82"},
		{"00B0970000", "6981"},
		{selectNextFace, "9000"},
		{"00B0840000", "7F21024356 9000"},
		{"00B0820000", "6A82"},
	}},
	{"PIN opens key and attributes", []step{
		{selectNextAuth, "9000"},
		{"00200098", "63C3"},
		{"00B0920000", "6982"},
		{"00B0930000", "6982"},
		{"00B0940000", "6982"},
		{"802A009730" + emptySHA384 + "00", "6982"},
		{"0020009804 30303030", "63C2"},
		{"0020009804 31323334", "9000"},
		{"00200098", "63C3"},
		{"00B0920000", "FF20024154 9000"},
		{"00B0930000", "FF30024947 9000"},
		{"00B0940000", "7F21026376 9000"},
		{"802A009730" + emptySHA384 + "00", "~96"},
		{"802A009730" + emptySHA384 + "60", "~96"},
		{"802A009730" + emptySHA384 + "5F", "6C60"},
		{"802A009733" + digestInfo + "00", "6985"}, // what an RSA key takes
		{"802A029730" + emptySHA384 + "00", "6A86"},
		{"802A000030" + emptySHA384 + "00", "6A88"}, // no default key here
		{"802A009A30" + emptySHA384 + "00", "6982"},
		{"00B0810000", "6982"},
		{selectNextAuth, "9000"},
		{"00B0920000", "6982"},
	}},
	{"password", []step{
		{selectNextAuth, "9000"},
		{"0020009B", "63C5"},
		{"0020009B08 4B415A4153484931", "9000"},
		{"00B0810004", "30820191 9000"},
		{"802A009A30" + emptySHA384 + "00", "~96"},
		{"00B0920000", "6982"},
		{"0020009B06 4B415A415348", "63C4"},
	}},
	{"birth date", []step{
		{selectNextFace, "9000"},
		{"802A000030" + emptySHA384 + "00", "~96"}, // asks for nothing
		{"00B0810000", "6982"},
		{"00200091", "63CA"},
		{"0020009106 383030323137", "63C9"},
		{"0020009106 353530323137", "9000"},
		{"00B0810000", "FF10024147 9000"},
		{"0088000030" + emptySHA384 + "00", "6985"},
	}},
	{"blocked", []step{
		{selectNextAuth, "9000"},
		{"0020009804 30303030", "63C2"},
		{"0020009804 30303030", "63C1"},
		{"0020009804 30303030", "63C0"},
		{"0020009804 31323334", "6984"},
		{"00B0920000", "6982"},
	}},
}

func TestNextVectors(t *testing.T) {
	for _, tt := range nextVectors {
		t.Run(tt.name, func(t *testing.T) { play(t, newCard(t, testcard.Next(), &vcard.MemoryStore{}), tt.steps) })
	}
}

func TestNextSignaturesVerify(t *testing.T) {
	message := []byte("tap")
	sum := sha512.Sum384(message)
	auth, sign, card := testcard.NextKeys()
	for _, tt := range []struct {
		name, open, p2 string
		key            *ecdsa.PublicKey
	}{
		{"authentication", selectNextAuth + "|" + verifyAuth, "97", auth},
		{"signature", selectNextAuth + "|" + verifySign, "9A", sign},
		{"card", selectNextFace, "00", card},
	} {
		c := newCard(t, testcard.Next(), &vcard.MemoryStore{})
		for cmd := range strings.SplitSeq(tt.open, "|") {
			play(t, c, []step{{cmd, "9000"}})
		}
		got := c.Transmit(octets(t, "802A00"+tt.p2+"30"+hex.EncodeToString(sum[:])+"00"))
		if len(got) != 98 {
			t.Errorf("%s: signature = %X, want 96 octets and 9000", tt.name, got)
			continue
		}
		r, s := new(big.Int).SetBytes(got[:48]), new(big.Int).SetBytes(got[48:96])
		if !ecdsa.Verify(tt.key, sum[:], r, s) {
			t.Errorf("%s: signature does not verify, want r||s over SHA-384", tt.name)
		}
	}
}

// A card issued without PINs blocks them from the first, and keeps what needs none; a city office cannot reset what was never set.
func TestCardWithoutPINs(t *testing.T) {
	p := testcard.Profile()
	p.WithoutPINs, p.SignCert, p.SignCA, p.SignKey, p.SignPassword = true, nil, nil, nil, ""
	c := newCard(t, p, &vcard.MemoryStore{})
	if err := c.ResetCounts(); err != nil {
		t.Fatal(err)
	}
	play(t, c, []step{
		{selectJPKI, "9000"},
		{"00200098", "63C0"},
		{"0020009804 31323334", "6984"},
		{"0020009B", "63C0"},
		{"00B08A0002", "3082 9000"},
		{selectInput, "9000"},
		{"00200091", "63C0"},
		{selectFace, "9000"},
		{"00200091", "63CA"},
	})
}

func TestPhoneVectors(t *testing.T) {
	play(t, newCard(t, testcard.Phone(), &vcard.MemoryStore{}), []step{
		{selectFace, "6A82"},
		{selectInput, "6A82"},
		{selectCommon, "6A82"},
		{selectJPKI, "9000"},
		{"00B0860010", "4A504B4941504750534554 4F4B454E 20 9000"}, // JPKIAPGPSETOKEN
		{"00B08A0000", "6982"},
		{"00B08A00000000", "6982"},
		{"00B08B0004", "30820100 9000"},
		{"00200098", "63C3"},
		{"0020009804 30303030", "63C2"},
		{"0020009804 31323334", "9000"},
		{"00B08A0004", "30820128 9000"},
		{"802A009733" + digestInfo + "00", "~256"},
		{"00B0810004", "6982"},
		{"0020009B08 4B415A4153484931", "9000"},
		{"00B0810004", "30820110 9000"},
		{selectJPKI, "9000"},
		{"00B08A0000", "6982"},
	})
	child := testcard.Phone()
	child.SignCert, child.SignCA, child.SignKey, child.SignPassword = nil, nil, nil, ""
	play(t, newCard(t, child, &vcard.MemoryStore{}), []step{{selectJPKI, "9000"}, {"0020009B", "63C0"}, {"00B0880000", "008F00 9000"}})
}

func TestTokenVectors(t *testing.T) {
	for _, uid := range []string{"04A1B2C3", "04A1B2C3D4E5F6", "0123456789ABCDEF", "0123456789ABCDEF0123"} {
		n := len(uid) / 2
		c := newCard(t, &vcard.Profile{Label: "lent", Kind: vcard.Token, UID: uid}, &vcard.MemoryStore{})
		play(t, c, []step{
			{"FFCA000000", uid + "9000"},
			{fmt.Sprintf("FFCA0000%02X", n), uid + "9000"},
			{fmt.Sprintf("FFCA0000%02X", n-1), fmt.Sprintf("6C%02X", n)},
			{"FFCA0000", "6700"},
			{"FFCA010000", "6A81"},
			{"FFCA000100", "6D00"},
			{"00CA000000", "6D00"},
			{selectJPKI, "6A82"},
			{selectNextAuth, "6A82"},
			{"00A4020C02 000A", "6A82"},
			{"00B08A0000", "6D00"},
			{"00200098", "6D00"},
			{"FF82000006 FFFFFFFFFFFF", "6D00"},
			{"", "6700"},
		})
		var tck byte
		for _, b := range c.ATR()[1:] {
			tck ^= b
		}
		if tck != 0 || len(c.ATR()) != 20 {
			t.Errorf("ATR() of a token of %d octets = %X, want 20 octets that check to 00", n, c.ATR())
		}
		if len(c.Tries()) != 0 {
			t.Errorf("Tries() = %v, want none", c.Tries())
		}
	}
	felica := newCard(t, &vcard.Profile{Label: "transit", Kind: vcard.Token, UID: "0123456789abcdef"}, &vcard.MemoryStore{})
	if want := octets(t, "3B8F8001804F0CA00000030611003B0000000042"); string(felica.ATR()) != string(want) {
		t.Errorf("ATR() = %X, want %X", felica.ATR(), want)
	}
}

// Every fault of every kind at once, and no value.
func TestValidateKinds(t *testing.T) {
	rsaKey := testcard.Fixed().AuthKey
	next := testcard.Next()
	next.AuthKey, next.CardKey, next.BirthKey, next.FaceCVC, next.InputIntegrity, next.SignPassword = rsaKey, rsaKey, "5502", nil, nil, ""
	next.AuthCA, next.NumberB, next.IndividualNumber, next.UID, next.CardID = []byte{0x30, 0}, "55021720352285", "123456789012", "04", "a b"
	phone := testcard.Phone()
	phone.AuthPIN, phone.AuthCA, phone.SignKey, phone.CardKey, phone.InputPIN = "12", nil, testcard.Next().SignKey, rsaKey, "5678"
	current := testcard.Fixed()
	current.AuthKey, current.UID = testcard.Next().AuthKey, "01020304"
	for _, tt := range []struct {
		name string
		p    *vcard.Profile
		want []string
	}{
		{"next", next, []string{
			"auth_key (PKCS#8, P-384)", "card_key (PKCS#8, P-384)", "birth_key", "face_cvc", "input_integrity", "sign_password", "card_id",
			"auth_ca is not for", "number_b is not for", "individual_number is not for", "uid is not for",
		}},
		{"phone", phone, []string{"auth_pin", "auth_ca", "sign_key (PKCS#8, RSA-2048)", "card_key is not for", "input_pin is not for"}},
		{"current", current, []string{"auth_key (PKCS#8, RSA-2048)", "uid is not for"}},
		{"token", &vcard.Profile{Kind: vcard.Token, UID: "010203", AuthPIN: "1234"}, []string{"label", "uid (4, 7, 8", "auth_pin is not for"}},
		{"other", &vcard.Profile{Label: "x", Kind: "last"}, []string{"kind (current, next, phone or token)"}},
	} {
		err := tt.p.Validate()
		for _, want := range tt.want {
			if !errors.Is(err, vcard.ErrProfile) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: Validate() = %v, want a word on %s", tt.name, err, want)
			}
		}
		if n := strings.Count(err.Error(), "\n") + 1; n != len(tt.want) {
			t.Errorf("%s: Validate() = %d faults, want %d: %v", tt.name, n, len(tt.want), err)
		}
		if strings.Contains(err.Error(), "123456789012") {
			t.Errorf("%s: Validate() = %v, want no value in it", tt.name, err)
		}
	}
	for _, p := range []*vcard.Profile{testcard.Fixed(), testcard.Next(), testcard.Phone()} {
		if err := p.Validate(); err != nil {
			t.Errorf("%s: Validate() = %v, want nil", p.Kind, err)
		}
	}
}

// spend uses up tries on three references and changes the PIN.
func spend(t *testing.T, c *vcard.Card) {
	t.Helper()
	play(t, c, []step{
		{selectJPKI, "9000"},
		{verifyAuth, "9000"},
		{"0024019804 38383838", "9000"},
		{verifyAuth, "63C2"},
		{"0020009B06 4B415A415348", "63C4"},
		{selectFace, "9000"},
		{"0020009106 383030323137", "63C9"},
		{selectInput, "9000"},
		{"0020009104 30303030", "63C2"},
		{"0020009104 35363738", "9000"},
		{"0024019104 39393939", "9000"},
		{"0020009104 30303030", "63C2"},
	})
}

// afterRenewal: authentication begins anew, all else is as before.
var afterRenewal = []step{
	{selectJPKI, "9000"},
	{"00200098", "63C3"},
	{verifyAuth, "9000"},
	{"0020009B", "63C4"},
	{"00B08A0004", "30030102 9000"},
	{selectFace, "9000"},
	{"00200091", "63C9"},
	{selectInput, "9000"},
	{"00200091", "63C2"},
	{"0020009104 39393939", "9000"},
}

// P5: a renewal on the same card gives back no try but those of the certificates that it replaces.
func TestP5RenewalKeepsOtherCounters(t *testing.T) {
	for name, id := range map[string]string{"with a card id": "card-1", "without": ""} {
		path := filepath.Join(t.TempDir(), "state")
		old := testcard.Fixed()
		old.CardID = id
		to := testcard.Fixed()
		to.CardID, to.AuthCert = id, []byte{0x30, 0x03, 0x01, 0x02, 0x03}
		c := newCard(t, old, vcard.NewFileStore(path))
		spend(t, c)
		if err := c.Renew(to, vcard.NewFileStore(path+"2")); err != nil {
			t.Fatalf("%s: Renew() = %v, want nil", name, err)
		}
		play(t, c, []step{{"00B0000004", "6986"}}) // as after a reset
		play(t, c, afterRenewal)
		again := newCard(t, to, vcard.NewFileStore(path+"2")) // another process
		if got, want := fmt.Sprint(again.Tries()), fmt.Sprint(c.Tries()); got != want {
			t.Errorf("%s: Tries() after a restart = %s, want %s", name, got, want)
		}
	}
}

// With a card id a new profile is enough, as the practice world writes it; the file of the state is the same.
func TestP5RenewedProfileFindsItsState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	p := testcard.Fixed()
	p.CardID = "card-1"
	spend(t, newCard(t, p, vcard.NewFileStore(path)))
	to := testcard.Fixed()
	to.CardID, to.AuthCert = "card-1", []byte{0x30, 0x03, 0x01, 0x02, 0x03}
	play(t, newCard(t, to, vcard.NewFileStore(path)), afterRenewal)
	other := testcard.Fixed()
	other.CardID = "card-2" // a new card of the same person
	play(t, newCard(t, other, vcard.NewFileStore(path)), []step{{selectFace, "9000"}, {"00200091", "63CA"}})
}

func TestRenewRefusesAnotherCard(t *testing.T) {
	store := &vcard.MemoryStore{}
	c := newCard(t, testcard.Fixed(), store)
	for name, change := range map[string]func(*vcard.Profile){
		"card id":  func(p *vcard.Profile) { p.CardID = "x" },
		"card key": func(p *vcard.Profile) { p.CardKey = p.InputKey },
		"kind":     func(p *vcard.Profile) { *p = *testcard.Next(); p.CardID = "" },
	} {
		p := testcard.Fixed()
		change(p)
		if err := c.Renew(p, store); !errors.Is(err, vcard.ErrOtherCard) {
			t.Errorf("Renew(other %s) = %v, want %v", name, err, vcard.ErrOtherCard)
		}
	}
	if err := c.Renew(&vcard.Profile{}, store); !errors.Is(err, vcard.ErrProfile) {
		t.Errorf("Renew(faulty) = %v, want %v", err, vcard.ErrProfile)
	}
	broken := &brokenStore{broken: true}
	to := testcard.Fixed()
	to.AuthCert = []byte{0x30, 0}
	if err := c.Renew(to, broken); err == nil {
		t.Error("Renew() over a broken store = nil, want an error")
	}
	play(t, c, []step{{selectJPKI, "9000"}, {"00B08A0004", "30820128 9000"}}) // as it was
	token := newCard(t, &vcard.Profile{Label: "lent", Kind: vcard.Token, UID: "01020304"}, store)
	if err := token.Renew(&vcard.Profile{Label: "lent", Kind: vcard.Token, UID: "01020304"}, store); !errors.Is(err, vcard.ErrOtherCard) {
		t.Errorf("Renew(token) = %v, want %v", err, vcard.ErrOtherCard)
	}
}

func TestSetTries(t *testing.T) {
	store := &brokenStore{}
	c := newCard(t, testcard.Fixed(), store)
	if err := c.SetTries("face/0011", 0); err != nil {
		t.Fatalf("SetTries() = %v, want nil", err)
	}
	again := newCard(t, testcard.Fixed(), store)
	play(t, again, []step{{selectFace, "9000"}, {"00200091", "63C0"}, {"0020009106 353530323137", "6984"}})
	want := map[string]uint8{
		"jpki/0018": 3, "jpki/001B": 5, "input/0011": 3, "input/0012": 0, "input/0014": 10, "input/0015": 10,
		"face/0011": 0, "face/0012": 10, "face/0013": 10,
	}
	if got := again.Tries(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("Tries() = %v, want %v", got, want)
	}
	for _, tt := range []struct {
		name  string
		tries uint8
	}{{"face/0018", 1}, {"", 0}, {"jpki/0018", 4}, {"input/0012", 1}} {
		if err := c.SetTries(tt.name, tt.tries); !errors.Is(err, vcard.ErrReference) {
			t.Errorf("SetTries(%q, %d) = %v, want %v", tt.name, tt.tries, err, vcard.ErrReference)
		}
	}
	store.broken = true
	if err := c.SetTries("jpki/0018", 1); err == nil || c.Tries()["jpki/0018"] != 3 {
		t.Errorf("SetTries() over a broken store = %v with %d tries, want an error and 3", err, c.Tries()["jpki/0018"])
	}
}
