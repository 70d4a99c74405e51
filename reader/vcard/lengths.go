package vcard

// Lengths of the credentials in octets of ASCII (OpenSC src/libopensc/pkcs15-jpki.c for the JPKI AP; soltia48/myna-card
// src/ap/{surface,text,common}.rs for the others).
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

// Tries of the PIN references (OpenSC src/libopensc/pkcs15-jpki.c; AokiApp's card dump tool for the 10 of the reference numbers).
const (
	authPINTries      = 3
	signPasswordTries = 5
	inputPINTries     = 3
	referenceTries    = 10
)
