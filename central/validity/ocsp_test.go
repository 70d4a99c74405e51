package validity_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/http"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/central/validity"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

func status(a record.Answer, s wire.Source) validity.Status {
	return validity.Status{Answer: a, Source: s}
}

func TestTheResponderAnswersAsOfTheTap(t *testing.T) { // P6
	r := newRig(t)
	id, issuer := r.someone()
	r.want("in order", id, issuer, day, status(record.AnswerNotRevoked, fromOCSP))

	must(t, r.world.Hold(id, day.Add(-time.Hour)))
	r.want("on hold", id, issuer, day, status(record.AnswerOnHold, fromOCSP))
	r.want("before the hold", id, issuer, day.Add(-2*time.Hour), status(record.AnswerNotRevoked, fromOCSP))

	must(t, r.world.Revoke(id, pki.Superseded, day.Add(-30*time.Minute)))
	r.want("revoked", id, issuer, day, status(record.AnswerRevoked, fromOCSP))
	r.want("revoked that second", id, issuer, day.Add(-30*time.Minute), status(record.AnswerRevoked, fromOCSP))
	r.want("revoked after the tap", id, issuer, day.Add(-31*time.Minute), status(record.AnswerNotRevoked, fromOCSP))
}

// A responder knows the present alone; that a certificate was on hold at the tap only the list of that day still says.
func TestAHoldLiftedSinceStillCounts(t *testing.T) { // P6
	r := newRig(t)
	id, issuer := r.someone()
	must(t, r.world.Hold(id, day.Add(-time.Hour)))
	r.fetch()
	tap := day.Add(time.Hour)
	r.add(24 * time.Hour)
	must(t, r.world.Unhold(id, day.Add(2*time.Hour)))
	r.fetch()
	r.want("tapped during the hold", id, issuer, tap, status(record.AnswerOnHold, fromList))
	r.want("tapped after it", id, issuer, r.time(), status(record.AnswerNotRevoked, fromOCSP))
	r.spoil(say(nil))
	r.want("tapped during the hold, by lists alone", id, issuer, tap, status(record.AnswerOnHold, fromList))
	r.want("tapped after it, by lists alone", id, issuer, r.time(), status(record.AnswerNotRevoked, fromList))
}

func TestTheRightGenerationIsNamed(t *testing.T) { // P7, design §6
	r := newRig(t)
	r.fetch()
	id, issuer := r.someone()
	var other content.Issuer
	for n := 2; n <= 3; n++ {
		if r.short(n) != issuer {
			other = r.short(n)
		}
	}
	// The responder says "unknown" of a certificate that another key issued. A list would say not_revoked of what was never issued.
	r.refuse("another generation", id, other, day, validity.ErrNobody)
	r.refuse("no generation", id, content.Issuer{1}, day, validity.ErrIssuer)
	r.refuse("another hierarchy", certid.CertID{Scope: certid.Scope{Hierarchy: 1, Purpose: 1}, Serial: id.Serial}, issuer, day, validity.ErrIssuer)
	r.refuse("another purpose", certid.CertID{Scope: certid.Scope{Hierarchy: 3, Purpose: 2}, Serial: id.Serial}, issuer, day, validity.ErrIssuer)
	must(t, r.world.Revoke(id, pki.Superseded, day.Add(-time.Hour)))
	r.fetch()
	r.want("unknown to the responder, but on the list", id, other, day, status(record.AnswerRevoked, fromList))
}

