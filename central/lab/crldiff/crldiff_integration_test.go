//go:build integration

package crldiff_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/lab/crldiff"
	"kazashi.example/central/lab/crlgen"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/crlset"
)

var signers = map[string]func() (*pki.Authority, error){
	"rsa":  sync.OnceValues(func() (*pki.Authority, error) { return crlgen.NewAuthority(false) }),
	"p384": sync.OnceValues(func() (*pki.Authority, error) { return crlgen.NewAuthority(true) }),
}

func signer(t *testing.T, name string) *pki.Authority {
	t.Helper()
	a, err := signers[name]()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// written is a list, and the serials in and around it.
func written(t *testing.T, by *pki.Authority, h crlgen.Head, entries iter.Seq[crlgen.Entry]) (crldiff.List, []crlset.Key) {
	t.Helper()
	var b bytes.Buffer
	if _, err := crlgen.Write(&b, by, h, entries); err != nil {
		t.Fatalf("Write = %v", err)
	}
	keys := []crlset.Key{{C: 1}, {A: 1 << 31}}
	for e := range entries {
		one := crlset.Key{C: 1}
		keys = append(keys, e.Key, e.Key.Add(one))
		if e.Key != one {
			keys = append(keys, e.Key.Sub(one))
		}
	}
	return crldiff.List{DER: b.Bytes(), By: by}, keys
}

// compare asks every reader for every serial.
func compare(t *testing.T, entries int, keys []crlset.Key, lists ...crldiff.List) {
	t.Helper()
	dir := t.TempDir()
	goes, err := crldiff.X509(lists...)
	if err != nil {
		t.Fatal(err)
	}
	openssl, err := crldiff.OpenSSL(t.Context(), dir, lists...)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := crldiff.Ours(t.Context(), dir, crlgen.DefaultThisUpdate.Add(time.Hour), lists...)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	revoked, differ := map[crlset.Key]bool{}, 0
	for _, k := range keys {
		want, _ := goes(k)
		theirs, _ := openssl(k)
		got, err := ours.Read(k)
		if err != nil || got != want || theirs != want {
			if differ++; differ <= 3 {
				t.Errorf("ours = %+v, %v; openssl = %+v; crypto/x509 = %+v", got, err, theirs, want)
			}
		}
		if want.Revoked {
			revoked[k] = true
		}
	}
	if differ > 0 {
		t.Errorf("%d of %d answers differ", differ, len(keys))
	}
	if len(revoked) != entries || ours.Len() != uint64(entries) {
		t.Errorf("%d serials are revoked and the set has %d, want %d", len(revoked), ours.Len(), entries)
	}
}

// TestP7SameAnswers compares the three on generated lists.
func TestP7SameAnswers(t *testing.T) {
	specs := map[string]crlgen.Spec{
		"empty":       {},
		"one":         {Entries: 1},
		"tiny":        {Entries: 3, Universe: 4},
		"all":         {Entries: 700, Universe: 700, First: 120},
		"uniform":     {Entries: 1500, Universe: 45_000},
		"sparse":      {Entries: 1500},
		"clustered":   {Entries: 1500, Universe: 1 << 40, Shape: crlgen.Clustered},
		"shuffled":    {Entries: 1500, Universe: 45_000, Shuffled: true, Invalidity: .3, NoReason: .3},
		"generalized": {Entries: 800, Universe: 9000, Generalized: true, Invalidity: .5},
		"no reason":   {Entries: 800, NoReason: 1},
		"holds":       {Entries: 800, Mix: crlgen.Mix{{Reason: crlset.CertificateHold, Weight: 1}, {Reason: crlset.PrivilegeWithdrawn, Weight: 9}}},
		"8 octets":    {Entries: 800, Shape: crlgen.Random, Octets: 8},
		"16 octets":   {Entries: 800, Shape: crlgen.Random, Octets: 16, Shuffled: true, NoReason: .1},
		"20 octets":   {Entries: 800, Shape: crlgen.Random, Octets: 20, Generalized: true},
		"1 octet":     {Entries: 50, Shape: crlgen.Random, Octets: 1, Shuffled: true},
	}
	for name, s := range specs {
		for _, by := range []string{"rsa", "p384"} {
			t.Run(name+" "+by, func(t *testing.T) {
				t.Parallel()
				s.Seed = uint64(len(name) + len(by))
				l, err := crlgen.New(s)
				if err != nil {
					t.Fatal(err)
				}
				list, keys := written(t, signer(t, by), l.Head(), l.Entries())
				compare(t, int(l.Len()), keys, list)
			})
		}
	}
}

// everything is a list of serials of every length in one order or another, with every form of date, reason and extension.
func everything(seed uint64) []crlgen.Entry {
	random := rand.New(rand.NewPCG(seed, 7))
	dates := []int64{ // the ends of both forms (RFC 5280 §4.1.2.5), the epoch, and what a 32-bit number cannot hold
		time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), -1, 0, 1 << 31, time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC).Unix(),
		time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix(),
	}
	reasons := []crlset.Reason{0, 1, 2, 3, 4, 5, 6, 9, 10}
	seen := map[crlset.Key]bool{{}: true}
	var all []crlgen.Entry
	for len(all) < 400 {
		k := crlset.Key{A: random.Uint32() >> 1, B: random.Uint64(), C: random.Uint64()}
		for range random.IntN(20) { // of any length in octets, the shortest too
			k = crlset.Key{B: k.B>>8 | uint64(k.A)<<56, C: k.C>>8 | k.B<<56, A: k.A >> 8}
		}
		if random.IntN(4) == 0 { // just below and above a length's end
			k = crlset.Key{C: 1 << (8*random.IntN(8) + 7)}.Sub(crlset.Key{C: uint64(random.IntN(2))})
		}
		if seen[k] {
			continue
		}
		seen[k] = true
		e := crlgen.Entry{Entry: crlset.Entry{Key: k, Date: random.Int64N(4e9) - 6e8, Reason: reasons[random.IntN(len(reasons))]}}
		if random.IntN(5) == 0 {
			e.Date = dates[random.IntN(len(dates))]
		}
		if random.IntN(4) == 0 {
			e.Reason, e.NoReason = crlset.Unspecified, true
		}
		if random.IntN(4) == 0 {
			e.Invalidity = e.Date/2 - 1
		}
		e.Generalized = e.Date >= dates[5] || e.Date < dates[0] || random.IntN(3) == 0
		all = append(all, e)
	}
	return all
}

