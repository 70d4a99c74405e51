package rig

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"slices"

	"kazashi.example/appliance/journal"
	"kazashi.example/central/lab/world"
	"kazashi.example/reader/vcard"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/proof"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// Invent seals whatever a box that does not run says that its cards did, one epoch for all of it, and returns it as a courier's load.
func (b *Box) Invent(said ...content.Record) (p wire.Push) {
	b.r.tb.Helper()
	b.Journal(b.Dir, func(j *journal.Journal) {
		for _, r := range said {
			plain, err := r.Encode()
			b.r.must(err)
			_, err = j.Append(b.r.tb.Context(), plain, journal.Clear{
				Tap: r.Tap, Time: r.At(), Desk: r.Desk, Service: r.Service, Verdict: r.Said.Verdict, Reason: r.Said.Reason,
			})
			b.r.must(err)
		}
		var err error
		p, err = j.Unsent(b.r.tb.Context(), journal.Limits{})
		b.r.must(err)
	})
	return p
}

// Opened is what is inside a load, as central alone can open it, in the order of the taps.
func (r *Rig) Opened(load wire.Push) (all []content.Record) {
	r.tb.Helper()
	key := r.Central.Keys().Seal
	by := map[record.EpochID]*epoch.Opener{}
	for _, h := range load.Headers {
		s, err := epoch.Read(h)
		r.must(err)
		o, err := epoch.NewOpener(s.Header, key)
		r.must(err)
		by[s.Header.Epoch] = o
	}
	for _, b := range load.Envelopes {
		e, err := epoch.DecodeEnvelope(b)
		r.must(err)
		plain, err := by[e.Epoch].Open(e)
		r.must(err)
		c, err := content.Decode(plain)
		r.must(err)
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b content.Record) int { return cmp.Compare(a.Time, b.Time) })
	return all
}

// ByCardKey signs a challenge with the key of a person's card, as the card does.
func (r *Rig) ByCardKey(p world.Person, c proof.Challenge) []byte {
	r.tb.Helper()
	return r.signed(r.profile(p).CardKey, c)
}

// ByAuthKey is ByCardKey for the key behind the PIN.
func (r *Rig) ByAuthKey(p world.Person, c proof.Challenge) []byte {
	r.tb.Helper()
	return r.signed(r.profile(p).AuthKey, c)
}

func (r *Rig) profile(p world.Person) *vcard.Profile {
	r.tb.Helper()
	q, err := vcard.LoadProfile(p.Profile)
	r.must(err)
	return q
}

// signed is PKCS#1 v1.5 with SHA-256 by an RSA key, r and s of 48 octets each over SHA-384 by a P-384 key.
func (r *Rig) signed(pkcs8 []byte, c proof.Challenge) []byte {
	r.tb.Helper()
	m, err := c.Message()
	r.must(err)
	key, err := x509.ParsePKCS8PrivateKey(pkcs8)
	r.must(err)
	switch k := key.(type) {
	case *rsa.PrivateKey:
		sum := sha256.Sum256(m)
		s, err := rsa.SignPKCS1v15(nil, k, crypto.SHA256, sum[:])
		r.must(err)
		return s
	case *ecdsa.PrivateKey:
		sum := sha512.Sum384(m)
		x, y, err := ecdsa.Sign(rand.Reader, k, sum[:])
		r.must(err)
		return append(x.FillBytes(make([]byte, 48)), y.FillBytes(make([]byte, 48))...)
	default:
		r.tb.Fatalf("a card signs with a %T", key)
		return nil
	}
}
