package journal_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"math/big"
	"slices"
	"testing"
	"time"
)

// BenchmarkAppend times a durable append beside a bare insert of the same bytes, alternating, each after one verification of a
// certificate's chain, as a tap does it. vs_bare is the ratio of the medians.
func BenchmarkAppend(b *testing.B) {
	c := newCentral(b)
	j := c.open(newPath(b))
	db := bare(b)
	insert, err := db.Prepare(`INSERT INTO t (id, b) VALUES (?, ?)`)
	if err != nil {
		b.Fatal(err)
	}
	defer insert.Close()
	issuer, leaf := chain(b)
	plain := make([]byte, 220) // about what a tap with a known issuer seals
	size := len(plain) + 16 + 64 + 110
	blob := make([]byte, size)
	_, _ = rand.Read(blob)
	var ours, theirs []time.Duration
	n := 0
	for b.Loop() {
		n++
		clear := clearOf(n)
		start := time.Now()
		if err := leaf.CheckSignatureFrom(issuer); err != nil {
			b.Fatal(err)
		}
		if _, err := j.Append(context.Background(), plain, clear); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		if err := leaf.CheckSignatureFrom(issuer); err != nil {
			b.Fatal(err)
		}
		if _, err := insert.Exec(n, blob); err != nil {
			b.Fatal(err)
		}
		ours, theirs = append(ours, middle.Sub(start)), append(theirs, time.Since(middle))
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	at := func(d []time.Duration, p int) float64 { return float64(d[len(d)*p/100].Nanoseconds()) / 1e3 }
	b.ReportMetric(at(ours, 50), "append_p50_us")
	b.ReportMetric(at(ours, 99), "append_p99_us")
	b.ReportMetric(at(theirs, 50), "bare_p50_us")
	b.ReportMetric(at(theirs, 99), "bare_p99_us")
	b.ReportMetric(at(ours, 50)/at(theirs, 50), "vs_bare")
}

func bare(b *testing.B) *sql.DB {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+newPath(b)+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { shut(b, db) })
	if _, err := db.Exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB) STRICT`); err != nil {
		b.Fatal(err)
	}
	return db
}

func chain(b *testing.B) (issuer, leaf *x509.Certificate) {
	b.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256(nil)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "benchmark"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0), KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: sum[:20],
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		b.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		b.Fatal(err)
	}
	return cert, cert
}
