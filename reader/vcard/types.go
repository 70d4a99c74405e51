package vcard

import (
	"crypto"
	"fmt"

	"kazashi.example/reader/apdu"
)

// cardType is what makes one kind of card differ from another.
type cardType struct {
	// fields are the JSON names that a profile of this kind may have beside commonFields.
	fields []string
	// check finds what is missing or not as it must be.
	check func(*Profile, *faults)
	// layOut makes the card of a valid profile.
	layOut func(*Profile, *keyring) layout
}

// layout is a card without its state.
type layout struct {
	atr  []byte
	apps []*application
	// answer takes the place of all commands where the card has no files at all; nil: a card with applications.
	answer func(apdu.Command) apdu.Response
}

var commonFields = []string{"label", "kind", "card_id"}

var cardTypes = map[Kind]cardType{
	"": currentType, Current: currentType,
	Next: {
		fields: []string{
			"auth_cert", "sign_cert", "auth_key", "sign_key", "auth_pin", "without_pins", "sign_password", "birth_key", "card_key",
			"face_age", "face_cvc", "input_attributes", "input_integrity", "input_cvc",
		},
		check: (*Profile).checkNext, layOut: nextCard,
	},
	Phone: {
		fields: []string{"auth_cert", "auth_ca", "auth_key", "auth_pin", "sign_cert", "sign_ca", "sign_key", "sign_password"},
		check:  (*Profile).checkPhone, layOut: phoneCard,
	},
	Token: {fields: []string{"uid"}, check: (*Profile).checkToken, layOut: tokenCard},
}

var currentType = cardType{
	fields: []string{
		"auth_cert", "auth_ca", "sign_cert", "sign_ca", "auth_key", "sign_key", "auth_pin", "without_pins", "sign_password", "input_pin",
		"individual_number", "birth_key", "number_b", "card_key", "input_key", "face_age", "face_record", "face_info", "face_cvc",
		"input_attributes", "input_integrity", "input_cvc", "input_info", "input_public", "common_record",
	},
	check: (*Profile).checkCurrent, layOut: currentCard,
}

// layOut lays out the card that a valid profile describes.
func layOut(p *Profile) (layout, error) {
	k := &keyring{}
	l := cardTypes[p.Kind].layOut(p, k)
	if k.err != nil {
		return layout{}, fmt.Errorf("reading keys of card profile: %w", k.err)
	}
	return l, nil
}

// keyring parses keys and keeps the first failure.
type keyring struct{ err error }

func (k *keyring) parse(der []byte, want keyType) crypto.Signer {
	key, err := parseKey(der, want)
	if err != nil && k.err == nil {
		k.err = err
	}
	return key
}

// atrTypeB is a contactless My Number Card's, as a reader makes it up from ATQB (OpenSC pull request 3744).
var atrTypeB = []byte{0x3B, 0x88, 0x80, 0x01, 0x00, 0x00, 0x05, 0xE0, 0xB3, 0x81, 0xA1, 0x00, 0x7F}

// Token labels of EF 0006 (jpki/myna tag v0.6.1 _go/libmyna/api.go); the last is our own.
const (
	labelPlastic = "JPKIAPICCTOKEN2"
	labelPhone   = "JPKIAPGPSETOKEN"
	labelNext    = "KAZASHIPRACTICENEXT"
)

// currentCard is the card of today. In doubt about who may open a file, it is the stricter source.
func currentCard(p *Profile, k *keyring) layout {
	apps := []*application{jpkiAP(p, k, labelPlastic)}
	if p.hasInput() {
		apps = append(apps, inputAP(p, k))
	}
	if p.hasFace() {
		apps = append(apps, faceAP(p, k))
	}
	if p.CommonRecord != "" {
		record := append([]byte{0x01, commonRecordLen}, p.CommonRecord...) // simple TLV (myna-card src/ap/common.rs)
		apps = append(apps, &application{
			aid: aidCommon, sessionKey: swKeyDelivery,
			files: []*file{{id: 0x0001, kind: recordKind, records: [][]byte{record}}},
		})
	}
	return layout{atr: atrTypeB, apps: apps}
}

// phoneCard is an Android phone's JPKI application: the plastic card's, with the certificate behind the PIN.
func phoneCard(p *Profile, k *keyring) layout {
	return layout{atr: atrTypeB, apps: []*application{jpkiAP(p, k, labelPhone, 0x0018)}}
}
