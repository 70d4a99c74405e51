package world

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/central/lab/world/card"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/reader/vcard"
	"kazashi.example/sync/certid"
)

func (w *World) profilePath(key string) string {
	return filepath.Join(w.dir, "people", key, "profile.json")
}

// writeProfile writes the card as the ledger in w.state has it.
func (w *World) writeProfile(p people.Person) error {
	number, _ := w.state.card(p.Key)
	profile := &vcard.Profile{Label: p.Label, CardID: fmt.Sprintf("%s-%d", p.Key, number), AuthPIN: p.AuthPIN, WithoutPINs: p.Case == people.NoPIN}
	if err := w.fill(p, profile); err != nil {
		return err
	}
	if err := profile.Validate(); err != nil {
		return fmt.Errorf("checking card profile: %w", err)
	}
	b, err := json.MarshalIndent(profile, "", " ")
	if err != nil {
		return fmt.Errorf("encoding card profile: %w", err)
	}
	return writeFile(w.profilePath(p.Key), append(b, '\n'))
}

// fill makes what the person's kind of card holds.
func (w *World) fill(p people.Person, into *vcard.Profile) error {
	if err := w.fillJPKI(p, into); err != nil {
		return err
	}
	made, err := w.cardMade(p)
	if err != nil {
		return err
	}
	switch p.Kind {
	case people.Phone:
		into.Kind = vcard.Phone
		return nil
	case people.NextCard:
		into.Kind = vcard.Next
		return w.fillNext(p, made, into)
	case people.Card:
	}
	holder, err := w.fillNumbers(p, made, into)
	if err != nil {
		return err
	}
	if err := w.fillFace(p, holder, into); err != nil {
		return err
	}
	return w.fillInput(p, holder, into)
}

// fillJPKI takes certificates and keys from the ledger. The key file has the name of the certificate file.
func (w *World) fillJPKI(p people.Person, into *vcard.Profile) error {
	for _, purpose := range []certid.Purpose{certid.PurposeAuth, certid.PurposeSign} {
		l := currentLine(w.state, p.Key, purpose)
		if l == nil {
			continue
		}
		cert, err := os.ReadFile(filepath.Join(w.dir, l.File))
		if err != nil {
			return fmt.Errorf("reading certificate: %w", err)
		}
		use := filepath.Base(l.File)
		key, err := w.pkcs8(personKey(p, use[:len(use)-len(".cer")]))
		if err != nil {
			return err
		}
		ca, err := w.cardRoot(p, *l)
		if err != nil {
			return err
		}
		if purpose == certid.PurposeAuth {
			into.AuthCert, into.AuthCA, into.AuthKey = cert, ca, key
		} else {
			into.SignCert, into.SignCA, into.SignKey, into.SignPassword = cert, ca, key, p.SignPassword
		}
	}
	return nil
}

// cardRoot is the CA certificate that the card carries beside l: nil for the practice next card, which has none.
func (w *World) cardRoot(p people.Person, l certLine) ([]byte, error) {
	if p.Kind == people.NextCard {
		return nil, nil
	}
	if l.Generation == w.stranger.Generation {
		return w.unlisted(p).Cert.Raw, nil
	}
	purpose, err := certid.ParsePurpose(l.Purpose)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOther, err)
	}
	a, err := w.Authority(purpose, l.Generation)
	if err != nil {
		return nil, err
	}
	return a.Cert.Raw, nil
}

