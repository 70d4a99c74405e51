package count_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/lab/count"
	"kazashi.example/central/ppid"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/proof"
	"kazashi.example/sync/record"
)

// Keys and names of the made-up central, whose own code says what the count must come to by itself.
var (
	boxID     = record.BoxID{ID128: record.ID128{7}}
	handleKey = []byte(strings.Repeat("h", 32))
	ppidKey   = []byte(strings.Repeat("p", 32))
)

const (
	verifier record.VerifierID = "practice-city"
	service  record.ServiceID  = "practice.library"
)

// people writes down the pseudonyms and enrolments of a scene.
func (s scene) people(t *testing.T, central *sql.DB, keysDir string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(keysDir, "handle.key"), handleKey, 0o600))
	must(t, os.WriteFile(filepath.Join(keysDir, "ppid-1.key"), ppidKey, 0o600))
	for i, n := range s.subjects {
		place := n.person
		if n.sealedAs != 0 {
			place = n.sealedAs
		}
		sealed := seal(t, "subjects.ppid", append(binary.BigEndian.AppendUint64(nil, uint64(place)), service...), []byte(n.ppid)) //nolint:gosec // small
		_, err := central.ExecContext(t.Context(), `INSERT INTO subjects VALUES (?, ?, ?, 1, ?)`, i+1, n.person, string(service), sealed)
		must(t, err)
	}
	for tap, person := range s.enrolments {
		_, err := central.ExecContext(t.Context(), `INSERT INTO enrolments VALUES (?, ?)`, []byte(tap), person)
		must(t, err)
	}
}

// card is somebody's certificate with its key, and the key of the card.
type card struct {
	serial string
	cert   []byte
	auth   *ecdsa.PrivateKey
	face   *ecdsa.PrivateKey
}

var (
	cardsMu sync.Mutex // guards cards
	cards   = map[string]card{}
)

// cardOf makes the one card with a serial.
func cardOf(t *testing.T, serial string) card {
	t.Helper()
	cardsMu.Lock()
	defer cardsMu.Unlock()
	if c, ok := cards[serial]; ok {
		return c
	}
	c := card{serial: serial}
	var err error
	c.auth, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	c.face, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	b, err := hex.DecodeString(serial)
	must(t, err)
	template := &x509.Certificate{SerialNumber: new(big.Int).SetBytes(b), Subject: pkix.Name{CommonName: "MADE-UP"}, NotAfter: at(1e6)}
	c.cert, err = x509.CreateCertificate(rand.Reader, template, template, c.auth.Public(), c.auth)
	must(t, err)
	cards[serial] = c
	return c
}

func tapID(tap string) (id record.TapID) { copy(id.ID128[:], tap); return id }

// signed is a card's signature over a tap's challenge, as central's own code makes it.
func signed(t *testing.T, k *ecdsa.PrivateKey, p proof.Purpose, tap string, when time.Time) []byte {
	t.Helper()
	m, err := proof.Challenge{Purpose: p, Box: boxID, Tap: tapID(tap), Verifier: verifier, Service: service, Time: when}.Message()
	must(t, err)
	sum := sha512.Sum384(m)
	r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
	must(t, err)
	return append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...)
}

// long makes a tap id of a short name.
func long(tap string) string { return tap + strings.Repeat(".", 16-len(tap)) }

// enrol is an accepted record with the PIN, which binds a card; tap one by that card.
func enrol(t *testing.T, seq uint64, c card, seconds float64, subject int64) entry {
	t.Helper()
	tap, when := long(fmt.Sprintf("t%d", seq)), at(seconds)
	spki, err := x509.MarshalPKIXPublicKey(c.face.Public())
	must(t, err)
	e := entry{seq: seq, tap: tap, serial: c.serial, at: when, first: accepted, final: accepted, onBox: accepted, subject: subject}
	e.said = map[int]any{
		4: string(service), 7: 4, 8: 3, 9: 1, 14: c.cert, 18: map[int]any{2: spki},
		16: map[int]any{1: string(verifier), 2: signed(t, c.auth, proof.PurposePIN, tap, when)},
		17: map[int]any{1: string(verifier), 2: signed(t, c.face, proof.PurposeCard, tap, when), 3: []byte(tap)},
	}
	return e
}

