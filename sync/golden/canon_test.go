package golden_test

import "encoding/hex"

type canonFile struct {
	About string      `json:"about"`
	Items []canonItem `json:"items"`
}

type canonItem struct {
	Name    string `json:"name"`
	CBOR    octets `json:"cbor"`
	Refused string `json:"refused,omitempty"` // the error's word; empty for an accepted item
}

// canonVector is written by hand from RFC 8949 §3 and §4.2.1.
func canonVector() any {
	f := canonFile{About: "Items in the only accepted form, and items that say the same or nothing in another form."}
	for _, c := range [][3]string{
		{"0", "00"},
		{"23", "17"},
		{"24", "1818"},
		{"255", "18ff"},
		{"256", "190100"},
		{"65536", "1a00010000"},
		{"4294967296", "1b0000000100000000"},
		{"greatest unsigned", "1bffffffffffffffff"},
		{"-1", "20"},
		{"-25", "3818"},
		{"empty byte string", "40"},
		{"byte string of 24", "5818" + "000102030405060708090a0b0c0d0e0f1011121314151617"},
		{"text", "63e3818b"},
		{"empty array", "80"},
		{"nested eight deep", "8181818181818100"},
		{"map in order", "a3010203041820f5"},
		{"map of an integer, bytes and text as keys", "a30100" + "416101" + "616102"},
		{"false, true, null", "83f4f5f6"},
		{"0 in two octets", "1800", "form"},
		{"23 in two octets", "1817", "form"},
		{"255 in three octets", "1900ff", "form"},
		{"65535 in five octets", "1a0000ffff", "form"},
		{"4294967295 in nine octets", "1b00000000ffffffff", "form"},
		{"-1 in two octets", "3800", "form"},
		{"byte string with a long length", "580100", "form"},
		{"text with a long length", "780161", "form"},
		{"array with a long length", "980100", "form"},
		{"map with a long length", "b8010000", "form"},
		{"indefinite byte string", "5f4100ff", "form"},
		{"indefinite text", "7f6161ff", "form"},
		{"indefinite array", "9f00ff", "form"},
		{"indefinite map", "bf0000ff", "form"},
		{"map with a key twice", "a2010001" + "00", "form"},
		{"map out of order", "a2020001" + "00", "form"},
		{"map with a longer key first", "a2616100" + "0100", "form"},
		{"tag", "c000", "form"},
		{"half float", "f93c00", "form"},
		{"single float", "fa3f800000", "form"},
		{"double float", "fb3ff0000000000000", "form"},
		{"undefined", "f7", "form"},
		{"simple value 0", "e0", "form"},
		{"simple value in two octets", "f8ff", "form"},
		{"break alone", "ff", "form"},
		{"reserved length", "1c", "form"},
		{"nested nine deep", "81818181818181818100", "form"},
		{"cut in a number", "19ff", "form"},
		{"cut in a string", "4200", "form"},
		{"cut in an array", "8200", "form"},
		{"cut in a map", "a100", "form"},
		{"a string longer than memory", "5bffffffffffffffff", "form"},
		{"an array longer than the cap", "9a0000200100", "form"},
		{"two items", "0000", "form"},
		{"nothing", "", "form"},
		{"text that is not UTF-8", "61be", "form"},
	} {
		b, err := hex.DecodeString(c[1])
		f.Items = append(f.Items, canonItem{c[0], must(b, err), c[2]})
	}
	return f
}
