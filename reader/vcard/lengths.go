package vcard

// Lengths of the credentials in octets of ASCII, as card.go's files check them (OpenSC src/libopensc/pkcs15-jpki.c for the JPKI AP;
// soltia48/myna-card src/ap/{surface,text,common}.rs for the others).
const (
	authPINLen      = 4
	signPasswordMin = 6
	signPasswordMax = 16
	inputPINLen     = 4
	birthKeyLen     = 6
	numberALen      = 12
	numberBLen      = 14
	commonRecordLen = 28
)
