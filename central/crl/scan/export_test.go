package scan

import "kazashi.example/sync/crlset"

// CommonReach is how many octets the quick way needs.
const CommonReach = commonReach

// ReadCommon reads one entry the quick way; 0 if it cannot.
func ReadCommon(b []byte) (e crlset.Entry, n int) {
	n = commonEntry((*[commonReach]byte)(b), &e)
	return e, n
}

// ReadEntry reads one entry by the rules.
var ReadEntry = readEntry
