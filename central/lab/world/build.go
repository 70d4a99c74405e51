package world

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"time"

	"kazashi.example/central/lab/world/card"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
)

// Names of the keys that belong to nobody. One responder key serves all generations: each certifies it.
const (
	keyStranger  = "stranger"
	keyPhones    = "phones"
	keyResponder = "responder" // and with curveMark the next generation's
	keyFaceCA    = "card-ca-face"
	keyInputCA   = "card-ca-input"
	keyNextCA    = "card-ca-next" + curveMark
)

func authorityKey(p certid.Purpose, gen int) string {
	name := fmt.Sprintf("ca-%s-g%d", p, gen)
	if gen == nextGeneration {
		name += curveMark
	}
	return name
}

func municipalKeyName(code string, input bool) string {
	return "municipal-" + card.MunicipalKey(code, input)
}

func nextMunicipalKeyName(code string, attributes bool) string {
	return "municipal-" + card.NextMunicipalKey(code, attributes) + curveMark
}

func personKey(p people.Person, use string) string {
	name := "person-" + p.Key + "-" + use
	if p.Kind == people.NextCard {
		name += curveMark
	}
	return name
}

// keyNames lists every key of a new world.
func keyNames(all []people.Person) []string {
	names := []string{keyStranger, keyPhones, keyResponder, keyResponder + curveMark, keyFaceCA, keyInputCA, keyNextCA}
	for _, p := range []certid.Purpose{certid.PurposeAuth, certid.PurposeSign} {
		for _, g := range generationsOf(p) {
			names = append(names, authorityKey(p, g.number))
		}
	}
	for _, m := range people.Municipalities() {
		names = append(names, municipalKeyName(m.Code, false), municipalKeyName(m.Code, true),
			nextMunicipalKeyName(m.Code, false), nextMunicipalKeyName(m.Code, true))
	}
	for _, p := range all {
		for _, use := range keyUses(p) {
			names = append(names, personKey(p, use))
		}
	}
	return names
}

// keyUses are the keys that a person begins with.
func keyUses(p people.Person) []string {
	uses := []string{"auth"}
	switch p.Kind {
	case people.Card:
		uses = append(uses, "card", "input")
	case people.NextCard:
		uses = append(uses, "card")
	case people.Phone:
	}
	if p.HasSign() {
		uses = append(uses, "sign")
	}
	return uses
}

// build makes the whole folder; world.json comes last.
func (w *World) build(ctx context.Context, cfg Config) error {
	w.state = &state{
		Format: format, Mark: pki.PracticeMark, Seed: cfg.Seed, People: cfg.People, Made: cfg.Now.UTC().Truncate(time.Second),
		NextSerial: map[string]uint32{}, ListNumber: map[string]int64{},
	}
	w.people = people.Make(cfg.Seed, cfg.People)
	if err := w.keys.ensure(ctx, keyNames(w.people), cfg.Progress); err != nil {
		return err
	}
	if err := w.loadAuthorities(true); err != nil {
		return err
	}
	if err := w.writeCardCAs(); err != nil {
		return err
	}
	day := dayOf(cfg.Now)
	for _, p := range []certid.Purpose{certid.PurposeAuth, certid.PurposeSign} {
		for _, gen := range []int{current(p), nextGeneration} {
			w.state.NextSerial[counter(p, gen)] = generationOf(p, gen).nextSerial(day)
		}
	}
	for _, p := range w.people {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("making practice world: %w", err)
		}
		if err := w.settle(p, day); err != nil {
			return fmt.Errorf("making %s: %w", p.Key, err)
		}
	}
	return w.state.save(w.dir)
}

// counter names the serial counter of a generation.
func counter(p certid.Purpose, gen int) string {
	if gen == nextGeneration {
		return fmt.Sprintf("%s-g%d", p, gen)
	}
	return p.String()
}

// settle makes one person: certificates, what stands against them, and the card.
func (w *World) settle(p people.Person, day time.Time) error {
	r := people.Rand(w.state.Seed, "issue", p.Key)
	at := issued(p, day, r)
	auth, err := w.issue(p, certid.PurposeAuth, generationOf(certid.PurposeAuth, p.Generation).serial(day, at, p.Index), at, "auth")
	if err != nil {
		return err
	}
	lines := []certLine{auth}
	if p.HasSign() {
		serial := generationOf(certid.PurposeSign, generationAt(certid.PurposeSign, p, "sign")).serial(day, at, p.Index)
		sign, err := w.issue(p, certid.PurposeSign, serial, at, "sign")
		if err != nil {
			return err
		}
		lines = append(lines, sign)
	}
	w.state.Certificates = append(w.state.Certificates, lines...)
	if err := w.condemn(p, lines, day); err != nil {
		return err
	}
	return w.writeProfile(p)
}

