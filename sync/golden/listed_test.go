package golden_test

import (
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/content"
)

// listedValue is a record whose answer came from a revocation set: its number has two halves.
func listedValue() content.Record {
	r := contentValue()
	r.Said.ListEpoch = 3
	return r
}

// listedByHand is what listedValue encodes to, as byHand.
var listedByHand = []string{
	"ae", "01 01", "02 50", t1, "03 1b 000001a1ee565e7b", "04 6c", text("library-loan"), "05 66", text("desk-1"),
	"06 04", "07 01", "08 03", "09 01", "0a 43 123456", "0b 48 aabb000000000000", "0c 1a 713fb300",
	"0d a8", "01 01", "02 01", "03 a2 01 01 02 02", "04 01", "05 18 4d", "06 1a 6afd5fb0", "07 01", "08 03",
	"0f 1a 6553f100",
}

type listedFile struct {
	About string `json:"about"`
	Items []item `json:"items"`
}

func listedVector() any {
	return listedFile{
		About: "A record whose answer came from a revocation set: number (3, 77). Nobody's serial.",
		Items: []item{itemOf("content, listed", listedValue())},
	}
}

// P6: a record says which set its answer came from, by both halves of its number.
func TestP6ListedVector(t *testing.T) {
	f := read[listedFile](t, "listed")
	if len(f.Items) != 1 {
		t.Fatalf("%d items recorded, want 1", len(f.Items))
	}
	it := f.Items[0]
	reads(t, it)
	is(t, it.Name, octetsOf(t, listedByHand), it.CBOR)
	is(t, it.Name, must(canon.Encode(listedValue())), it.CBOR)
	got, err := content.Decode(it.CBOR)
	if err != nil || got.Said != listedValue().Said {
		t.Errorf("Decode(%s) = said %+v, %v, want %+v", it.Name, got.Said, err, listedValue().Said)
	}
}