// TestP7SameAnswersOfEverything compares the three on lists by hand, sorted and not.
func TestP7SameAnswersOfEverything(t *testing.T) {
	for seed := range uint64(3) {
		all := everything(seed)
		for _, order := range []string{"any", "rising", "falling"} {
			switch order {
			case "rising":
				slices.SortFunc(all, func(a, b crlgen.Entry) int { return a.Key.Compare(b.Key) })
			case "falling":
				slices.Reverse(all)
			}
			now := crlgen.DefaultThisUpdate
			list, keys := written(t, signer(t, "rsa"), crlgen.Head{Number: 9, ThisUpdate: now, NextUpdate: now.Add(24 * time.Hour)}, slices.Values(all))
			compare(t, len(all), keys, list)
		}
	}
}

// TestP7SameAnswersOfPartitions compares the three on lists in partitions, signed by keys of two generations.
func TestP7SameAnswersOfPartitions(t *testing.T) {
	const parts = 7
	var lists []crldiff.List
	var keys []crlset.Key
	entries := 0
	for i := range parts {
		point, err := asn1.Marshal(pkix.Name{Country: []string{"JP"}, Organization: []string{"Practice"}, Locality: []string{fmt.Sprint("City ", i)}}.ToRDNSequence())
		if err != nil {
			t.Fatal(err)
		}
		l, err := crlgen.New(crlgen.Spec{
			Seed: uint64(i), Entries: uint64(i * 90), Universe: 2000, First: 1 + uint64(i%3)*2000 + uint64(i/3)<<33, Shuffled: i%2 == 1, Number: uint64(40 + i), Point: point,
		})
		if err != nil {
			t.Fatal(err)
		}
		by := signer(t, "rsa")
		if i > parts/2 {
			by = signer(t, "p384")
		}
		list, around := written(t, by, l.Head(), l.Entries())
		lists, keys, entries = append(lists, list), append(keys, around...), entries+int(l.Len())
	}
	compare(t, entries, keys, lists...)
}