func tapBy(t *testing.T, seq uint64, c card, by *ecdsa.PrivateKey, enrolled string, seconds float64, subject int64) entry {
	t.Helper()
	tap, when := long(fmt.Sprintf("t%d", seq)), at(seconds)
	return entry{
		seq: seq, tap: tap, serial: c.serial, at: when, first: accepted, final: accepted, onBox: accepted, subject: subject,
		said: map[int]any{4: string(service), 7: 3, 8: 3, 9: 1, 17: map[int]any{
			1: string(verifier), 2: signed(t, by, proof.PurposeCard, tap, when), 3: []byte(long(enrolled)),
		}},
	}
}

// names derives the pseudonym of whoever proved the PIN first with a certificate.
func names(t *testing.T, c card) string {
	t.Helper()
	d, err := ppid.NewDeriver(handleKey, ppidKey, 1)
	must(t, err)
	b, err := hex.DecodeString(c.serial)
	must(t, err)
	serial, err := certid.ParseSerial(b)
	must(t, err)
	h, err := d.Handle(verifier, certid.CertID{Scope: certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}, Serial: serial})
	must(t, err)
	p, err := d.PPID(string(service), h)
	must(t, err)
	return p.Reveal()
}

func renewal(person, serial string, seconds float64) string {
	return fmt.Sprintf(`{"n":1,"at":%q,"kind":"reissue","line":"up","person":%q,"serial":%q}`, stamp(at(seconds)), person, serial)
}

// town is hanako, who enrols, taps, renews on a new card, enrols and taps again; taro, who enrols; and aoi, who is refused.
func town(t *testing.T) scene {
	t.Helper()
	old, renewed, taro := cardOf(t, "0a01"), cardOf(t, "0a02"), cardOf(t, "0b01")
	return scene{
		ledger: []string{
			deed("start", 0, 0),
			lay(1, 1, "up", "hanako", "0a01", "served", "served"), deed("take", 1, 2),
			lay(2, 3, "up", "hanako", "0a01", "served", "served"), deed("take", 2, 4),
			lay(3, 5, "up", "taro", "0b01", "served", "served"), deed("take", 3, 6),
			lay(4, 7, "up", "aoi", "0c01", "refused", "refused"), deed("take", 4, 8),
			renewal("hanako", "0a02", 9),
			lay(5, 10, "up", "hanako", "0a02", "served", "served"), deed("take", 5, 11),
			lay(6, 12, "up", "hanako", "0a02", "served", "served"), deed("take", 6, 13),
		},
		records: []entry{
			enrol(t, 1, old, 1.5, 1), tapBy(t, 2, old, old.face, "t1", 3.5, 1), enrol(t, 3, taro, 5.5, 2),
			{seq: 4, tap: long("t4"), serial: "0c01", at: at(7.5), first: refused, final: refused, onBox: refused},
			enrol(t, 5, renewed, 10.5, 1), tapBy(t, 6, renewed, renewed.face, "t5", 12.5, 1),
		},
		subjects:   []named{{person: 1, ppid: names(t, old)}, {person: 2, ppid: names(t, taro)}},
		enrolments: map[string]int64{long("t1"): 1, long("t3"): 2, long("t5"): 1},
	}
}

// wrong is one thing that is not as it should be.
type wrong struct {
	change func(*scene)
	fault  string // part of one of the faults, "" for none
}

// P2: who got a pseudonym, and each way in which that can be wrong.
func TestP2People(t *testing.T) {
	renewed := cardOf(t, "0a02")
	judge(t, map[string]wrong{
		"all in order": {func(*scene) {}, ""},
		"a pseudonym moved": {
			func(s *scene) { s.records[5].subject = 2 }, "a second PPID for hanako",
		},
		"a pseudonym moved with all its records": {func(s *scene) {
			for _, i := range []int{0, 1, 4, 5} {
				s.records[i].subject = 2
			}
			s.enrolments = map[string]int64{long("t1"): 2, long("t3"): 2, long("t5"): 2}
		}, "the PPID of hanako for taro"},
		"two pseudonyms exchanged": {func(s *scene) {
			s.subjects[0].ppid, s.subjects[1].ppid = s.subjects[1].ppid, s.subjects[0].ppid
		}, "the PPID of taro is not the one that central's keys give"},
		"somebody split by a renewal": {func(s *scene) {
			s.subjects = append(s.subjects, named{person: 3, ppid: names(t, renewed)})
			s.records[4].subject, s.records[5].subject, s.enrolments[long("t5")] = 3, 3, 3
		}, "a second PPID for hanako"},
		"somebody else's certificate on a card": {
			func(s *scene) { s.ledger[9] = renewal("hanako", "0b01", 9) }, "a second PPID for hanako",
		},
		"a pseudonym for a stranger": {func(s *scene) {
			s.records[3].subject, s.records[3].first, s.records[3].final, s.records[3].onBox = 2, accepted, accepted, accepted
		}, "a PPID for aoi, who never proved the PIN"},
		"a pseudonym on a refused record": {
			func(s *scene) { s.records[3].subject = 2 }, "a PPID on a record that was not accepted",
		},
		"a pseudonym that is in no table": {
			func(s *scene) { s.records[5].subject = 9 }, "it is in no table",
		},
		"a pseudonym in another's place": {
			func(s *scene) { s.subjects[1].sealedAs = 1 }, "PPID: sealed column does not open in its place",
		},
		"no pseudonym": {
			func(s *scene) { s.records[5].subject = 0 }, "hanako was accepted and has no PPID",
		},
		"an enrolment of no record": {
			func(s *scene) { s.enrolments[long("t9")] = 1 }, "no accepted record enrols there",
		},
		"an enrolment of a record that enrols nobody": {
			func(s *scene) { s.enrolments[long("t2")] = 1 }, "no accepted record enrols there",
		},
		"an enrolment for somebody else": {
			func(s *scene) { s.enrolments[long("t3")] = 1 }, "for another person than its record",
		},
	})
}

