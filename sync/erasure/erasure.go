// Package erasure is the certificate in which a box says, signed by its device key, what it erased.
//
// It names nobody: it counts. It proves that this box, if its software was whole, erased what it names; it proves nothing about copies
// that were made before. Values and pure functions; erasing is the box's, and keeping the certificate everyone's who gets it.
package erasure

import (
	"crypto"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

// Caps.
const (
	MaxCertificate = 6 << 10 // octets of a signed certificate
	maxItems       = 32
	maxKeys        = 2 * sitekey.MaxGenerations
)

// ErrCertificate says that a certificate is well signed but contradicts itself.
var ErrCertificate = errors.New("certificate of erasure contradicts itself")

// ID names an erasure.
type ID struct{ record.ID128 }

// NewID makes a random id.
func NewID() (id ID) {
	_, _ = rand.Read(id.ID128[:]) // crypto/rand.Read never fails (Go 1.24)
	return id
}

// ByOrder is Certificate.By where central ordered the erasure.
const ByOrder = "central"

// Certificate says what one box erased.
type Certificate struct {
	Version    uint8                `cbor:"1,keyasint"`
	ID         ID                   `cbor:"2,keyasint"`
	Box        record.BoxID         `cbor:"3,keyasint"`
	Site       record.SiteID        `cbor:"4,keyasint"`
	By         string               `cbor:"5,keyasint"`            // who said so: a member of staff as records name them, or ByOrder
	Began      int64                `cbor:"6,keyasint"`            // Unix milliseconds by the box's clock
	Ended      int64                `cbor:"7,keyasint"`            // likewise
	Clock      record.Confidence    `cbor:"8,keyasint"`            // how far that clock could be trusted
	Items      []Item               `cbor:"9,keyasint"`            // in the order in which they were erased
	Unsafe     uint64               `cbor:"10,keyasint"`           // records that were not safe at central when it began
	Everything bool                 `cbor:"11,keyasint"`           // the box's records, identity and settings go as well, right after this was signed
	Keys       []sitekey.Generation `cbor:"12,keyasint,omitempty"` // site keys erased: this box takes none of them again
	Order      *record.ID128        `cbor:"13,keyasint,omitempty"` // the order of central's, if By is ByOrder
	Uncounted  bool                 `cbor:"14,keyasint,omitempty"` // Unsafe could not be counted, and is 0; by order alone
	Unverified bool                 `cbor:"15,keyasint,omitempty"` // nobody could look whether By is a member of staff
}

// Item is one kind of thing, counted. By order alone it goes uncounted too.
type Item struct {
	What    string `cbor:"1,keyasint" json:"what"` // 1 to 32 of a-z, 0-9, '_' and '-'
	Count   uint64 `cbor:"2,keyasint" json:"count"`
	Unknown bool   `cbor:"3,keyasint,omitempty" json:"unknown,omitempty"` // it could not be counted; Count is 0
}

// Check returns ErrCertificate unless the certificate is whole.
func (c Certificate) Check() error {
	fail := func(what string) error { return fmt.Errorf("%w: %s", ErrCertificate, what) }
	switch {
	case c.Version != 1 || c.ID.IsZero() || c.Box.IsZero():
		return fail("version, id or box")
	case record.CheckName(c.Site) != nil || record.CheckName(record.DeskID(c.By)) != nil:
		return fail("site or who")
	case (c.Order != nil) != (c.By == ByOrder):
		return fail("an order without central, or central without an order")
	case c.Order != nil && c.Unverified || c.Order == nil && c.Uncounted || c.Uncounted && c.Unsafe != 0:
		return fail("what was not looked at")
	case c.Began <= 0 || c.Ended < c.Began:
		return fail("times")
	case len(c.Items) == 0 || len(c.Items) > maxItems || len(c.Keys) > maxKeys:
		return fail("number of items or keys")
	}
	for i, it := range c.Items {
		if !isWord(it.What) || slices.ContainsFunc(c.Items[:i], func(o Item) bool { return o.What == it.What }) {
			return fail("an item")
		}
		if it.Unknown && (it.Count != 0 || c.Order == nil) {
			return fail("an item that was not counted")
		}
	}
	return nil
}

// isWord reports whether s is 1 to 32 of a-z, 0-9, '_' and '-'.
func isWord(s string) bool {
	return len(s) >= 1 && len(s) <= 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// Sign closes a certificate with D.
func (c Certificate) Sign(device crypto.Signer) ([]byte, error) {
	c.Version = 1
	if err := c.Check(); err != nil {
		return nil, err
	}
	b, err := canon.Encode(c)
	if err != nil {
		return nil, err
	}
	return sign.Sign(device, sign.PurposeErasure, b)
}

// Open verifies and checks a signed certificate. ErrCertificate, or an error of packages sign and canon.
func Open(keys sign.Keys, msg []byte) (Certificate, error) {
	if len(msg) > MaxCertificate {
		return Certificate{}, fmt.Errorf("%w: %d octets, cap %d", canon.ErrSize, len(msg), MaxCertificate)
	}
	payload, _, err := sign.Open(keys, sign.PurposeErasure, msg)
	if err != nil {
		return Certificate{}, err
	}
	var c Certificate
	if err := canon.Decode(payload, &c, MaxCertificate); err != nil {
		return Certificate{}, err
	}
	return c, c.Check()
}

// form is a certificate in JSON. Signed is the signed message, which alone counts.
type form struct {
	ID         ID                `json:"id"`
	Box        record.BoxID      `json:"box"`
	Site       record.SiteID     `json:"site"`
	By         string            `json:"by"`
	Order      *record.ID128     `json:"order,omitempty"`
	Began      time.Time         `json:"began"`
	Ended      time.Time         `json:"ended"`
	Clock      record.Confidence `json:"clock"`
	Items      []Item            `json:"items"`
	Unsafe     uint64            `json:"records_not_safe"`
	Everything bool              `json:"everything"`
	Keys       []string          `json:"site_keys,omitempty"`
	Uncounted  bool              `json:"records_uncounted,omitempty"`
	Unverified bool              `json:"by_unverified,omitempty"`
	Signed     []byte            `json:"signed"`
}

// JSON writes what msg, the certificate's signed form, says for machines.
func (c Certificate) JSON(msg []byte) ([]byte, error) {
	f := form{
		c.ID, c.Box, c.Site, c.By, c.Order, at(c.Began), at(c.Ended), c.Clock, c.Items, c.Unsafe, c.Everything, nil, c.Uncounted, c.Unverified,
		msg,
	}
	for _, g := range c.Keys {
		f.Keys = append(f.Keys, g.String())
	}
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing a certificate of erasure: %w", err)
	}
	return append(b, '\n'), nil
}

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// Text says it for people, with the key that signed it.
func (c Certificate) Text(device sign.KeyID) string {
	var b strings.Builder
	line := func(name, format string, a ...any) { fmt.Fprintf(&b, "%-12s %s\n", name, fmt.Sprintf(format, a...)) }
	fmt.Fprintf(&b, "Certificate of erasure %s\n\n", c.ID)
	line("box", "%s", c.Box)
	line("site", "%s", c.Site)
	switch {
	case c.Order != nil:
		line("ordered by", "central, order %s", c.Order)
	case c.Unverified:
		line("said by", "%s, as was said; not verified: this box had no list of staff that it could read", c.By)
	default:
		line("said by", "%s", c.By)
	}
	line("began", "%s UTC, clock %s", at(c.Began).Format("2006-01-02 15:04:05"), c.Clock)
	line("ended", "%s UTC", at(c.Ended).Format("2006-01-02 15:04:05"))
	b.WriteString("\nerased\n")
	for _, it := range c.Items {
		count := strconv.FormatUint(it.Count, 10)
		if it.Unknown {
			count = "could not be counted"
		}
		fmt.Fprintf(&b, "  %-20s %s\n", it.What, count)
	}
	if c.Everything {
		b.WriteString("  and then the records, the identity and the settings of this box\n")
	}
	b.WriteString("\n")
	if c.Uncounted {
		line("not safe", "the records that were not safe at central could not be counted")
	} else {
		line("not safe", "%d records were not safe at central when this began", c.Unsafe)
	}
	line("signed by", "device key %s", device)
	b.WriteString("\nThis says what this box erased. It says nothing of copies that were made before.\n")
	return b.String()
}
