// Package jpki is the practice JPKI as an HTTP service: revocation lists, an OCSP responder (RFC 6960), the old→new table of renewals, and
// the switches with which a tray or a test revokes, suspends and renews made-up people.
//
//	GET  /crl/auth.crl, /crl/sign.crl     the purpose's list, all generations, signed by the newest (P-384; DER)
//	GET  /crl/auth-g2.crl …               one generation's part, signed by that generation itself, if it has not expired
//	POST /ocsp, GET /ocsp/{base64}        OCSP; live, not cached (the national responder's data is up to 15 minutes old)
//	GET  /renewals?since=TIME             old→new serials since a time or a line's number (JSON, see RenewalsAnswer); no authentication
//	GET  /anchors/auth-g3.cer …           the practice roots (DER)
//	POST /admin/revoke|hold|unhold        {person or serial, purpose, reason, at}; loopback only
//	POST /admin/renew                     {person, at}: new certificates on the same card; loopback only
//	POST /admin/reissue                   {person, at}: new certificates on a new card; loopback only
//	POST /admin/publish                   makes today's lists anew; loopback only
//
// A list is a snapshot: what is revoked after it was published is known to the responder at once and to the list at the next
// publication, which comes with /admin/publish or by itself when the list has run out. So a card can be void at central
// alone, as between two daily lists of the real thing.
//
// Concurrency: a [Service] may be used from any goroutine; the ledger is package world's. Durability: lists are kept in the world's
// folder (crl/), each written whole, so a restart serves what was served before; CRL numbers never repeat. It does
// no access control but by address, and it must stay on loopback: whoever reaches it can revoke anyone in the practice world.
package jpki

import (
	"log/slog"
	"time"
)

// Lives of what is published, by default.
const (
	// DefaultListLife is a day: the national list is refreshed once a day.
	DefaultListLife = 24 * time.Hour
	// DefaultAnswerLife is what the national responder's data may be old.
	DefaultAnswerLife = 15 * time.Minute
)

// Config of a [Service]. The zero value serves with real time and the default lives.
type Config struct {
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// ListLife is from thisUpdate to nextUpdate of a list; AnswerLife the same of an OCSP answer. Zero is the default.
	ListLife, AnswerLife time.Duration
	// DirectOCSP signs answers by the CA's own key instead of a delegated responder's (RFC 6960 §4.2.2.2 allows both).
	DirectOCSP bool
	// Former has the lists speak of a thousand more certificates that nobody holds (world.Former), so that they have something of the
	// national ones' length.
	Former bool
	// Log hears of faults; nil is silence. No serial is ever logged.
	Log *slog.Logger
}

func (c Config) filled() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.ListLife == 0 {
		c.ListLife = DefaultListLife
	}
	if c.AnswerLife == 0 {
		c.AnswerLife = DefaultAnswerLife
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
