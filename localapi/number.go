package localapi

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"kazashi.example/sync/record"
)

// CanonNumber is the one form of a service's own number, however it was typed, read by a scanner or kept in a file: compatibility forms are the
// plain ones (Unicode NFKC, UAX #15), so that wide letters are narrow, without spaces around it. record.ErrNumber if it cannot be one. Whatever takes
// a number in, or looks one up, goes through this.
func CanonNumber(s string) (string, error) {
	s = strings.TrimSpace(norm.NFKC.String(s))
	return s, record.CheckNumber(s)
}
