package mynumber_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"kazashi.example/reader/cvc"
	"kazashi.example/reader/mynumber"
	"kazashi.example/sync/certid"
)

// Whether both PINs are the same is what the holder says. Nothing assumes it.
func TestEnrolWithOnePIN(t *testing.T) {
	same := national()
	same.InputPIN = authPIN
	r := enrolRequest(right(t))
	r.InputPIN = mynumber.PIN{}
	b := newBench(t, same)
	if _, err := b.connect().Enrol(t.Context(), r); !errors.Is(err, mynumber.ErrFormat) || verifies(b.sent) > 0 {
		t.Errorf("Enrol without the second PIN = %v after %d values, want ErrFormat after none", err, verifies(b.sent))
	}
	r.SameAsPIN = true
	if e, err := b.connect().Enrol(t.Context(), r); err != nil || e.Attributes == nil || e.FaceErr != nil {
		t.Errorf("Enrol with one PIN for both = %v, face %v, want all of it", err, e.FaceErr)
	}
	r.Attributes, r.SameAsPIN, r.Birth = false, false, date(t, birthDay)
	e, err := b.connect().Enrol(t.Context(), r)
	if err != nil || e.Attributes != nil || e.AttributesErr != nil || e.FaceErr != nil || e.Birth != r.Birth || len(b.sent) != 10 {
		t.Errorf("Enrol without attributes = %v, face %v in %d commands, want a proof in 10", err, e.FaceErr, len(b.sent))
	}
}

// The next card has one PIN, and is not refused for want of another.
func TestEnrolTheNextCardWithItsOnePIN(t *testing.T) {
	r := enrolRequest(right(t))
	r.InputPIN = mynumber.PIN{}
	if e, err := newBench(t, nextCard()).connect().Enrol(t.Context(), r); err != nil || e.Attributes == nil || e.FaceErr != nil {
		t.Errorf("Enrol of the next card with one PIN = %v, face %v, want all of it", err, e.FaceErr)
	}
	r.PIN = mynumber.PIN{}
	b := newBench(t, nextCard())
	if _, err := b.connect().Enrol(t.Context(), r); !errors.Is(err, mynumber.ErrFormat) || len(b.sent) > 0 {
		t.Errorf("Enrol without any PIN = %v in %d commands, want ErrFormat in none", err, len(b.sent))
	}
}

// Attributes that one hierarchy vouches for, beside a face that another does: each is in order, and they are not one card.
func TestAttributesOfAnotherHierarchyThanTheFace(t *testing.T) {
	k, p := rsaKeys(), national()
	other := keys{ca: newRSA(), municipal: newRSA()}
	test, subject := keyID("6000033"), keyID("6330001")
	body := slices.Concat(test[:], subject[:], publicKey(other.municipal.Public()))
	p.InputCVC = tlv(0x7F21, tlv(0x5F4E, body), tlv(0x5F37, signed(other.ca, body)))
	file, fields := attributes(birthDay)
	p.InputAttributes, p.InputIntegrity = file, integrity(other, fields)
	set, err := cvc.NewAuthorities([]cvc.Authority{
		{Hierarchy: certid.HierarchyPractice, ID: keyID(faceIssuer), Key: k.ca.Public()},
		{Hierarchy: certid.HierarchyTest, ID: test, Key: other.ca.Public()},
	})
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, p)
	b.options.Authorities = set
	for range 2 { // by the card's certificate, and by the signers remembered
		e, err := b.connect().Enrol(t.Context(), enrolRequest(right(t)))
		if !errors.Is(err, mynumber.ErrNotGenuine) || e.Attributes != nil || e.Face.Key != nil {
			t.Errorf("Enrol = %v, attributes %v, want ErrNotGenuine and nothing", err, e.Attributes != nil)
		}
		a, err := b.connect().ReadAttributes(t.Context(), right(t).input)
		if err != nil || a.Hierarchy() != certid.HierarchyTest {
			t.Errorf("ReadAttributes = hierarchy %s, %v, want test", a.Hierarchy(), err)
		}
	}
	without := enrolRequest(right(t))
	without.FaceMessage = nil
	if e, err := b.connect().Enrol(t.Context(), without); err != nil || e.Attributes == nil || e.Attributes.Hierarchy() != certid.HierarchyTest {
		t.Errorf("Enrol without the face = %v, want the attributes, and whose they are", err)
	}
}

