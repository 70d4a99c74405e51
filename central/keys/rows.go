package keys

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"kazashi.example/sync/canon"
)

// ErrRow says that a sealed column does not open: changed, moved to another row, or under another key.
var ErrRow = errors.New("sealed column does not open")

// rowVersion begins every sealed column: version 1 is AES-256-GCM with a random 96-bit nonce. One key serves 2^32 columns (NIST
// SP 800-38D §8.3), which is thirty for each of 140 million people; before that K_row is replaced under the next version.
const rowVersion = 1

// Rows protects columns that name people: K_idx makes them findable, K_row closes their content. It is read-only and may be used
// from any goroutine. It prints as REDACTED.
type Rows struct {
	index []byte
	aead  cipher.AEAD
}

// NewRows takes two keys of 32 octets.
func NewRows(index, row []byte) (*Rows, error) {
	if len(index) != symmetricLen || len(row) != symmetricLen {
		return nil, fmt.Errorf("%w: length", ErrFile)
	}
	block, err := aes.NewCipher(row)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	return &Rows{bytes.Clone(index), aead}, nil
}

// Index is HMAC-SHA-256(K_idx, CBOR [label, value]): equal values under one label are equal, and nothing else is told.
func (r *Rows) Index(label string, value []byte) []byte {
	m := hmac.New(sha256.New, r.index)
	m.Write(bind(label, value))
	return m.Sum(nil)
}

// Seal closes a column: version ‖ nonce ‖ ciphertext with tag, bound to CBOR [label, row].
func (r *Rows) Seal(label string, row, plain []byte) []byte {
	out := make([]byte, 1+r.aead.NonceSize(), 1+r.aead.NonceSize()+len(plain)+r.aead.Overhead())
	out[0] = rowVersion
	_, _ = rand.Read(out[1:]) // never fails (Go 1.24)
	return r.aead.Seal(out, out[1:], plain, bind(label, row))
}

// Open is the inverse of Seal; ErrRow otherwise.
func (r *Rows) Open(label string, row, sealed []byte) ([]byte, error) {
	n := 1 + r.aead.NonceSize()
	if len(sealed) < n+r.aead.Overhead() || sealed[0] != rowVersion {
		return nil, ErrRow
	}
	plain, err := r.aead.Open(nil, sealed[1:n], sealed[n:], bind(label, row))
	if err != nil {
		return nil, ErrRow
	}
	return plain, nil
}

func bind(label string, value []byte) []byte {
	b, err := canon.Encode([]any{label, value})
	if err != nil {
		panic(err) // text and octets always encode
	}
	return b
}
