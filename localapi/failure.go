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
	FailureBusy         ReadFailure = "busy"                      // another card is being read, or another program holds the card
)

// ReadFailures lists them all, in the order above.
func ReadFailures() []ReadFailure {
	return []ReadFailure{
		FailureNotMyNumber, FailureTorn, FailureNonsense, FailurePINProtected,
		FailureReaderGone, FailureNoPCSC, FailureJournal, FailureBusy,
	}
}
