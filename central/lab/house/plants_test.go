package house_test

import "kazashi.example/central/lab/house"

// plants are imports on both sides of each rule. The checker must say the same of them as the linter (see depguard_test.go).
// Paths are within the module unless they begin with a host.
var plants = []struct {
	importer, imported string
	test               bool
	broken             bool
}{
	{"localapi/page", "sync/record", false, false},
	{"localapi/page", "localapi", false, false}, // a folder's own package
	{"localapi/page", "central/lab", true, false},
	{"localapi/page", "sync/certid", false, true},
	{"localapi/page", "sync/recorder", false, true}, // no prefix of a word is the word
	{"localapi/page", "reader/tlv", true, true},
	{"localapi/page", "central/lab/world", true, false},
	{"localapi/page", "central/lab/world", false, true},
	{"reader/mynumber", "reader/apdu", false, false},
	{"reader/mynumber", "sync/certid", false, false},
	{"reader/mynumber", "sync/record", false, false},
	{"reader/mynumber", "sync/wire", false, true},
	{"reader/mynumber", "central/lab/world", true, false},
	{"reader/mynumber", "appliance/tap", true, true},
	{"reader/mynumber", "github.com/ebfe/scard", false, true},
	{"reader/pcsc", "github.com/ebfe/scard", false, false},
	{"sync/gate", "sync/rule", false, false},
	{"sync/gate", "reader/jpki", false, true},
	{"sync/gate", "central/intake", true, true},
	{"sync/gate", "central/lab/world", true, false},
	{"sync/certid", "sync/record", false, true},
	{"sync/record", "sync/wire", false, true},
	{"appliance/tap", "reader/mynumber", false, false},
	{"appliance/tap", "sync/gate", false, false},
	{"appliance/tap", "localapi/page", false, false},
	{"appliance/tap", "firmware/manifest", false, false},
	{"appliance/tap", "localapi", false, false},
	{"appliance/tap", "firmware", false, false},
	{"appliance/tap", "centralised", false, true},
	{"appliance/tap", "central/intake", false, true},
	{"appliance/tap", "central/lab/world", false, true},
	{"appliance/tap", "central/lab/world", true, false},
	{"appliance/tap", "central/intake", true, true},
	{"appliance/tap", "reader/vcard", false, true},
	{"central/intake", "sync/wire", false, false},
	{"central/intake", "central", false, false},
	{"central/intake", "central/lab", false, true},
	{"central/intake", "reader/jpki", false, false},
	{"central/intake", "reader", false, true},
	{"central/intake", "reader/tlv", false, true},
	{"central/intake", "firmware/manifest", false, false},
	{"central/intake", "firmware/command", false, false},
	{"central/intake", "firmware/commander", false, true},
	{"central/intake", "firmware/command/commandtest", false, true},
	{"central/intake", "firmware/command/commandtest", true, false},
	{"central/intake", "firmware/slot", false, true},
	{"central/intake", "firmware/slot", true, true},
	{"central/intake", "appliance/tap", false, true},
	{"central/intake", "localapi/page", true, true},
	{"central/intake", "central/lab/world", false, true},
	{"central/intake", "central/lab/world", true, false},
	{"central/lab/demo", "appliance/tap", false, false},
	{"central/lab/demo", "reader/vcard", false, false},
	{"central/lab/demo", "reader/pcsc", false, true},
	{"appliance/tap", "firmware/command", false, false},
	{"appliance/tap", "firmware/command/commandtest", false, true},
	{"appliance/tap", "firmware/command/commandtest", true, false},
	{"firmware/command", "firmware/manifest", false, false},
	{"firmware/command", "firmware/command/commandtest", false, true},
	{"firmware/command", "firmware/command/commandtest", true, false},
	{"firmware/command", "github.com/ebfe/scard", false, true},
	{"firmware/command", "sync/record", false, true},
	{"firmware/command", "central/admin", false, true},
	{"firmware/command/commandtest", "firmware/command", false, false},
	{"firmware/command/commandtest", "sync/record", false, true},
	{"firmware/slot", "firmware/manifest", false, false},
	{"firmware/slot", "sync/trust", false, true},
	{"firmware/slot", "central/lab/world", true, false},
}

func full(path string) string {
	if path == "github.com/ebfe/scard" || path == "C" {
		return path
	}
	return house.Module + "/" + path
}
