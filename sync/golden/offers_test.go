package golden_test

import (
	"bytes"
	"strings"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

func blobValue(of byte, size uint64) wire.Blob {
	return wire.Blob{ID: wire.BlobID(bytes.Repeat([]byte{of}, 32)), Size: size}
}

// offerValues is a poll that names a set, and an answer that offers the next one with a chain of one delta.
func offerValues() map[string]any {
	v := func(n uint64) rule.Version { return rule.Version{CentralEpoch: 1, N: n} }
	return map[string]any{
		"poll with a set": wire.Poll{Sets: []wire.HeldSet{{
			Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, Number: v(77), Root: wire.BlobID(bytes.Repeat([]byte{0xa7}, 32)),
		}}},
		"polled with an offer": wire.Polled{CentralEpoch: 1, Sets: []wire.SetOffer{{
			Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, Number: v(78), Manifest: blobValue(0xa1, 700), Set: blobValue(0xa8, 46_000_000),
			Deltas: []wire.DeltaOffer{{Base: v(77), Next: v(78), Head: blobValue(0xd1, 300), Delta: blobValue(0xd2, 40_000)}},
		}}},
	}
}

// offersByHand is what offerValues encodes to, as byHand.
func offersByHand() map[string][]string {
	blob := func(of, size string) string { return "a2 01 58 20" + strings.Repeat(of, 32) + "02" + size }
	return map[string][]string{
		"poll with a set": {
			"a9", "01 a2 01 00 02 00", "02 a2 01 00 02 00", "03 a2 01 00 02 00", "04 00", "08 00", "09 00", "0a 00", "0b 60",
			"0d 81 a4", "01 03", "02 01", "03 a2 01 01 02 18 4d", "04 58 20", strings.Repeat("a7", 32),
		},
		"polled with an offer": {
			"a2", "01 01", "0a 81 a6", "01 03", "02 01", "03 a2 01 01 02 18 4e", "04", blob("a1", "19 02bc"), "05", blob("a8", "1a 02bde780"),
			"06 81 a4", "01 a2 01 01 02 18 4d", "02 a2 01 01 02 18 4e", "03", blob("d1", "19 012c"), "04", blob("d2", "19 9c40"),
		},
	}
}

func offersVector() any {
	f := itemsFile{About: "A poll of a box that holds a revocation set, and an answer that offers the next one. Made-up digests."}
	for _, name := range []string{"poll with a set", "polled with an offer"} {
		f.Items = append(f.Items, itemOf(name, offerValues()[name]))
	}
	return f
}

func TestOffersVector(t *testing.T) {
	items, values, hand := read[itemsFile](t, "offers").Items, offerValues(), offersByHand()
	if len(items) != len(values) {
		t.Errorf("%d items recorded, %d values", len(items), len(values))
	}
	for _, it := range items {
		reads(t, it)
		is(t, it.Name, octetsOf(t, hand[it.Name]), it.CBOR)
		is(t, it.Name, must(canon.Encode(values[it.Name])), it.CBOR)
	}
}