// flaws are answers that must not be used, each with one fault.
func flaws(t testing.TB, w *world.World, a *pki.Authority, serial *big.Int) map[string][]byte {
	t.Helper()
	good, key, err := w.Responder(a)
	must(t, err)
	older, err := w.Authority(certid.PurposeAuth, 2)
	must(t, err)
	with := func(change func(*ocsp.Response)) []byte { return byHand(t, a, good, key, serial, change) }
	delegate := func(by *pki.Authority, usage []x509.ExtKeyUsage, from, to time.Time) []byte {
		c := &x509.Certificate{SerialNumber: big.NewInt(9), Subject: pkix.Name{CommonName: "made-up"}, NotBefore: from, NotAfter: to, ExtKeyUsage: usage}
		der, err := x509.CreateCertificate(rand.Reader, c, by.Cert, key.Public(), by.Key)
		must(t, err)
		cert, err := x509.ParseCertificate(der)
		must(t, err)
		return byHand(t, a, cert, key, serial, nil)
	}
	year, ocspUse := 365*24*time.Hour, []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
	whole := with(nil)
	spoilt := append([]byte(nil), whole...)
	spoilt[len(spoilt)-len(good.Raw)-40] ^= 1 // in the signature, which stands before the certificate
	return map[string][]byte{
		"nothing":                     nil,
		"an error status":             {0x30, 0x03, 0x0A, 0x01, 0x06}, // unauthorized, RFC 6960 §4.2.1
		"cut":                         whole[:len(whole)-9],
		"longer":                      append(append([]byte(nil), whole...), 0),
		"a spoilt signature":          spoilt,
		"another serial":              byHand(t, a, good, key, new(big.Int).Add(serial, big.NewInt(1)), nil),
		"another issuer's name":       byHand(t, older, good, key, serial, nil),
		"past its time":               with(func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = day.Add(-time.Hour), day.Add(-6*time.Minute) }),
		"old, for no stated time":     with(func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = day.Add(-2*time.Hour), time.Time{} }),
		"of the future":               with(func(r *ocsp.Response) { r.ThisUpdate, r.NextUpdate = day.Add(6*time.Minute), day.Add(time.Hour) }),
		"a responder without the use": delegate(a, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, day.Add(-year), day.Add(year)),
		"a responder without any use": delegate(a, nil, day.Add(-year), day.Add(year)),
		"a responder of the past":     delegate(a, ocspUse, day.Add(-year), day.Add(-time.Hour)),
		"a responder of the future":   delegate(a, ocspUse, day.Add(time.Hour), day.Add(year)),
		"another issuer's responder":  delegate(older, ocspUse, day.Add(-year), day.Add(year)),
		"larger than any answer":      make([]byte, 1<<20),
	}
}

// An answer with a flaw is as none: the list is asked, and only for this question.
func TestAFlawedAnswerIsNone(t *testing.T) { // P6, P7
	r := newRig(t)
	a := r.generation(3)
	id := certid.CertID{Scope: auth, Serial: mustSerial(t, 0x123456)}
	r.fetch()
	for name, flaw := range flaws(t, r.world, a, id.Serial.Int()) {
		r.spoil(say(flaw))
		before := r.count()
		r.want(name, id, r.short(3), day, status(record.AnswerNotRevoked, fromList))
		if r.count() != before+1 {
			t.Errorf("%s: the responder was asked %d times, want once", name, r.count()-before)
		}
	}
	r.spoil(func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "busy", http.StatusServiceUnavailable) })
	r.want("HTTP 503", id, r.short(3), day, status(record.AnswerNotRevoked, fromList))
}

func mustSerial(t testing.TB, n int64) certid.Serial {
	t.Helper()
	s, err := certid.SerialOf(big.NewInt(n))
	must(t, err)
	return s
}

// What the standard allows is taken: signed by the issuer itself, with or without its own certificate, by either hash.
func TestEveryLawfulFormIsTaken(t *testing.T) {
	r := newRig(t)
	a := r.generation(3)
	responder, key, err := r.world.Responder(a)
	must(t, err)
	id := certid.CertID{Scope: auth, Serial: mustSerial(t, 0x123456)}
	for name, b := range map[string][]byte{
		"by a responder":              byHand(t, a, responder, key, id.Serial.Int(), nil),
		"by the issuer":               byHand(t, a, a.Cert, a.Key, id.Serial.Int(), nil),
		"by the issuer, shown":        byHand(t, a, a.Cert, a.Key, id.Serial.Int(), func(r *ocsp.Response) { r.Certificate = a.Cert }),
		"named by SHA-256":            byHand(t, a, responder, key, id.Serial.Int(), func(r *ocsp.Response) { r.IssuerHash = crypto.SHA256 }),
		"fresh, for no stated time":   byHand(t, a, responder, key, id.Serial.Int(), func(r *ocsp.Response) { r.NextUpdate = time.Time{} }),
		"within the clocks' distance": byHand(t, a, responder, key, id.Serial.Int(), func(r *ocsp.Response) { r.ThisUpdate = day.Add(4 * time.Minute) }),
	} {
		r.spoil(say(b))
		r.want(name, id, r.short(3), day, status(record.AnswerNotRevoked, fromOCSP))
	}
}

// A backlog must not wait for a dead responder tap by tap; and once it lives again it is asked again.
func TestASilentResponderIsLetAlone(t *testing.T) { // P6
	r := newRig(t)
	id, issuer := r.someone()
	r.refuse("neither responder nor list", certid.CertID{Scope: auth, Serial: mustSerial(t, 7)}, r.short(3), day, validity.ErrNobody)
	r.fetch()
	must(t, r.world.Revoke(id, pki.Superseded, day.Add(-time.Minute))) // known to the responder alone

	live := r.authority.OCSP
	r.authority.OCSP = "http://127.0.0.1:1/ocsp"
	r.want("refused connection", id, issuer, day, status(record.AnswerNotRevoked, fromList))
	r.authority.OCSP = live
	before := r.count()
	r.want("at once after", id, issuer, day, status(record.AnswerNotRevoked, fromList))
	if r.count() != before {
		t.Error("the responder was asked although it had just been silent")
	}
	r.add(validity.QuietFor)
	r.want("a moment later", id, issuer, day, status(record.AnswerRevoked, fromOCSP))
}

