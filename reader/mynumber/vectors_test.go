package mynumber_test

import (
	"bytes"
	"testing"

	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/vcard"
)

// DigestInfo of SHA-256("abc") and SHA-384("abc"): FIPS 180-4 examples, RFC 8017 §9.2.
const (
	info256 = "3031300D060960864801650304020105000420 BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"
	hash384 = "CB00753F45A35E8BB5A03D699AC65007272C32AB0EDED1631A8B605A43FF5BED8086072BA1E7CC2358BAECA134C825A7"
)

// Commands written by hand from the public sources that reader/SOURCES.md names, not made by this program's encoder.
const (
	readCert     = "00B08A00000000"              // READ BINARY of SFI 0A, all of it: jsapdu, myna-card
	queryAuth    = "00200098"                    // VERIFY without data: OpenSC, libmyna; P2=80|SFI: myna-card, jsapdu
	verifyAuth   = "0020009804 31323334"         // "1234" in ASCII
	signAuth     = "802A009733" + info256 + "00" // P1=00 as given, P2=80|17: OpenSC, myna-card
	queryInput   = "00200091"                    // input-assist 0011
	verifyInput  = "0020009104 35363738"         // "5678"
	readAttr     = "00B08200000000"              // EF 0002
	readIntegr   = "00B08300000000"              // EF 0003
	readCVC      = "00B08400000000"              // EF 0004 of both applications
	queryBirth   = "00200091"                    // card-face 0011
	verifyBirth  = "0020009106 353530323137"     // Showa 55-02-17: myna-card fixtures
	readAge      = "00B08100000000"              // card-face EF 0001
	signFace     = "802A000033" + info256 + "00" // P2=00, the application's own key: myna-card
	queryPass    = "0020009B"                    // JPKI 001B
	verifyPass   = "0020009B08 4B415A4153484931" // "KAZASHI1"
	readSignCert = "00B08100000000"              // JPKI EF 0001
	signNext     = "802A009730" + hash384 + "00" // practice assumption
	signNextFace = "802A000030" + hash384 + "00" // practice assumption
	choosePIN    = "00A4020C02 0018"             // SELECT of an EF: OpenSC, libmyna
	changePIN    = "0024018004 34333231"         // CHANGE with the new value alone, "4321": libmyna, myna-card
)

// Expected octets of every procedure on a card and a reader that are new here.
func TestCommandsOctetByOctet(t *testing.T) {
	run := func(name string) func(testing.TB, *mynumber.Card) error {
		return func(t testing.TB, c *mynumber.Card) error {
			_, err := procedureNamed(t, name).run(t.Context(), c, right(t))
			return err
		}
	}
	tests := []struct {
		name    string
		profile *vcard.Profile
		run     func(testing.TB, *mynumber.Card) error
		want    []string
	}{
		{"ReadAuthCert", national(), run("ReadAuthCert"), []string{selectJPKI, readCert}},
		{"SignAuth", national(), run("SignAuth"), []string{selectJPKI, readCert, queryAuth, verifyAuth, signAuth}},
		{"SignFace", national(), run("SignFace"), []string{selectJPKI, selectFace, signFace}},
		{"ProveFace", national(), run("ProveFace"), []string{
			selectJPKI, readCert, selectFace, queryBirth, verifyBirth, readAge, readCVC, signFace,
		}},
		{"ReadAttributes", national(), run("ReadAttributes"), []string{
			selectJPKI, readCert, selectInput, queryInput, verifyInput, readAttr, readIntegr, readCVC,
		}},
		{"Enrol", national(), run("Enrol"), []string{
			selectJPKI, readCert, queryAuth, verifyAuth, signAuth,
			selectInput, queryInput, verifyInput, readAttr, readIntegr, readCVC,
			selectFace, queryBirth, verifyBirth, readAge, readCVC, signFace,
		}},
		{"ReadSignCert", national(), run("ReadSignCert"), []string{selectJPKI, readCert, queryPass, verifyPass, readSignCert}},
		{"PINStatus", national(), run("PINStatus"), []string{
			selectJPKI, queryAuth, queryPass, selectInput, queryInput, selectFace, queryBirth,
		}},
		{"Info", national(), run("Info"), []string{selectJPKI, "00B0860020", "00B0880003", selectInput, selectFace}},
		{"ChangePIN", national(), func(t testing.TB, c *mynumber.Card) error {
			return c.ChangePIN(t.Context(), mynumber.RefAuthPIN, pin(t, authPIN), pin(t, "4321"))
		}, []string{selectJPKI, readCert, selectJPKI, choosePIN, "00200080", "0020008004 31323334", changePIN}},
		{"SignAuth on a phone", phone(), run("SignAuth"), []string{selectJPKI, readCert, queryAuth, verifyAuth, readCert, signAuth}},
		{"Enrol on the next card", nextCard(), func(t testing.TB, c *mynumber.Card) error {
			v := right(t)
			r := enrolRequest(v)
			r.InputPIN, r.SameAsPIN = mynumber.PIN{}, true
			e, err := c.Enrol(t.Context(), r)
			if err == nil {
				err = e.FaceErr
			}
			return err
		}, []string{
			selectJPKI, selectNext, readCert, queryAuth, verifyAuth, "00B09200000000", "00B09300000000", "00B09400000000", signNext,
			selectNextFc, queryBirth, verifyBirth, readAge, readCVC, signNextFace,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.profile)
			if err := tt.run(t, b.connect()); err != nil {
				t.Fatalf("%s = %v", tt.name, err)
			}
			for i := range max(len(b.sent), len(tt.want)) {
				switch {
				case i >= len(b.sent):
					t.Errorf("command %d: nothing, want %s", i, tt.want[i])
				case i >= len(tt.want):
					t.Errorf("command %d = %X, want none", i, b.sent[i])
				case !bytes.Equal(b.sent[i], unhex(t, tt.want[i])):
					t.Errorf("command %d = %X, want %s", i, b.sent[i], tt.want[i])
				}
			}
		})
	}
}