// P6: what cards signed, and each way in which that can be no proof.
func TestP6Proofs(t *testing.T) {
	old, taro := cardOf(t, "0a01"), cardOf(t, "0b01")
	judge(t, map[string]wrong{
		"a PIN proved by another key": {func(s *scene) {
			s.records[2].said[16] = map[int]any{1: string(verifier), 2: signed(t, old.auth, proof.PurposePIN, long("t3"), at(5.5))}
		}, "accepted with a PIN that was not proved: the signature"},
		"a PIN proved for another tap": {func(s *scene) {
			s.records[2].said[16] = map[int]any{1: string(verifier), 2: signed(t, taro.auth, proof.PurposePIN, long("t2"), at(5.5))}
		}, "a PPID for taro, who never proved the PIN"},
		"a PIN proved at another time": {func(s *scene) {
			s.records[2].said[16] = map[int]any{1: string(verifier), 2: signed(t, taro.auth, proof.PurposePIN, long("t3"), at(5.6))}
		}, "accepted with a PIN that was not proved: the signature"},
		"a PIN without proof": {
			func(s *scene) { delete(s.records[2].said, 16) }, "there is no proof",
		},
		"another's certificate": {
			func(s *scene) { s.records[2].said[14] = old.cert }, "another serial",
		},
		"no certificate": {
			func(s *scene) { s.records[2].said[14] = []byte{1} }, "reading the certificate",
		},
		"a card that is not the bound one": {
			func(s *scene) { s.records[1] = tapBy(t, 2, old, taro.face, "t1", 3.5, 1) }, "accepted by a card that was not proved: the signature",
		},
		"a card bound by nobody": {
			func(s *scene) { s.records[1] = tapBy(t, 2, old, old.face, "t9", 3.5, 1) }, "that no accepted enrolment has bound",
		},
		"a card bound by another person": {
			func(s *scene) { s.records[1] = tapBy(t, 2, old, taro.face, "t3", 3.5, 1) }, "accepted by the card of taro for hanako",
		},
		"a card without proof": {
			func(s *scene) { delete(s.records[1].said, 17) }, "that no accepted enrolment has bound",
		},
		"a bound key that is none": {
			func(s *scene) { s.records[0].said[18] = map[int]any{2: []byte{1}} }, "reading the card's key",
		},
		"a card key of another kind": {func(s *scene) {
			k, err := rsa.GenerateKey(rand.Reader, 2048)
			must(t, err)
			spki, err := x509.MarshalPKIXPublicKey(k.Public())
			must(t, err)
			s.records[0].said[18] = map[int]any{2: spki}
		}, "accepted by a card that was not proved: the signature"},
	})
}

// judge counts a town in which one thing is wrong.
func judge(t *testing.T, all map[string]wrong) {
	t.Helper()
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			s := town(t)
			c.change(&s)
			r, err := count.Count(t.Context(), s.paths(t))
			must(t, err)
			if all := strings.Join(r.Faults, "\n"); (c.fault == "") != (all == "") || !strings.Contains(all, c.fault) {
				t.Errorf("faults = %q, want one with %q", r.Faults, c.fault)
			}
			if fine := r.People == 2 && r.PINs == 3 && r.Cards == 2; c.fault == "" && (!fine || !r.OK()) {
				t.Errorf("%d people, %d and %d proofs, OK %t, want 2, 3, 2 and OK", r.People, r.PINs, r.Cards, r.OK())
			}
		})
	}
}