// condemn writes the revocations that a case has from the beginning.
func (w *World) condemn(p people.Person, lines []certLine, day time.Time) error {
	line, reason, days := lines[0], pki.CessationOfOperation, 40
	switch p.Case {
	case people.Revoked:
	case people.OnHold:
		reason, days = pki.CertificateHold, 1
	case people.SignRevoked:
		line, reason, days = lines[1], pki.AffiliationChanged, 20
	default:
		return nil
	}
	id, err := lineID(line.Purpose, line.Serial)
	if err != nil {
		return err
	}
	w.state.addRevocation(id, reason, day.AddDate(0, 0, -days).Add(15*time.Hour))
	return nil
}

// issuer is who signs a person's first certificates, and the key that forges in its stead.
func (w *World) issuer(p people.Person, purpose certid.Purpose, gen int) (a *pki.Authority, forged bool, err error) {
	if purpose == certid.PurposeAuth && p.Case == people.UnknownIssuer {
		return w.unlisted(p), false, nil
	}
	a, err = w.Authority(purpose, gen)
	return a, purpose == certid.PurposeAuth && p.Case == people.BrokenChain, err
}

// issue makes a certificate and its file; the ledger line is the caller's to keep. The key is named by use ("auth", "auth-r1").
func (w *World) issue(p people.Person, purpose certid.Purpose, serial uint32, at time.Time, use string) (certLine, error) {
	gen := generationAt(purpose, p, use)
	a, forged, err := w.issuer(p, purpose, gen)
	if err != nil {
		return certLine{}, err
	}
	key, err := w.keys.key(personKey(p, use))
	if err != nil {
		return certLine{}, err
	}
	r, err := w.request(p, purpose, serial, at, use)
	if err != nil {
		return certLine{}, err
	}
	r.Public = key.Public()
	if forged {
		if r.Forger, err = w.keys.key(keyStranger); err != nil {
			return certLine{}, err
		}
	}
	cert, err := a.Issue(r)
	if err != nil {
		return certLine{}, fmt.Errorf("issuing: %w", err)
	}
	return w.keepCertificate(p, purpose, a, cert, use, forged || a == w.unlisted(p))
}

// unlisted is the authority outside the trust bundles that a person of case UnknownIssuer has a certificate of.
func (w *World) unlisted(p people.Person) *pki.Authority {
	if p.Kind == people.Phone {
		return w.phones
	}
	return w.stranger
}

func generationAt(purpose certid.Purpose, p people.Person, use string) int {
	switch {
	case p.Kind == people.NextCard:
		return nextGeneration
	case purpose == certid.PurposeSign:
		return signGeneration
	case use != "auth":
		return currentGeneration
	default:
		return p.Generation
	}
}

func (w *World) keepCertificate(p people.Person, purpose certid.Purpose, a *pki.Authority, cert *x509.Certificate, use string,
	unlisted bool,
) (certLine, error) {
	file := filepath.Join("people", p.Key, use+".cer")
	if err := writeFile(filepath.Join(w.dir, file), cert.Raw); err != nil {
		return certLine{}, err
	}
	return certLine{
		Person: p.Key, Purpose: purpose.String(), Serial: hex.EncodeToString(cert.SerialNumber.Bytes()), Generation: a.Generation,
		NotBefore: cert.NotBefore, NotAfter: cert.NotAfter, File: file, Unlisted: unlisted,
	}, nil
}

// request is what a city office's terminal would send.
func (w *World) request(p people.Person, purpose certid.Purpose, serial uint32, at time.Time, use string) (pki.Resident, error) {
	birth, err := p.Birth.EraCompact()
	if err != nil {
		return pki.Resident{}, fmt.Errorf("writing a birth date: %w", err)
	}
	return pki.Resident{
		Serial: serial, CommonName: commonName(w.state.Seed, p, use), OCSP: w.ocsp,
		NotBefore: at.UTC().Truncate(time.Second), NotAfter: p.Birth.BirthdayEnd(at, lifeYears(p)),
		Prefecture: p.Municipality.PrefectureEn, Municipality: p.Municipality.NameEn,
		Personal: [6]string{p.FullName(), "", string(p.Sex), birth, p.Address, ""},
	}, nil
}

// commonName is 14 random letters and digits and the terminal: municipality code, three digits, a letter.
func commonName(seed uint64, p people.Person, use string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	r := people.Rand(seed, "common name", p.Key, use)
	b := make([]byte, 14)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return fmt.Sprintf("%s%s%03d%c", b, p.Municipality.Code, r.IntN(1000), 'A'+rune(r.IntN(26)))
}