// With short lengths each read goes on where the last ended; nothing is read twice.
func TestShortReadsGoOn(t *testing.T) {
	b := newBench(t, national())
	b.shortOnly()
	if _, err := b.connect().ReadAuthCert(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{selectJPKI, readCert, "00B08A0000", "00B0010000", "00B0020000", "00B0030000", "00B0040085"} // 1157 = 4*256 + 0x85
	for i, cmd := range b.sent {
		if i >= len(want) || !bytes.Equal(cmd, unhex(t, want[i])) {
			t.Errorf("command %d = %X, want %v", i, cmd, want)
		}
	}
}

// What a whole card says of itself.
func TestInfo(t *testing.T) {
	for name, tt := range map[string]struct {
		p    *vcard.Profile
		want mynumber.Info
	}{
		"national": {national(), mynumber.Info{
			Applications: []mynumber.Application{mynumber.JPKI, mynumber.InputAssist, mynumber.CardFace},
			Token:        mynumber.TokenCard, Listed: true, Auth: true, Sign: true,
		}},
		"phone": {phone(), mynumber.Info{
			Applications: []mynumber.Application{mynumber.JPKI}, Token: mynumber.TokenAndroid, Listed: true, Auth: true, Sign: true,
		}},
		"next": {nextCard(), mynumber.Info{
			Applications: []mynumber.Application{mynumber.NextAuth, mynumber.NextFace}, Token: mynumber.TokenNext,
		}},
	} {
		got, err := newBench(t, tt.p).connect().Info(t.Context())
		if err != nil || len(got.Applications) != len(tt.want.Applications) || got.Token != tt.want.Token ||
			got.Listed != tt.want.Listed || got.Auth != tt.want.Auth || got.Sign != tt.want.Sign {
			t.Errorf("%s: Info = %+v, %v, want %+v", name, got, err, tt.want)
		}
	}
}

// What the whole of an enrolment is.
func TestEnrolment(t *testing.T) {
	for name, p := range map[string]*vcard.Profile{"national": national(), "next": nextCard()} {
		b := newBench(t, p)
		e, err := b.connect().Enrol(t.Context(), enrolRequest(right(t)))
		if err != nil || e.FaceErr != nil || e.AttributesErr != nil || e.Form != mynumber.FormEra || e.Birth.Digits() != birthDay {
			t.Fatalf("%s: Enrol = form %d, %v, %v, %v", name, e.Form, err, e.FaceErr, e.AttributesErr)
		}
		a := e.Attributes
		if a.Name() != holder || a.Address() != address || a.BirthDate().Digits() != birthDay || a.Sex() != '2' {
			t.Errorf("%s: attributes are not those of the card", name)
		}
		if !bytes.Equal(e.Cert.DER(), p.AuthCert) || len(e.AuthSignature) == 0 || len(e.Face.Key) == 0 {
			t.Errorf("%s: certificate, signature or key is missing", name)
		}
		face, err := b.connect().ProveFace(t.Context(), mynumber.FaceRequest{Birth: e.Birth, Form: e.Form, Message: []byte("later")})
		if err != nil || !bytes.Equal(face.Key, e.Face.Key) || face.Hierarchy != e.Face.Hierarchy {
			t.Errorf("%s: ProveFace later = %v, want the same key", name, err)
		}
	}
}
