package mynumber

import (
	"bytes"
	"context"
	"crypto"
	"fmt"

	"kazashi.example/reader/cvc"
	"kazashi.example/reader/internal/files"
	"kazashi.example/sync/certid"
)

// Attributes are the four that the card says of its holder (基本4情報), with their integrity verified. They print as REDACTED.
type Attributes struct {
	redaction
	name, address string
	birth         BirthDate
	sex           byte
	hierarchy     certid.Hierarchy
}

// Name is 氏名, family and given name with U+3000 between them.
func (a Attributes) Name() string { return a.name }

// Address is 住所; it may be empty.
func (a Attributes) Address() string { return a.address }

// BirthDate is 生年月日.
func (a Attributes) BirthDate() BirthDate { return a.birth }

// Sex is 性別, a digit of JIS X 0303: '1' male, '2' female, '0' not known, '9' not applicable.
func (a Attributes) Sex() byte { return a.sex }

// Hierarchy is whose card it is: that of the authority that vouches for the signer of the attributes. It says nothing of the certificate's or
// the face's, which the caller compares.
func (a Attributes) Hierarchy() certid.Hierarchy { return a.hierarchy }

// ReadAttributes verifies a PIN and reads the four attributes: six commands after ReadAuthCert, five if the card-verifiable certificate is
// remembered. The PIN is that of the input-assist application; the next card has its authentication PIN for this. The record that their
// integrity is verified with does not leave this package.
//
// Errors: ErrNoInput, *TriesError (with ErrNoPINs where all are blocked), ErrFormat for a PIN that is none, ErrNotGenuine,
// ErrRefused, and those of ReadAuthCert.
func (c *Card) ReadAttributes(ctx context.Context, pin PIN) (Attributes, error) {
	switch {
	case c.options.Authorities == nil:
		return Attributes{}, errNoAuthorities
	case !isPIN(pin.value()):
		return Attributes{}, fmt.Errorf("%w: %s", ErrFormat, RefInputPIN)
	}
	if err := c.know(ctx); err != nil {
		return Attributes{}, err
	}
	if err := c.verify(ctx, c.layout.inputRef, pin.value()); err != nil {
		return Attributes{}, err
	}
	return c.attributes(ctx)
}

// attributes reads and verifies them, once the PIN is verified.
func (c *Card) attributes(ctx context.Context) (Attributes, error) {
	plain, err := c.readFile(ctx, c.layout.attributes)
	if err != nil {
		return Attributes{}, fmt.Errorf("reading the attributes: %w", err)
	}
	defer clear(plain)
	hierarchy, err := c.checkIntegrity(ctx, plain)
	if err != nil {
		return Attributes{}, fmt.Errorf("verifying the attributes: %w", err)
	}
	a, err := files.ParseAttributes(plain)
	if err != nil { // the error may quote the file
		return Attributes{}, fmt.Errorf("%w: attributes", ErrNonsense)
	}
	birth, err := ParseBirthDate(a.Birth)
	if err != nil {
		return Attributes{}, fmt.Errorf("%w: birth date of the attributes", ErrNonsense)
	}
	return Attributes{name: a.Name, address: a.Address, birth: birth, sex: a.Sex, hierarchy: hierarchy}, nil
}

// checkIntegrity reads the integrity record, the only place where the guard lets it pass, and overwrites it before it returns (P4). It says
// whose authority vouches for its signer.
func (c *Card) checkIntegrity(ctx context.Context, plain []byte) (certid.Hierarchy, error) {
	record, err := c.readIntegrity(ctx)
	defer clear(record)
	if err != nil {
		return 0, err
	}
	return c.vouched(ctx, c.layout.input, c.layout.inputCVC, cvc.ForInput, func(signer crypto.PublicKey) error {
		return files.VerifyIntegrity(plain, bytes.Clone(record), signer) // which overwrites what it is given
	})
}

func (c *Card) readIntegrity(ctx context.Context) ([]byte, error) {
	c.guard.integrity = true
	defer func() { c.guard.integrity, c.guard.more = false, false }()
	record, err := c.readFile(ctx, c.layout.integrity)
	if err != nil {
		return nil, fmt.Errorf("reading the integrity record: %w", err)
	}
	return record, nil
}