// cardMade is when the card itself was made: with its first certificate, or when a new one took its place. A renewal on the same card
// does not count.
func (w *World) cardMade(p people.Person) (time.Time, error) {
	if number, made := w.state.card(p.Key); number > 1 {
		return made, nil
	}
	for _, l := range w.state.Certificates {
		if l.Person == p.Key {
			return l.NotBefore, nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: %s has no certificate", ErrUnknown, p.Key)
}

func (w *World) fillNumbers(p people.Person, made time.Time, into *vcard.Profile) (card.Holder, error) {
	h, expiry := holder(p, made)
	var err error
	if into.BirthKey, err = p.BirthKey(); err != nil {
		return h, fmt.Errorf("writing birth key: %w", err)
	}
	into.IndividualNumber, into.NumberB = p.IndividualNumber, people.NumberB(into.BirthKey, expiry.Year(), p.SecurityCode)
	number, _ := w.state.card(p.Key)
	into.CommonRecord = fmt.Sprintf("9%04d%010d%s%s", number-1, p.Index, p.Municipality.Code, h.Expiry)
	return h, nil
}

// holder is what a card made at a time says about its holder, and the end of its own life.
func holder(p people.Person, made time.Time) (card.Holder, time.Time) {
	expiry := p.Birth.BirthdayEnd(made, expiryYears(p.Birth, made)).In(people.JST)
	return card.Holder{
		Name: p.FullName(), Address: p.Address, Birth: p.Birth.Compact(), Sex: byte(p.Sex), Expiry: expiry.Format("20060102"),
		SecurityCode: p.SecurityCode, Municipality: p.Municipality.Code, Number: p.IndividualNumber,
	}, expiry
}

// cardKeyName is the key of the card that the person has now, or of its input-assist AP.
func (w *World) cardKeyName(p people.Person, use string) string {
	if number, _ := w.state.card(p.Key); number > 1 {
		use = fmt.Sprintf("%s-c%d", use, number)
	}
	return personKey(p, use)
}

// fillFace makes the card-face AP.
func (w *World) fillFace(p people.Person, h card.Holder, into *vcard.Profile) error {
	key, der, err := w.signer(w.cardKeyName(p, "card"))
	if err != nil {
		return err
	}
	issuer, cvc, err := w.municipal(p, false)
	if err != nil {
		return err
	}
	into.CardKey, into.FaceCVC, into.FaceInfo = der, cvc, card.FaceInfo(h)
	if into.FaceAge, err = card.AgeRecord(h, &key.PublicKey, issuer); err != nil {
		return fmt.Errorf("making age record: %w", err)
	}
	if into.FaceRecord, err = card.FaceRecord(h, &key.PublicKey, issuer); err != nil {
		return fmt.Errorf("making card face: %w", err)
	}
	return nil
}

// fillInput makes the input-assist AP.
func (w *World) fillInput(p people.Person, h card.Holder, into *vcard.Profile) error {
	key, der, err := w.signer(w.cardKeyName(p, "input"))
	if err != nil {
		return err
	}
	issuer, cvc, err := w.municipal(p, true)
	if err != nil {
		return err
	}
	into.InputKey, into.InputPIN, into.InputCVC, into.InputInfo = der, p.InputPIN, cvc, card.InputInfo(h)
	if into.InputAttributes, err = card.Attributes(h); err != nil {
		return fmt.Errorf("making attributes: %w", err)
	}
	if into.InputIntegrity, err = card.Integrity(h, issuer); err != nil {
		return fmt.Errorf("making integrity record: %w", err)
	}
	if into.InputPublic, err = card.InputPublic(&key.PublicKey, issuer); err != nil {
		return fmt.Errorf("making public key file: %w", err)
	}
	return nil
}

// municipal is the key that signs a municipality's cards, with its card-verifiable certificate.
func (w *World) municipal(p people.Person, input bool) (*rsa.PrivateKey, []byte, error) {
	number, caName := card.FaceIssuer, keyFaceCA
	if input {
		number, caName = card.InputIssuer, keyInputCA
	}
	ca, err := w.keys.rsa(caName)
	if err != nil {
		return nil, nil, err
	}
	key, err := w.keys.rsa(municipalKeyName(p.Municipality.Code, input))
	if err != nil {
		return nil, nil, err
	}
	subject := card.MakeKeyID(card.MunicipalKey(p.Municipality.Code, input))
	cvc, err := card.Certificate(card.MakeKeyID(number), subject, &key.PublicKey, ca)
	if err != nil {
		return nil, nil, fmt.Errorf("making card-verifiable certificate: %w", err)
	}
	return key, cvc, nil
}

// signer is an RSA key with its PKCS#8 form.
func (w *World) signer(name string) (*rsa.PrivateKey, []byte, error) {
	key, err := w.keys.rsa(name)
	if err != nil {
		return nil, nil, err
	}
	der, err := w.pkcs8(name)
	return key, der, err
}

// pkcs8 is any key in PKCS#8 form.
func (w *World) pkcs8(name string) ([]byte, error) {
	key, err := w.keys.key(name)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding key: %w", err)
	}
	return der, nil
}
