package mynumber

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/jpki"
)

// Certificate is the authentication certificate (利用者証明用電子証明書) as the card gave it, unverified. It prints as REDACTED.
type Certificate struct {
	redaction
	der []byte
}

// DER returns the certificate's octets, without the filler that may follow it on the card. The caller must not change them.
func (c Certificate) DER() []byte { return c.der }

// SignCertificate is the signature certificate (署名用電子証明書) as the card gave it, unverified. It names its holder. It prints as REDACTED.
type SignCertificate struct {
	redaction
	der []byte
}

// DER returns the certificate's octets, without the filler that may follow it on the card. The caller must not change them.
func (c SignCertificate) DER() []byte { return c.der }

// ReadAuthCert reads the authentication certificate: two commands where extended lengths work, one for every 256 octets
// otherwise, none if this connection has given it before. No PIN is involved. Errors: ErrNotMyNumber, ErrNoCertificate, ErrPINNeeded,
// ErrTorn, ErrNonsense, or the error of ctx.
func (c *Card) ReadAuthCert(ctx context.Context) (Certificate, error) {
	if c.cert.der != nil {
		return c.cert, nil
	}
	if c.layout == nil {
		if err := c.identify(ctx); err != nil {
			return Certificate{}, err
		}
	}
	if err := c.enter(ctx, c.layout.auth); err != nil {
		return Certificate{}, err
	}
	der, err := c.readFile(ctx, c.layout.authCert)
	if err != nil {
		c.behind = errors.Is(err, ErrPINNeeded)
		return Certificate{}, fmt.Errorf("reading the authentication certificate: %w", err)
	}
	c.cert = Certificate{der: der}
	c.guard.rename(c.memory.nameCard(der))
	return c.cert, nil
}

// know reads the certificate if nobody has, so that wrong values are remembered for this card and not for this connection. A card that
// gives it only after the PIN is known by its connection until then.
func (c *Card) know(ctx context.Context) error {
	if c.cert.der != nil || c.behind {
		return nil
	}
	_, err := c.ReadAuthCert(ctx)
	if errors.Is(err, ErrPINNeeded) {
		return nil
	}
	return err
}

// SignAuth verifies the PIN of the authentication key and signs message with it: three commands after ReadAuthCert. The signature is that of
// jpki.VerifySignature, and it was checked against the card's certificate, which ReadAuthCert returns without another command
// (a phone gives it only now). The card hashes nothing: message may be of any length.
//
// Errors: *TriesError (with ErrNoPINs where all are blocked), ErrFormat for a PIN that is none, ErrRefused, ErrNotGenuine, and those of
// ReadAuthCert.
func (c *Card) SignAuth(ctx context.Context, pin PIN, message []byte) ([]byte, error) {
	if err := c.openAuth(ctx, pin); err != nil {
		return nil, err
	}
	return c.signAuth(ctx, message)
}

// openAuth verifies the PIN and has the certificate read.
func (c *Card) openAuth(ctx context.Context, pin PIN) error {
	if err := c.verify(ctx, RefAuthPIN, pin.value()); err != nil {
		return err
	}
	_, err := c.ReadAuthCert(ctx)
	var se *apdu.StatusError
	if errors.Is(err, ErrPINNeeded) && errors.As(err, &se) { // it was given
		return fmt.Errorf("reading the authentication certificate after the PIN: %w: %w", ErrRefused, se)
	}
	return err
}

// signAuth signs with the PIN verified.
func (c *Card) signAuth(ctx context.Context, message []byte) ([]byte, error) {
	signature, err := c.sign(ctx, keyP2(efAuthKey), message)
	if err != nil {
		return nil, fmt.Errorf("signing with the authentication key: %w", err)
	}
	cert, err := x509.ParseCertificate(c.cert.der)
	if err != nil { // the error may quote the certificate
		return nil, fmt.Errorf("%w: authentication certificate does not parse", ErrNonsense)
	}
	if err := jpki.VerifySignature(cert.PublicKey, message, signature); err != nil {
		return nil, fmt.Errorf("%w: authentication signature: %w", ErrNotGenuine, err)
	}
	return signature, nil
}

// ReadSignCert verifies the password of the signature key and reads the signature certificate, which names its holder: three commands after
// ReadAuthCert. Errors: ErrNoSignCert, *TriesError, ErrFormat for a password that is none, ErrRefused, and those of ReadAuthCert.
func (c *Card) ReadSignCert(ctx context.Context, password Password) (SignCertificate, error) {
	if err := c.verify(ctx, RefPassword, password.value()); err != nil {
		if errors.Is(err, ErrBlocked) && c.hasNoSignCert(ctx) {
			return SignCertificate{}, fmt.Errorf("%w: %w", ErrNoSignCert, err)
		}
		return SignCertificate{}, err
	}
	der, err := c.readFile(ctx, c.layout.signCert)
	if err != nil {
		return SignCertificate{}, fmt.Errorf("reading the signature certificate: %w", err)
	}
	return SignCertificate{der: der}, nil
}

// hasNoSignCert reports a card that says so itself. On one, as a child's, the password is blocked from the beginning.
func (c *Card) hasNoSignCert(ctx context.Context) bool {
	if !c.layout.lists || c.enter(ctx, c.layout.auth) != nil {
		return false
	}
	a, err := c.readAvailable(ctx)
	return err == nil && !a.Sign
}
