package tap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"kazashi.example/localapi"
	"kazashi.example/reader/jpki"
	"kazashi.example/reader/mynumber"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
)

// errUnusable says that a certificate can be neither accepted nor written down.
var errUnusable = errors.New("certificate has no serial number, or is too long to be sent on")

// read connects to the card and has it show what the tap needs. A card that has is a tap, however it went away afterwards.
func (c *Counter) read(ctx context.Context, reader string, t *taken) error {
	ctx, cancel := context.WithTimeout(ctx, c.ReadTimeout)
	defer cancel()
	conn, err := c.Cards.Open(ctx, reader)
	if err != nil {
		return fmt.Errorf("connecting to the card: %w", err)
	}
	if t.next != nil {
		conn = held{conn, c, t.laying}
	}
	card := mynumber.New(conn, mynumber.Options{
		Reader: reader, Memory: c.Memory, Authorities: c.Authorities(),
		Next: t.ruled && slices.Contains(t.rule.Hierarchies, certid.HierarchyPractice), // a form that only practice cards have
	})
	err = c.ask(ctx, card, t)
	if cerr := conn.Close(); cerr != nil {
		c.Log.InfoContext(ctx, "letting a card go failed", slog.String("reader", reader), slog.Any("error", cerr))
	}
	return err
}

// ask reads the certificate and then as much more as the tap needs. Where the certificate alone is reason to refuse, no try of a
// PIN or a birth date is spent on the card (P5), and the reason stands for why no more was proved. So it is with a phone, which shows its
// certificate after the PIN only: it never gets the one that was typed in, because its issuer would be refused all the same. Nor is
// anybody asked for a PIN for an enrolment that could not be remembered.
func (c *Counter) ask(ctx context.Context, card *mynumber.Card, t *taken) error {
	cert, err := card.ReadAuthCert(ctx)
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	if err := c.examine(t, cert.DER()); err != nil {
		return err
	}
	c.lookUp(ctx, t)
	if d := t.gate(t.rule.Evidence, 0); d.Verdict == record.VerdictRefused {
		t.hindrance = d.Reason
		return nil
	}
	if t.laidFor(localapi.NextEnrol) && !t.eachTime() && c.Book.Locked() {
		t.hindrance = record.ReasonRosterLocked
		return nil
	}
	return c.prove(ctx, card, t)
}

// examine says what the certificate is, and what the lists held here say of it.
func (c *Counter) examine(t *taken, der []byte) error {
	cert, err := c.Certificates().Examine(der)
	if err != nil {
		return fmt.Errorf("examining the certificate: %w", err)
	}
	t.der, t.cert = der, cert
	if cert.Serial.IsZero() || (t.sent() || t.next != nil) && len(der) > content.MaxCertificate {
		return &ReadError{localapi.FailureNonsense, errUnusable}
	}
	if cert.Chain == jpki.ChainVerified { // another serial has no scope in which anything could be listed
		t.said = c.Revocations.Answer(t.id(), cert.Issuer)
	}
	return nil
}

// id is the certificate's, where its chain is verified.
func (t *taken) id() certid.CertID {
	return certid.CertID{Scope: t.cert.Scope(), Serial: t.cert.Serial}
}

// sent says that central needs the certificate itself: to examine it, or to verify the proof of the PIN.
func (t *taken) sent() bool {
	return t.pin != nil || t.cert.Chain != jpki.ChainVerified || t.cert.Profile != nil
}
