package golden_test

import (
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/content"
	"kazashi.example/sync/rule"
)

// attributeValues are enrolments of services that ask for less than all four.
func attributeValues() map[string]content.Record {
	name, rest := enrolmentValue(), enrolmentValue()
	name.Enrolment.Attributes = name.Enrolment.Attributes.Only(rule.AttributeName)
	rest.Enrolment.Attributes = &content.Attributes{Address: new(""), Sex: new(uint8(0))}
	return map[string]content.Record{"a name": name, "an empty address and sex 0": rest}
}

// attributesByHand is what attributeValues encodes to, as byHand: the enrolment of proofs.json with another end.
func attributesByHand() map[string][]string {
	whole := proofsByHand()["content, enrolment"]
	head := whole[:len(whole)-7]
	with := func(end ...string) []string { return append(append([]string{}, head...), end...) }
	return map[string][]string{
		"a name":                     with("03 a1 01 6f", text("練習　花子")),
		"an empty address and sex 0": with("03 a2 02 60", "04 00"),
	}
}

type attributesFile struct {
	About string `json:"about"`
	Items []item `json:"items"`
}

func attributesVector() any {
	f := attributesFile{About: "Enrolments of services that ask for some of the four attributes: what was not kept is not there. A made-up person."}
	for _, name := range []string{"a name", "an empty address and sex 0"} {
		f.Items = append(f.Items, itemOf(name, attributeValues()[name]))
	}
	return f
}

// P2: which attributes were kept stays as recorded.
func TestP2AttributesVector(t *testing.T) {
	f := read[attributesFile](t, "attributes")
	if len(f.Items) != len(attributeValues()) {
		t.Fatalf("%d items recorded, want %d", len(f.Items), len(attributeValues()))
	}
	for _, it := range f.Items {
		reads(t, it)
		is(t, it.Name, octetsOf(t, attributesByHand()[it.Name]), it.CBOR)
		is(t, it.Name, must(canon.Encode(attributeValues()[it.Name])), it.CBOR)
		got, err := content.Decode(it.CBOR)
		if want := attributeValues()[it.Name]; err != nil || got.Enrolment.Attributes.Kinds() != want.Enrolment.Attributes.Kinds() {
			t.Errorf("Decode(%s) = %v, or others", it.Name, err)
		}
	}
}
