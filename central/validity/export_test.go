package validity

import (
	"crypto/x509"
	"time"

	"kazashi.example/sync/certid"
)

// ReadAnswer is the reader of responders' answers, which are outside bytes.
func (a *Authority) ReadAnswer(b []byte, issuer *x509.Certificate, serial certid.Serial, at time.Time) (Status, error) {
	return a.read(b, issuer, serial, at)
}

// QuietFor is how long a silent responder is let alone.
const QuietFor = quietFor
