package vcard

// The practice next-generation card. Nothing of the true one is public but its algorithm (P-384, SHA-384), its two applications and its
// two PINs (task force report of 2024-03-18): AIDs, files and commands here are a practice assumption, kept as near to the card of
// today as those facts let them be.

// Application identifiers of our own, in the unregistered category F (ISO/IEC 7816-4 §8.2.1.2).
const (
	aidNextAuth = "\xF0\x4B\x41\x5A\x41\x53\x48\x49\x00\x01" // 認証AP
	aidNextFace = "\xF0\x4B\x41\x5A\x41\x53\x48\x49\x00\x02" // 券面等AP
)

func nextCard(p *Profile, k *keyring) layout {
	return layout{atr: atrTypeB, apps: []*application{nextAuthAP(p, k), nextFaceAP(p, k)}}
}

// nextAuthAP holds what a PIN opens: both key pairs, and the attributes with their integrity record behind the PIN of the
// authentication key.
func nextAuthAP(p *Profile, k *keyring) *application {
	const pin, password = 0x0018, 0x001B
	ap := &application{aid: aidNextAuth, sessionKey: swKeyDelivery, files: []*file{
		plainFile(0x0006, tokenInfo(labelNext)),
		plainFile(0x000A, p.AuthCert),
		plainFile(0x0012, p.InputAttributes, pin),
		plainFile(0x0013, p.InputIntegrity, pin),
		plainFile(0x0014, p.InputCVC, pin),
		keyFile(0x0017, k.parse(p.AuthKey, p384Key), pin),
		secretFile("auth", pin, p.AuthPIN, p.tries(authPINTries), fourDigits).issuedWith(p.AuthCert),
	}}
	if !p.hasSign() {
		ap.files = append(ap.files, secretFile("auth", password, "", 0, nil))
		return ap
	}
	ap.files = append(ap.files,
		plainFile(0x0001, p.SignCert, password),
		keyFile(0x001A, k.parse(p.SignKey, p384Key), password),
		secretFile("auth", password, p.SignPassword, signPasswordTries, signPassword).issuedWith(p.SignCert),
	)
	return ap
}

// nextFaceAP holds what the birth date opens, and the card's own key.
func nextFaceAP(p *Profile, k *keyring) *application {
	const birth = 0x0011
	return &application{aid: aidNextFace, defaultKey: k.parse(p.CardKey, p384Key), sessionKey: swKeyDelivery, files: []*file{
		plainFile(0x0001, p.FaceAge, birth),
		plainFile(0x0004, p.FaceCVC),
		secretFile("face", birth, p.BirthKey, referenceTries, nil),
	}}
}
