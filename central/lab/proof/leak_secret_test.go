package proof_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/md5" //nolint:gosec // looked for, not used
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // looked for, not used
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"kazashi.example/central/lab/proof/leak"
	"kazashi.example/central/lab/world"
	"kazashi.example/reader/tlv"
	"kazashi.example/reader/vcard"
)

// typed adds what only the person knows, and what must not leave the card layer (P4): of that nothing may be anywhere, not even under
// central's seals.
func typed(s *leak.Search, p world.Person, profile *vcard.Profile) error {
	digests, err := integrity(profile)
	if err != nil {
		return err
	}
	for tag, b := range digests {
		err = errors.Join(err, s.Number(fmt.Sprintf("%s's integrity record %s", p.Key, tag), b[:32]))
	}
	return errors.Join(err,
		s.Digits(p.Key+"'s Individual Number", p.IndividualNumber),
		s.Word(p.Key+"'s PIN", p.AuthPIN), s.Word(p.Key+"'s second PIN", p.InputPIN), s.Text(p.Key+"'s password", p.SignPassword),
	)
}

// integrity is what EF 0003 of the input-assist application holds, tag by tag: digests of the Individual Number and of the attributes, and
// the signature over them.
func integrity(p *vcard.Profile) (map[tlv.Tag][]byte, error) {
	outer, _, err := tlv.Decode(p.InputIntegrity)
	if err != nil {
		return nil, err
	}
	inner, err := outer.Children()
	all := map[tlv.Tag][]byte{}
	for _, e := range inner {
		all[e.Tag] = e.Value
	}
	if len(all) < 2 {
		return nil, fmt.Errorf("integrity record of %d parts, %w", len(all), err)
	}
	return all, err
}

// personal adds what names somebody: the certificates and the card as they are now, and the attributes.
func personal(s *leak.Search, p world.Person, profile *vcard.Profile) error {
	era, err := p.Birth.EraCompact()
	if err != nil {
		return err
	}
	birthKey, err := p.Birth.BirthKey()
	if err != nil {
		return err
	}
	err = errors.Join(certificate(s, p.Key+"'s certificate", p.Auth), bound(s, p.Key+"'s card key", profile))
	if p.HasSign() {
		err = errors.Join(err, s.Number(p.Key+"'s serial for signing", p.Sign.ID.Serial.Bytes()))
	}
	gregorian := p.Birth.Compact()
	return errors.Join(err,
		s.Text(p.Key+"'s name", p.FullName()), s.Text(p.Key+"'s family", p.Family+"\u3000"),
		s.Text(p.Key+"'s address", p.Address),
		s.Digits(p.Key+"'s birth", gregorian), s.Digits(p.Key+"'s birth in the era", era),
		s.Word(p.Key+"'s birth key", birthKey), s.Word(p.Key+"'s birth key in the other form", gregorian[2:]),
	)
}

func certificate(s *leak.Search, whose string, c world.Certificate) error {
	cert, err := c.X509()
	if err != nil {
		return err
	}
	serial := c.ID.Serial.Bytes()
	sums := [][]byte{}
	for _, sum := range [][32]byte{sha256.Sum256(serial), sha256.Sum256(cert.Raw)} {
		sums = append(sums, sum[:])
	}
	one, five := sha1.Sum(serial), md5.Sum(serial) //nolint:gosec // looked for, not used
	for _, sum := range append(sums, one[:], five[:]) {
		err = errors.Join(err, s.Number(whose+", a hash", sum))
	}
	return errors.Join(err,
		s.Number(whose+", its serial", serial), s.Text(whose+", its CN", cert.Subject.CommonName),
		s.Number(whose+", its public key", cert.RawSubjectPublicKeyInfo[40:72]), s.Number(whose+", its signature", cert.Signature[:32]),
	)
}

// bound adds the key to which an enrolment binds: as a whole, by its numbers, and by the hash under which somebody might file it.
func bound(s *leak.Search, whose string, p *vcard.Profile) error {
	key, spki, err := cardKey(p)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(spki)
	err = errors.Join(s.Number(whose, spki), s.Number(whose+", its hash", sum[:]))
	switch k := key.(type) {
	case *rsa.PrivateKey:
		n := k.N.Bytes()
		return errors.Join(err, s.Number(whose+", its modulus", n), s.Number(whose+", the modulus' beginning", n[:32]))
	case *ecdsa.PrivateKey:
		point, perr := k.PublicKey.Bytes()
		if perr != nil {
			return perr
		}
		return errors.Join(err, s.Number(whose+", its X", point[1:49]), s.Number(whose+", its Y", point[49:]))
	default:
		return errors.Join(err, fmt.Errorf("a card key is a %T", key)) //nolint:err113 // of this test alone
	}
}

func cardKey(p *vcard.Profile) (private any, spki []byte, err error) {
	if private, err = x509.ParsePKCS8PrivateKey(p.CardKey); err != nil {
		return nil, nil, err
	}
	switch k := private.(type) {
	case *rsa.PrivateKey:
		spki, err = x509.MarshalPKIXPublicKey(k.Public())
	case *ecdsa.PrivateKey:
		spki, err = x509.MarshalPKIXPublicKey(k.Public())
	}
	return private, spki, err
}

// planting is every form of a search, each as a word.
func planting(s *leak.Search) []byte {
	var text []byte
	for _, f := range s.Forms() {
		text = append(append(append(text, ' '), f.Octets...), ' ')
	}
	return text
}

// sees wants every form to have been found.
func sees(t *testing.T, s *leak.Search, place string, found []leak.Found) {
	t.Helper()
	seen := map[string]bool{}
	for _, f := range found {
		seen[f.Value+" as "+f.Form.Form+string(f.Octets)] = true
	}
	for _, f := range s.Forms() {
		if !seen[f.Value+" as "+f.Form+string(f.Octets)] {
			t.Errorf("%s as %s was put into %s and is not found", f.Value, f.Form, place)
		}
	}
}

// in searches one answer or log, after it has found there every form that was put in its middle on purpose.
func in(t *testing.T, s *leak.Search, place string, b []byte) []leak.Found {
	t.Helper()
	if len(b) < 2 {
		t.Errorf("%s: nothing to search", place)
	}
	half := len(b) / 2
	sees(t, s, place, s.In(place, bytes.Join([][]byte{b[:half], planting(s), b[half:]}, nil)))
	return s.In(place, b)
}

// under searches a data directory whole, after it has found there every form that was put there on purpose.
func under(t *testing.T, s *leak.Search, dir string) []leak.Found {
	t.Helper()
	all := func(string) bool { return false }
	control := filepath.Join(dir, "control")
	if err := os.WriteFile(control, planting(s), 0o600); err != nil {
		t.Fatal(err)
	}
	found, _, err := s.Under(dir, all)
	if err := errors.Join(err, os.Remove(control)); err != nil {
		t.Fatal(err)
	}
	var there []leak.Found
	for _, f := range found {
		if f.Place == "control" {
			there = append(there, f)
		}
	}
	sees(t, s, dir, there)
	found, files, err := s.Under(dir, all)
	if err != nil || files < 5 {
		t.Fatalf("Under(%s) read %d files, %v, want a whole data directory", dir, files, err)
	}
	return found
}
