// Package crldiff answers from revocation lists by readers that share nothing: ours (taken by central's store, merged into a set,
// searched there), crypto/x509, and openssl's text. What they say of any serial must be the same.
//
// Lists in which a serial stands twice are outside it: each reader has its own rule for them. A [Reader] may be asked from one goroutine
// at a time. [Ours] leaves its files in the folder that it was given; nothing else is kept.
package crldiff

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"kazashi.example/central/crl"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/sign"
)

// Verdict is what lists say of a serial.
type Verdict struct {
	Revoked bool
	Reason  crlset.Reason
	Date    int64 // Unix seconds
}

// Reader says what lists say of a serial.
type Reader func(crlset.Key) (Verdict, error)

// List is one list and who signed it.
type List struct {
	DER []byte
	By  *pki.Authority
}

// ErrText says that openssl printed what is not understood here.
var ErrText = errors.New("unexpected text of openssl")

// scope of all lists here.
var scope = certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}

// table is a Reader of a map.
func table(m map[crlset.Key]Verdict) Reader {
	return func(k crlset.Key) (Verdict, error) { return m[k], nil }
}

// X509 reads lists with crypto/x509 and checks their signatures.
func X509(lists ...List) (Reader, error) {
	m := map[crlset.Key]Verdict{}
	for _, l := range lists {
		got, err := x509.ParseRevocationList(l.DER)
		if err != nil {
			return nil, fmt.Errorf("reading a list with crypto/x509: %w", err)
		}
		if err := got.CheckSignatureFrom(l.By.Cert); err != nil {
			return nil, fmt.Errorf("verifying a list with crypto/x509: %w", err)
		}
		for _, e := range got.RevokedCertificateEntries {
			k, err := keyOf(e.SerialNumber)
			if err != nil {
				return nil, err
			}
			m[k] = Verdict{true, crlset.Reason(e.ReasonCode), e.RevocationTime.Unix()} //nolint:gosec // compared with other readers'
		}
	}
	return table(m), nil
}

func keyOf(i *big.Int) (crlset.Key, error) {
	s, err := certid.SerialOf(i)
	return crlset.KeyOf(s), err
}

// opensslReasons are the words of openssl for reasons (crypto/x509v3/v3_enum.c).
var opensslReasons = map[string]crlset.Reason{
	"Unspecified": crlset.Unspecified, "Key Compromise": crlset.KeyCompromise, "CA Compromise": crlset.CACompromise,
	"Affiliation Changed": crlset.AffiliationChanged, "Superseded": crlset.Superseded,
	"Cessation Of Operation": crlset.CessationOfOperation, "Certificate Hold": crlset.CertificateHold,
	"Privilege Withdrawn": crlset.PrivilegeWithdrawn, "AA Compromise": crlset.AACompromise,
}

// opensslTime is how openssl prints times.
const opensslTime = "Jan _2 15:04:05 2006 MST"

// OpenSSL reads what the openssl program prints of lists, after it has verified them.
func OpenSSL(ctx context.Context, dir string, lists ...List) (Reader, error) {
	m := map[crlset.Key]Verdict{}
	for _, l := range lists {
		ca := filepath.Join(dir, "ca.pem")
		if err := writeCert(ca, l.By.Cert); err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, "openssl", "crl", "-inform", "DER", "-CAfile", ca, "-noout", "-text")
		var fault bytes.Buffer
		cmd.Stdin, cmd.Stderr = bytes.NewReader(l.DER), &fault
		out, err := cmd.Output()
		if err != nil || !strings.Contains(fault.String(), "verify OK") {
			return nil, fmt.Errorf("verifying a list with openssl: %w: %s", err, fault.String())
		}
		if err := readText(m, out); err != nil {
			return nil, err
		}
	}
	return table(m), nil
}