// A caller that gives up learns that nobody answered, and the responder is not blamed for it.
func TestGivingUpIsNotSilence(t *testing.T) {
	r := newRig(t)
	id, issuer := r.someone()
	r.fetch()
	r.spoil(hang)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got, err := r.authority.StatusWithin(ctx, id, issuer, day, day); err == nil {
		t.Errorf("StatusWithin with an ended context = %v, want an error", got)
	}
	r.spoil(nil)
	r.want("asked again", id, issuer, day, status(record.AnswerNotRevoked, fromOCSP))
}

func TestWithoutAResponderListsAnswer(t *testing.T) {
	r := newRig(t)
	id, issuer := r.someone()
	r.authority.OCSP = ""
	r.refuse("no list yet", id, issuer, day, validity.ErrNobody)
	must(t, r.world.Revoke(id, pki.Superseded, day.Add(-time.Hour)))
	r.fetch()
	r.want("revoked", id, issuer, day, status(record.AnswerRevoked, fromList))
	r.want("revoked after the tap", id, issuer, day.Add(-2*time.Hour), status(record.AnswerNotRevoked, fromList))
	other := certid.CertID{Scope: auth, Serial: mustSerial(t, 7)}
	r.want("not listed", other, r.short(2), day, status(record.AnswerNotRevoked, fromList))
	r.refuse("not listed, tapped after the list's end", other, issuer, day.Add(25*time.Hour), validity.ErrNobody)
	r.want("listed, tapped after the list's end", id, issuer, day.Add(25*time.Hour), status(record.AnswerRevoked, fromList))
}

// The practice people's own issuers, one after the other: the wrong one is never named.
func TestEveryGenerationsPeopleAreKnown(t *testing.T) {
	r := newRig(t)
	all, err := r.world.Certificates()
	must(t, err)
	seen := map[int]bool{}
	for _, c := range all {
		if c.ID.Scope == auth && c.Listed && !seen[c.Generation] {
			seen[c.Generation] = true
			r.want(fmt.Sprintf("generation %d", c.Generation), c.ID, r.short(c.Generation), day, status(record.AnswerNotRevoked, fromOCSP))
		}
	}
	if len(seen) < 2 {
		t.Errorf("people of %d generations, want at least 2", len(seen))
	}
}

func FuzzAnswer(f *testing.F) {
	w, err := world.Open(f.Context(), f.TempDir(), world.Config{Now: day, People: 1, Keys: worldtest.KeyDir()})
	must(f, err)
	a, err := w.Authority(certid.PurposeAuth, 3)
	must(f, err)
	anchors, err := jpki.NewAnchors(jpki.Anchor{Cert: a.Cert, Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth})
	must(f, err)
	serial := mustSerial(f, 0x123456)
	asker := &validity.Authority{Anchors: anchors, Now: func() time.Time { return day }, Log: quiet}
	want := map[string]record.Answer{} // by what was signed
	responder, key, err := w.Responder(a)
	must(f, err)
	for said, means := range map[int]record.Answer{ocsp.Good: record.AnswerNotRevoked, ocsp.Revoked: record.AnswerRevoked, ocsp.Unknown: 0} {
		b := byHand(f, a, responder, key, serial.Int(), func(r *ocsp.Response) { r.Status, r.RevokedAt = said, day.Add(-time.Hour) })
		parsed, err := ocsp.ParseResponse(b, a.Cert)
		must(f, err)
		want[string(parsed.TBSResponseData)] = means
		f.Add(b)
	}
	for _, flaw := range flaws(f, w, a, serial.Int()) {
		if len(flaw) < 1<<16 {
			f.Add(flaw)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := asker.ReadAnswer(b, a.Cert, serial, day)
		if err != nil {
			if s != (validity.Status{}) {
				t.Errorf("ReadAnswer(%x) = %v beside an error", b, s)
			}
			return
		}
		parsed, err := ocsp.ParseResponse(b, a.Cert)
		if err != nil || s.Answer == record.AnswerUnknown || s.Answer != want[string(parsed.TBSResponseData)] {
			t.Errorf("ReadAnswer(%x) = %v, which nobody signed", b, s)
		}
	})
}
