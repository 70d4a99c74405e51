package scan

import "kazashi.example/sync/crlset"

// CommonReach is how many octets the quick way needs.
const CommonReach = commonReach

// ReadCommon reads one entry the quick way; 0 if it cannot.
func ReadCommon(b []byte) (crlset.Entry, int) {
	var e [1]crlset.Entry
	_, n := commonEntries(b, e[:])
	return e[0], n
}

// ReadEntry reads one entry by the rules.
var ReadEntry = readEntry