// readText reads openssl's lines of revoked certificates.
func readText(m map[crlset.Key]Verdict, text []byte) error {
	var at crlset.Key
	var reason bool
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		v := m[at]
		switch {
		case name == "Serial Number":
			i, ok := new(big.Int).SetString(value, 16)
			if !ok {
				return fmt.Errorf("%w: serial number", ErrText)
			}
			var err error
			if at, err = keyOf(i); err != nil {
				return err
			}
			v = Verdict{Revoked: true}
		case name == "Revocation Date":
			t, err := time.Parse(opensslTime, value)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrText, err)
			}
			v.Date = t.Unix()
		case reason:
			r, ok := opensslReasons[line]
			if !ok {
				return fmt.Errorf("%w: reason %q", ErrText, line)
			}
			v.Reason = r
		default:
			reason = name == "X509v3 CRL Reason Code"
			continue
		}
		reason = false
		m[at] = v
	}
	return nil
}

// Ours gives the lists to a store of central's in a new folder, has it build a set, exports that as for a stick, and opens it by its
// manifest as a box does. With several lists each is a partition.
func Ours(ctx context.Context, dir string, now time.Time, lists ...List) (*Set, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	store, err := open(ctx, filepath.Join(dir, "store"), key, now, lists)
	if err != nil {
		return nil, err
	}
	for _, l := range lists {
		if _, err := store.Ingest(ctx, bytes.NewReader(l.DER), crl.IngestOptions{Scope: scope}); err != nil {
			return nil, errors.Join(fmt.Errorf("taking a list: %w", err), store.Close())
		}
	}
	stick := filepath.Join(dir, "stick")
	if _, err = store.Build(ctx, scope); err == nil {
		_, err = store.Export(ctx, scope, stick)
	}
	if err := errors.Join(err, store.Close()); err != nil {
		return nil, fmt.Errorf("building a set: %w", err)
	}
	return openStick(stick, key)
}

func open(ctx context.Context, dir string, key crypto.Signer, now time.Time, lists []List) (*crl.Store, error) {
	known := map[*pki.Authority]bool{}
	var all []jpki.Anchor
	for _, l := range lists {
		if !known[l.By] {
			known[l.By] = true
			all = append(all, jpki.Anchor{Cert: l.By.Cert, Hierarchy: scope.Hierarchy, Purpose: scope.Purpose})
		}
	}
	anchors, err := jpki.NewAnchors(all...)
	if err != nil {
		return nil, err
	}
	c := crl.Config{
		Dir: dir, Anchors: anchors, Sign: key, CentralEpoch: 1,
		Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
	}
	if len(lists) > 1 {
		c.Expect = map[certid.Scope]crl.Expect{scope: {Count: len(lists)}}
	}
	return crl.Open(ctx, c)
}

// Set is what [Ours] built, open.
type Set struct{ set *crlset.Set }

// openStick opens the one set of a folder.
func openStick(dir string, key crypto.Signer) (*Set, error) {
	public, err := sign.PublicKeyOf(key.Public())
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.manifest"))
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("looking for a manifest: %d files: %w", len(files), err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		return nil, fmt.Errorf("reading a manifest: %w", err)
	}
	m, _, err := manifest.Decode(sign.One{Key: public}, b)
	if err != nil {
		return nil, err
	}
	set, err := crlset.OpenFile(strings.TrimSuffix(files[0], ".manifest")+".set", m.Digests)
	return &Set{set}, err
}

// Read is a [Reader].
func (s *Set) Read(k crlset.Key) (Verdict, error) {
	e, ok, err := s.set.Find(k)
	if !ok {
		return Verdict{}, err
	}
	return Verdict{true, e.Reason, e.Date}, err
}

// Len is how many serials the set has.
func (s *Set) Len() uint64 { return s.set.Len() }

// Close closes the set.
func (s *Set) Close() error { return s.set.Close() }

func writeCert(path string, c *x509.Certificate) error {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600); err != nil {
		return fmt.Errorf("keeping a certificate: %w", err)
	}
	return nil
}
