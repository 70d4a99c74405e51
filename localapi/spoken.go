package localapi

import (
	"encoding/binary"

	"kazashi.example/sync/record"
)

// spokenAlphabet has no 0 or 1, no letter that looks like a digit or another letter (B I L O S Z), and of letters and digits that
// sound alike in English or Japanese at most one (A J K; H 8; C D E G P T V 3; M N; F S X; L R; Q U W).
const spokenAlphabet = "23456789KMRWXY"

// SpokenLen is the number of characters of a spoken code.
const SpokenLen = 4

// SpokenCode returns a short code for telling the taps of one day apart aloud: SpokenLen characters of digits and capital
// letters that are hard to confuse. It is not unique (14^4 = 38,416 values) and says nothing about the card: a tap id is random.
func SpokenCode(tap record.TapID) string {
	n := binary.BigEndian.Uint64(tap.ID128[:8])
	var code [SpokenLen]byte
	for i := range code {
		code[i] = spokenAlphabet[n%uint64(len(spokenAlphabet))]
		n /= uint64(len(spokenAlphabet))
	}
	return string(code[:])
}