// What was typed as birth date must be what the card says, before the birth key is tried.
func TestP5EnrolComparesBirthDates(t *testing.T) {
	b := newBench(t, national())
	r := enrolRequest(right(t))
	r.Birth = date(t, "19800218")
	if _, err := b.connect().Enrol(t.Context(), r); !errors.Is(err, mynumber.ErrBirthDate) || verifies(b.sent) != 2 {
		t.Errorf("Enrol with another birth date = %v after %d values, want ErrBirthDate after the two PINs", err, verifies(b.sent))
	}
	r.Birth = date(t, birthDay)
	if _, err := b.connect().Enrol(t.Context(), r); err != nil {
		t.Errorf("Enrol with the card's birth date = %v", err)
	}
}

// A phone proves its PIN and nothing else; without a birth date there is no face proof either.
func TestEnrolWithLess(t *testing.T) {
	r := enrolRequest(right(t))
	e, err := newBench(t, phone()).connect().Enrol(t.Context(), r)
	if err != nil || !errors.Is(e.AttributesErr, mynumber.ErrNoInput) || !errors.Is(e.FaceErr, mynumber.ErrNoFace) || len(e.AuthSignature) == 0 {
		t.Errorf("Enrol of a phone = %v, attributes %v, face %v, want the PIN's proof alone", err, e.AttributesErr, e.FaceErr)
	}
	r.Attributes = false
	b := newBench(t, national())
	e, err = b.connect().Enrol(t.Context(), r)
	if err != nil || !errors.Is(e.FaceErr, mynumber.ErrFormat) || verifies(b.sent) != 1 {
		t.Errorf("Enrol without a birth date = %v, face %v, want no face proof", err, e.FaceErr)
	}
	r = enrolRequest(right(t))
	r.FaceMessage = nil
	b = newBench(t, national())
	e, err = b.connect().Enrol(t.Context(), r)
	if err != nil || e.Attributes == nil || e.FaceErr != nil || len(e.Face.Key) > 0 || verifies(b.sent) != 2 {
		t.Errorf("Enrol without a message for the face = %v, face %v after %d values, want both PINs and no birth date", err, e.FaceErr, verifies(b.sent))
	}
}

// A birth date with unknown parts in a year of two eras is asked about, not guessed.
func TestP5EnrolAsksForTheEra(t *testing.T) {
	p := national()
	p.BirthKey, p.FaceAge = "640000", ageRecord(rsaKeys(), "19890000")
	file, fields := attributes("19890000")
	p.InputAttributes, p.InputIntegrity = file, integrity(rsaKeys(), fields)
	b := newBench(t, p)
	r := enrolRequest(right(t))
	e, err := b.connect().Enrol(t.Context(), r)
	if err != nil || !errors.Is(e.FaceErr, mynumber.ErrEraUnclear) || b.card.Tries()["face/0011"] != 10 {
		t.Fatalf("Enrol = %v, face %v, want ErrEraUnclear and all tries", err, e.FaceErr)
	}
	r.Era = mynumber.Showa
	if e, err = b.connect().Enrol(t.Context(), r); err != nil || e.FaceErr != nil || e.Form != mynumber.FormEra {
		t.Errorf("Enrol with the era = %v, face %v, want a proof", err, e.FaceErr)
	}
}

// The signature certificate comes out as the card holds it, after the password alone.
func TestReadSignCert(t *testing.T) {
	for name, b := range map[string]*bench{"national": newBench(t, national()), "phone": newBench(t, phone())} {
		c, err := b.connect().ReadSignCert(t.Context(), pass(t, password))
		if err != nil || !bytes.Equal(c.DER(), certificates()[1]) {
			t.Errorf("%s: ReadSignCert = %d octets, %v, want the certificate", name, len(c.DER()), err)
		}
	}
}
