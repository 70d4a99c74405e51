package vault

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
)

// Peeked is what anybody who has a box's disk can see of where its keys lie, and what stands between him and them. No secret is in it.
type Peeked struct {
	Box record.BoxID
	// Chip says that the device key and the sealing key are in a TPM; else the file holds them.
	Chip bool
	// Counts says that the TPM counts wrong codes and that nobody knows how to reset its count.
	Counts bool
}

// PeekIdentity reads an identity file's octets without opening a key. ErrFile, also where something stands in it that this release does not
// know.
func PeekIdentity(b []byte) (Peeked, error) {
	f, err := decodeIdentity(b)
	if err != nil {
		return Peeked{}, err
	}
	if again, err := canon.Encode(f); err != nil || !bytes.Equal(again, b) {
		return Peeked{}, fmt.Errorf("%w: it holds what this release does not know", ErrFile)
	}
	return Peeked{Box: f.Box, Chip: f.TPM != nil, Counts: f.TPM != nil && f.TPM.Closed}, nil
}

// Lies is how the site's keys lie in a file.
type Lies struct {
	Site record.SiteID
	Box  record.BoxID
	By   By   // what opens them; "" if no key lies there
	Chip bool // besides the code the TPM is needed, or it alone opens them
	Cost Cost // of one try of a code; zero unless By is ByCode
	Keys int  // generations that lie there
	Made int  // keys that lie there for central alone to open
	Hold Hold // locked on purpose; it binds this program, and nobody who reads the file with another
}

// Cost is what one try of a code takes (Argon2id, RFC 9106).
type Cost struct {
	Passes    uint32 `json:"passes"`
	MemoryKiB uint32 `json:"memory_kib"`
	Threads   uint8  `json:"threads"`
}

// PeekRing reads the octets of a file of site keys without opening one, and whoever signed it: a thief asks for no signature. ErrRing or an
// error of packages sign and canon, also where something stands in it that this release does not know.
func PeekRing(b []byte) (Lies, error) {
	if len(b) > maxRing {
		return Lies{}, fmt.Errorf("%w: %d octets, cap %d", canon.ErrSize, len(b), maxRing)
	}
	payload, err := sign.Payload(b)
	if err != nil {
		return Lies{}, err
	}
	var f ringFile
	if err := canon.Decode(payload, &f, maxRing); err != nil {
		return Lies{}, err
	}
	if err := f.check(); err != nil {
		return Lies{}, err
	}
	if again, err := canon.Encode(&f); err != nil || !bytes.Equal(again, payload) {
		return Lies{}, fmt.Errorf("%w: it holds what this release does not know", ErrRing)
	}
	l := Lies{Site: f.Site, Box: f.Box, By: f.by(), Keys: len(f.Keys), Made: len(f.Made), Hold: f.Hold}
	if f.Lock == nil {
		return l, nil
	}
	l.Chip = f.Lock.TPM != nil
	if a := f.Lock.Argon; a != nil {
		l.Cost = Cost{a.Time, a.Memory, a.Threads}
	}
	return l, nil
}

// Measure says how long one try of a code takes on this machine.
func (c Cost) Measure() time.Duration {
	a := argon{c.Passes, c.MemoryKiB, c.Threads}
	if !a.sane() {
		return 0
	}
	salt := make([]byte, saltLen)
	_, _ = rand.Read(salt) // crypto/rand.Read never fails (Go 1.24)
	began := time.Now()
	a.stretch([]byte("measuring, and no code"), salt)
	return time.Since(began)
}

// PeekTries reads how many wrong codes in a row a box without a TPM has counted. ErrFile.
func PeekTries(b []byte) (int, error) {
	var f triesFile
	if err := canon.Decode(b, &f, maxTries); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrFile, err)
	}
	if again, err := canon.Encode(f); err != nil || !bytes.Equal(again, b) {
		return 0, fmt.Errorf("%w: it holds what this release does not know", ErrFile)
	}
	return int(f.Wrong), nil
}
