package apdu

import "fmt"

// Instructions that My Number Card procedures use.
const (
	InsVerify     byte = 0x20 // VERIFY, ISO/IEC 7816-4 §11.6.6; without data it asks for the tries left
	InsChange     byte = 0x24 // CHANGE REFERENCE DATA, ISO/IEC 7816-4 §11.6.7
	InsPerform    byte = 0x2A // PERFORM SECURITY OPERATION, ISO/IEC 7816-8; with CLA 80 it signs (OpenSC src/libopensc/card-jpki.c)
	InsChallenge  byte = 0x84 // GET CHALLENGE, ISO/IEC 7816-4 §11.6.3
	InsSelect     byte = 0xA4 // SELECT, ISO/IEC 7816-4 §11.2.2
	InsReadBinary byte = 0xB0 // READ BINARY, ISO/IEC 7816-4 §11.3.3
	InsReadRecord byte = 0xB2 // READ RECORD, ISO/IEC 7816-4 §11.4.3
	InsResponse   byte = 0xC0 // GET RESPONSE, ISO/IEC 7816-4 §11.8.1
)

// StatusWord is SW1-SW2, the two octets that end every answer (ISO/IEC 7816-4 §5.6).
type StatusWord uint16

// Status words. Those of the card beyond ISO/IEC 7816-4 §5.6 are from soltia48/myna-card src/apdu.rs.
const (
	SWOK                   StatusWord = 0x9000
	SWEndOfFile            StatusWord = 0x6282 // fewer octets than asked for: the file ended (warning, with data)
	SWVerifyFailed         StatusWord = 0x6300 // low four bits of 63Cx are the tries left
	SWMemoryFailure        StatusWord = 0x6581
	SWWrongLength          StatusWord = 0x6700 // Lc or Le that the card does not take
	SWChannelUnsupported   StatusWord = 0x6881
	SWSecureMessaging      StatusWord = 0x6882
	SWChainingUnsupported  StatusWord = 0x6884
	SWFileStructure        StatusWord = 0x6981
	SWSecurityNotSatisfied StatusWord = 0x6982 // a PIN has to be verified first
	SWBlocked              StatusWord = 0x6983 // authentication method blocked
	SWReferenceUnusable    StatusWord = 0x6984 // what this card answers for a blocked PIN
	SWConditionsOfUse      StatusWord = 0x6985
	SWNoCurrentEF          StatusWord = 0x6986
	SWWrongData            StatusWord = 0x6A80
	SWFunctionUnsupported  StatusWord = 0x6A81
	SWNotFound             StatusWord = 0x6A82
	SWRecordNotFound       StatusWord = 0x6A83
	SWWrongParameters      StatusWord = 0x6A86
	SWDataNotFound         StatusWord = 0x6A88
	SWWrongOffset          StatusWord = 0x6B00 // offset beyond the file: this card's end-of-file signal
	SWInsUnsupported       StatusWord = 0x6D00
	SWClassUnsupported     StatusWord = 0x6E00
	SWUnknownError         StatusWord = 0x6F00
)

var swNames = map[StatusWord]string{
	SWOK: "normal processing", SWEndOfFile: "end of file reached", SWVerifyFailed: "verification failed", SWWrongLength: "wrong length",
	SWChannelUnsupported: "logical channel not supported", SWSecureMessaging: "secure messaging not supported",
	SWMemoryFailure: "memory failure", SWChainingUnsupported: "command chaining not supported",
	SWFileStructure: "command incompatible with file structure", SWSecurityNotSatisfied: "security status not satisfied",
	SWBlocked: "authentication method blocked", SWReferenceUnusable: "reference data not usable",
	SWConditionsOfUse: "conditions of use not satisfied", SWNoCurrentEF: "no current EF", SWWrongData: "incorrect data field",
	SWFunctionUnsupported: "function not supported", SWNotFound: "file or application not found",
	SWRecordNotFound: "record not found", SWWrongParameters: "incorrect P1 P2", SWDataNotFound: "referenced data not found",
	SWWrongOffset: "offset beyond the file", SWInsUnsupported: "instruction not supported",
	SWClassUnsupported: "class not supported", SWUnknownError: "no precise diagnosis",
}

// Valid reports a status word as ISO/IEC 7816-4 §5.6 has them: SW1 is 61 to 6F or 90 to 9F.
func (s StatusWord) Valid() bool {
	sw1 := byte(s >> 8)
	return 0x61 <= sw1 && sw1 <= 0x6F || sw1&0xF0 == 0x90
}

// Named reports one of the status words above. Where an answer's data must not be told, others must not be either: the end of an answer
// that was cut off looks like one of them more easily.
func (s StatusWord) Named() bool { return swNames[s] != "" }

// String is the word in hex and, where there is one, its meaning.
func (s StatusWord) String() string {
	if n, ok := s.TriesLeft(); ok {
		return fmt.Sprintf("%04X (%d tries left)", uint16(s), n)
	}
	if name, ok := swNames[s]; ok {
		return fmt.Sprintf("%04X (%s)", uint16(s), name)
	}
	return fmt.Sprintf("%04X", uint16(s))
}

// TriesLeft returns the retry counter that 63Cx carries (ISO/IEC 7816-4 §5.6); false for every other word.
func (s StatusWord) TriesLeft() (int, bool) { return int(s & 0x0F), s&0xFFF0 == 0x63C0 }

// Blocked reports a reference that only its issuer can free: 6983 of the standard, 6984 as the My Number Card answers
// (jpki/myna tag v0.6.1 _go/libmyna), and a counter of zero.
func (s StatusWord) Blocked() bool { return s == SWBlocked || s == SWReferenceUnusable || s == 0x63C0 }

// More returns how many octets GET RESPONSE would fetch after 61xx, 256 for 6100; false for every other word.
func (s StatusWord) More() (int, bool) { return shortNe(byte(s)), s>>8 == 0x61 }

// ExactLe returns the Le that 6Cxx asks the command to be sent again with, 256 for 6C00; false for every other word.
func (s StatusWord) ExactLe() (int, bool) { return shortNe(byte(s)), s>>8 == 0x6C }

// StatusError is a card's refusal of one command. It holds the command's header only, never its data.
type StatusError struct {
	Command Header
	SW      StatusWord
}

// Error names the command and the status word.
func (e *StatusError) Error() string {
	return fmt.Sprintf("card answered %s to command %s", e.SW, e.Command)
}
