package vcard

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"

	"kazashi.example/reader/apdu"
)

// P1 of COMPUTE DIGITAL SIGNATURE, 80 2A (myna-card src/ap/jpki.rs).
const (
	signVerbatim       = 0x00 // PKCS #1 v1.5 over the data as it is
	signHashBare       = 0x01 // the card's SHA-256, no DigestInfo
	signDigest         = 0x02 // a SHA-256 digest, wrapped in DigestInfo
	signHashDigestInfo = 0x03 // the card's SHA-256 in DigestInfo
	signDigestPSS      = 0x04 // a SHA-256 digest, PSS
	signHashPSS        = 0x05 // the card's SHA-256, PSS

	maxVerbatim = keyBits/8 - 11 // RFC 8017 §7.2.1
	sigLen      = keyBits / 8
)

// sign is COMPUTE DIGITAL SIGNATURE. The security status outlives it: no source says that it ends.
func (c *Card) sign(cmd apdu.Command) apdu.Response {
	if cmd.P1 > signHashPSS {
		return fail(apdu.SWWrongParameters)
	}
	key, sw := c.signingKey(cmd.P2)
	switch {
	case sw != apdu.SWOK:
		return fail(sw)
	case len(cmd.Data) == 0 || cmd.Ne == 0:
		return fail(apdu.SWWrongLength)
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return signRSA(cmd, key)
	case *ecdsa.PrivateKey:
		return signP384(cmd, key)
	}
	return fail(apdu.SWUnknownError)
}

func signRSA(cmd apdu.Command, key *rsa.PrivateKey) apdu.Response {
	switch {
	case cmd.Ne < sigLen:
		return fail(swExactLe) // 256 octets
	case !fits(cmd.P1, len(cmd.Data)):
		return fail(apdu.SWConditionsOfUse)
	}
	sig, err := compute(cmd.P1, key, cmd.Data)
	if err != nil {
		return fail(apdu.SWUnknownError)
	}
	return succeed(sig)
}

// signP384 takes a SHA-384 digest and gives r and s in 48 octets each, the plain format of BSI TR-03111 §5.2.1. A practice assumption,
// as all of the next-generation card.
func signP384(cmd apdu.Command, key *ecdsa.PrivateKey) apdu.Response {
	switch {
	case cmd.P1 != signVerbatim:
		return fail(apdu.SWWrongParameters)
	case cmd.Ne < 2*scalarLen:
		return fail(swExactLe | 2*scalarLen)
	case len(cmd.Data) != sha512.Size384:
		return fail(apdu.SWConditionsOfUse)
	}
	r, s, err := ecdsa.Sign(rand.Reader, key, cmd.Data)
	if err != nil {
		return fail(apdu.SWUnknownError)
	}
	sig := make([]byte, 2*scalarLen)
	r.FillBytes(sig[:scalarLen])
	s.FillBytes(sig[scalarLen:])
	return succeed(sig)
}

// scalarLen is the length of r and of s on P-384, in octets.
const scalarLen = 48

// signingKey resolves P2: 00 is the application's default key, which asks for nothing; others name a key EF.
func (c *Card) signingKey(p2 byte) (crypto.Signer, apdu.StatusWord) {
	if p2 == 0 {
		if c.app == nil || c.app.defaultKey == nil {
			return nil, apdu.SWDataNotFound
		}
		return c.app.defaultKey, apdu.SWOK
	}
	f, sw := c.reference(p2)
	switch {
	case sw != apdu.SWOK:
		return nil, sw
	case f.kind != keyKind:
		return nil, apdu.SWFileStructure
	case !c.open(f):
		return nil, apdu.SWSecurityNotSatisfied
	}
	return f.key, apdu.SWOK
}

// fits holds the lengths that the card takes: a digest is 32 octets, all else what padding or a short command leaves room for.
func fits(p1 byte, n int) bool {
	switch p1 {
	case signVerbatim:
		return n <= maxVerbatim
	case signDigest, signDigestPSS:
		return n == sha256.Size
	}
	return n <= apdu.MaxShortData
}

func compute(p1 byte, key *rsa.PrivateKey, data []byte) ([]byte, error) {
	digest := data
	if p1 == signHashBare || p1 == signHashDigestInfo || p1 == signHashPSS {
		sum := sha256.Sum256(data)
		digest = sum[:]
	}
	switch p1 {
	case signVerbatim, signHashBare:
		return rsa.SignPKCS1v15(nil, key, crypto.Hash(0), digest)
	case signDigest, signHashDigestInfo:
		return rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest)
	}
	return rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
}

// internalAuthenticate answers for keys that sign by 80 2A alone: 6982 behind a PIN, else 6985 (myna-card src/card.rs). The one key
// of the real card that answers, 共通カードAP 0019, has no public half anywhere and is not personalised.
func (c *Card) internalAuthenticate(cmd apdu.Command) apdu.Response {
	if cmd.P1 != 0 {
		return fail(apdu.SWWrongParameters)
	}
	_, sw := c.signingKey(cmd.P2)
	if sw == apdu.SWOK {
		sw = apdu.SWConditionsOfUse
	}
	return fail(sw)
}
