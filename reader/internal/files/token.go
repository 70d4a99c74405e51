package files

import (
	"fmt"
	"strings"
)

// Lengths of EF 0006 and EF 0008 of the JPKI application in octets.
const (
	tokenLen     = 160 // a CK_TOKEN_INFO with words of 32 bits (soltia48/myna-card src/ap/jpki.rs)
	labelLen     = 32  // its first field, padded with spaces (PKCS #11 v2.40 §3.2)
	availableLen = 3
)

// present is what EF 0008 holds for a certificate that is there (soltia48/myna-card src/ap/jpki.rs). What it holds for one that is
// not is a guess: anything else.
const present = 0x8F

// ParseToken reads the label out of the token info, EF 0006 of the JPKI application: JPKIAPICCTOKEN2 and the like. Thirty-two octets are
// enough; the fields behind the label, among them a serial number, are not looked at. Printable ASCII of at least one character,
// padded with spaces; ErrFile otherwise.
func ParseToken(b []byte) (label string, err error) {
	if len(b) < labelLen || len(b) > tokenLen {
		return "", fmt.Errorf("%w: length of the token info", ErrFile)
	}
	label = strings.TrimRight(string(b[:labelLen]), " ")
	if label == "" || strings.ContainsFunc(label, func(r rune) bool { return r < 0x20 || r > 0x7E }) {
		return "", fmt.Errorf("%w: label of the token info", ErrFile)
	}
	return label, nil
}

// Available says which certificates the card holds.
type Available struct {
	Sign, Auth bool
}

// ParseAvailable reads EF 0008 of the JPKI application: one octet for the signature certificate, one for the authentication
// certificate, and a third of unknown meaning. ErrFile otherwise.
func ParseAvailable(b []byte) (Available, error) {
	if len(b) != availableLen {
		return Available{}, fmt.Errorf("%w: length of the list of certificates", ErrFile)
	}
	return Available{Sign: b[0] == present, Auth: b[1] == present}, nil
}
