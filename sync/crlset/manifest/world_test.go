package manifest_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

const day = 1_795_000_000 // 2026-11-18

var central = byhand.Key("manifest central")

func keys(t testing.TB) sign.Keys { t.Helper(); return testkey.Only(t, central) }

func id(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func number(n uint64) rule.Version { return rule.Version{CentralEpoch: 1, N: n} }

// rows are the lists of three made-up distribution points on one day.
func rows(n int64) []manifest.Row {
	out := make([]manifest.Row, 3)
	for i := range out {
		at := day + n*86400 + int64(i)*60
		out[i] = manifest.Row{Point: fmt.Appendf(nil, "point %d", i), Key: id(0x51), Number: uint64(700 + n), ThisUpdate: at, NextUpdate: at + 2*86400}
	}
	return out
}

// file is chunk digests of a made-up file.
func file(size uint64) crlset.Summary {
	var digests []byte
	for i := range crlset.Chunks(size) {
		d := sha256.Sum256([]byte{byte(i), byte(size)})
		digests = append(digests, d[:]...)
	}
	return crlset.Summary{
		Entries: size / 5, Size: size, Digests: digests, Root: crlset.Root(size, digests), Plan: crlset.Plan{Columns: crlset.Full},
	}
}

const size = 2*crlset.ChunkSize + 17

// whole is a manifest's head, unsigned, with what belongs to it.
type whole struct {
	head    manifest.Head
	digests []byte
	table   []manifest.Row
}

func today(t testing.TB, n int64) whole {
	t.Helper()
	s, table := file(size+uint64(n)), rows(n)
	h := manifest.Head{
		Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, Number: number(uint64(10 + n)), Issuers: [][]byte{id(0x49), id(0x4a)},
	}
	h, err := h.Describe(s, table)
	if err != nil {
		t.Fatal(err)
	}
	return whole{h, s.Digests, table}
}

// force signs a head without asking whether it agrees with itself.
func force(t testing.TB, h manifest.Head) []byte {
	t.Helper()
	return forced(t, sign.PurposeSet, h)
}

func forced(t testing.TB, p sign.Purpose, v any) []byte {
	t.Helper()
	b, err := canon.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := sign.Sign(central, p, b)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func (w whole) manifest(t testing.TB) manifest.Manifest {
	t.Helper()
	return manifest.Manifest{Signed: force(t, w.head), Digests: w.digests, Table: w.table}
}

func (w whole) encode(t testing.TB) []byte {
	t.Helper()
	b, err := w.manifest(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// redo makes the head name the table again after a change to it.
func (w *whole) redo(t testing.TB) {
	t.Helper()
	b, err := canon.Encode(w.table)
	if err != nil {
		t.Fatal(err)
	}
	w.head.Table, w.head.Rows = sha256.Sum256(b), uint32(len(w.table))
}
