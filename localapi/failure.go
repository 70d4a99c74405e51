package localapi

// ReadFailure says why a card on the reader did not become a tap. Each has its sentence in the catalog. No record exists after
// one of these.
type ReadFailure string

// Read failures.
const (
	FailureNotMyNumber  ReadFailure = "not_my_number"             // the card has no JPKI application
	FailureTorn         ReadFailure = "torn"                      // taken away in the middle
	FailureNonsense     ReadFailure = "nonsense"                  // answered with bytes that no My Number Card answers
	FailurePINProtected ReadFailure = "pin_protected_certificate" // the certificate cannot be read without the PIN
	FailureReaderGone   ReadFailure = "reader_gone"               // the reader was unplugged
	FailureNoPCSC       ReadFailure = "no_pcsc_service"           // pcscd does not answer
	FailureJournal      ReadFailure = "journal_failed"            // the tap could not be made durable: do not serve
	FailureDiskFull     ReadFailure = "disk_full"                 // no room for a record: refused before the card was asked for anything
	FailureNoCert       ReadFailure = "no_certificate"            // a My Number Card that holds no authentication certificate
	FailureMute         ReadFailure = "mute"                      // something lies there and does not answer
	FailurePINWrong     ReadFailure = "pin_wrong"                 // Event.Tries more are left
	FailurePINSame      ReadFailure = "pin_same"                  // the same wrong PIN again: it was not sent
	FailurePINFew       ReadFailure = "pin_few_tries"             // Event.Tries are left; none was spent
	FailurePINBlocked   ReadFailure = "pin_blocked"               // only a city office can reset it
	FailureNoPINs       ReadFailure = "card_without_pins"         // issued without PINs, or every PIN is blocked
	FailureBirthDate    ReadFailure = "birth_date"                // the card does not take the birth date or era that was chosen
	FailureBirthEra     ReadFailure = "birth_era"                 // of the birth date; no try was spent. NextCardRequest.Era says it
	FailureExchanged    ReadFailure = "card_exchanged"            // another card lies there than was laid first; no PIN was sent to it
	FailureBirthDoubt   ReadFailure = "birth_doubt"               // typed date and certificate differ; no try. NextCardRequest.BirthSure
	FailureBusy         ReadFailure = "busy"                      // another card is being read, or another program holds the card
)

// ReadFailures lists them all, in the order above.
func ReadFailures() []ReadFailure {
	return []ReadFailure{
		FailureNotMyNumber, FailureTorn, FailureNonsense, FailurePINProtected,
		FailureReaderGone, FailureNoPCSC, FailureJournal, FailureDiskFull, FailureNoCert, FailureMute, FailurePINWrong, FailurePINSame,
		FailurePINFew, FailurePINBlocked, FailureNoPINs, FailureBirthDate, FailureBirthEra,
		FailureExchanged, FailureBirthDoubt, FailureBusy,
	}
}

// PINName names one of a card's PINs.
type PINName string

// The PINs of four digits that a counter asks for.
const (
	PINAuth        PINName = "auth"         // of the authentication certificate (JPKI application, EF 0018)
	PINInputAssist PINName = "input_assist" // of the input-assist application (EF 0011)
)
