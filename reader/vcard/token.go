package vcard

import "kazashi.example/reader/apdu"

// tokenCard is a handed-out card or a transit card as PC/SC shows it: no application, and its identifier by GET DATA of the reader.
func tokenCard(p *Profile, k *keyring) layout {
	uid, err := parseUID(p.UID)
	if err != nil {
		k.err = err
	}
	return layout{atr: storageATR(uid), answer: func(cmd apdu.Command) apdu.Response { return showUID(cmd, uid) }}
}

// felicaIDLen is the length of a FeliCa card's IDm.
const felicaIDLen = 8

// storageATR is what a reader makes up for a storage card (PC/SC part 3 supplement, "Contactless storage cards"): the RID of the PC/SC
// Workgroup, the standard and the card's name. An identifier of 8 octets is a FeliCa card, others are taken for ISO/IEC 14443 A.
func storageATR(uid []byte) []byte {
	const felica, iso14443A = 0x11, 0x03
	standard, name := byte(iso14443A), byte(0x03) // MIFARE Ultralight
	switch len(uid) {
	case felicaIDLen:
		standard, name = felica, 0x3B // FeliCa
	case 4:
		name = 0x01 // MIFARE Standard 1K
	}
	b := []byte{
		0x3B, 0x8F, 0x80, 0x01, 0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06, standard, 0x00, name, 0x00, 0x00, 0x00, 0x00,
	}
	var tck byte
	for _, o := range b[1:] {
		tck ^= o
	}
	return append(b, tck)
}

// showUID answers GET DATA with class FF and P1-P2 0000, the UID (PC/SC part 3 §3.2.2.1.3). With a true reader it never reaches the card;
// pcscd hands it to the driver, and vpcd to us.
func showUID(cmd apdu.Command, uid []byte) apdu.Response {
	const readerClass = 0xFF
	switch {
	case cmd.CLA == readerClass && cmd.INS == insGetData && cmd.P2 == 0:
		switch {
		case cmd.P1 != 0: // 01 asks for the historical octets
			return fail(apdu.SWFunctionUnsupported)
		case len(cmd.Data) != 0 || cmd.Ne == 0:
			return fail(apdu.SWWrongLength)
		case cmd.Ne < len(uid):
			return fail(swExactLe | apdu.StatusWord(len(uid)))
		}
		return succeed(uid)
	case cmd.INS == apdu.InsSelect:
		return fail(apdu.SWNotFound)
	}
	return fail(apdu.SWInsUnsupported)
}
