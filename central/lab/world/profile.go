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
	profile := &vcard.Profile{Label: p.Label, AuthPIN: p.AuthPIN}
	if err := w.fillJPKI(p, profile); err != nil {
		return err
	}
	made, err := w.cardMade(p)
	if err != nil {
		return err
	}
	holder, err := w.fillNumbers(p, made, profile)
	if err != nil {
		return err
	}
	if err := w.fillFace(p, holder, profile); err != nil {
		return err
	}
	if err := w.fillInput(p, holder, profile); err != nil {
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
		_, key, err := w.signer(personKey(p.Key, use[:len(use)-len(".cer")]))
		if err != nil {
			return err
		}
		ca, err := w.cardRoot(*l)
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

// cardRoot is the CA certificate that the card carries beside l.
func (w *World) cardRoot(l certLine) ([]byte, error) {
	if l.Generation == w.stranger.Generation {
		return w.stranger.Cert.Raw, nil
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

// cardMade is when the card itself was made: with its first certificate. Renewals change certificates, not the card.
func (w *World) cardMade(p people.Person) (time.Time, error) {
	for _, l := range w.state.Certificates {
		if l.Person == p.Key {
			return l.NotBefore, nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: %s has no certificate", ErrUnknown, p.Key)
}

func (w *World) fillNumbers(p people.Person, made time.Time, into *vcard.Profile) (card.Holder, error) {
	expiry := p.Birth.BirthdayEnd(made, expiryYears(p.Birth, made)).In(people.JST)
	birthKey, err := p.Birth.BirthKey()
	if err != nil {
		return card.Holder{}, fmt.Errorf("writing birth key: %w", err)
	}
	numberB, err := people.NumberB(p.Birth, expiry.Year(), p.SecurityCode)
	if err != nil {
		return card.Holder{}, fmt.Errorf("writing number B: %w", err)
	}
	into.IndividualNumber, into.BirthKey, into.NumberB = p.IndividualNumber, birthKey, numberB
	into.CommonRecord = fmt.Sprintf("9%014d%s%s", p.Index, p.Municipality.Code, expiry.Format("20060102"))
	return card.Holder{
		Name: p.FullName(), Address: p.Address, Birth: p.Birth.Compact(), Sex: byte(p.Sex), Expiry: expiry.Format("20060102"),
		SecurityCode: p.SecurityCode, Municipality: p.Municipality.Code, Number: p.IndividualNumber,
	}, nil
}

// fillFace makes the card-face AP.
func (w *World) fillFace(p people.Person, h card.Holder, into *vcard.Profile) error {
	key, der, err := w.signer(personKey(p.Key, "card"))
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
	key, der, err := w.signer(personKey(p.Key, "input"))
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
	ca, err := w.keys.key(caName)
	if err != nil {
		return nil, nil, err
	}
	key, err := w.keys.key(municipalKeyName(p.Municipality.Code, input))
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

// signer is a key with its PKCS#8 form.
func (w *World) signer(name string) (*rsa.PrivateKey, []byte, error) {
	key, err := w.keys.key(name)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding key: %w", err)
	}
	return key, der, nil
}
