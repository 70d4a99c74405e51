// Package trace writes down what a procedure and a card said to each other, without what they said about anybody, and plays it back.
//
// A [Recorder] stands between a procedure and the way to the card. It follows what is selected from the card's own answers and keeps
// of each command only what may be kept; what it cannot place is masked. In its ordinary mode that is headers, lengths, status words,
// application identifiers and the bodies of files that name nobody. For practice cards there is an unmasked mode, which gives nothing
// out before the card has shown a certificate of the practice hierarchy. The files that hold the Individual Number, or anything that it
// can be found from, are masked in both (promise P4), and so is everything that goes to an application unknown here.
//
// A [Replayer] plays a [Transcript] to a procedure as if it were the card, and finds the first command that differs.
//
// A Recorder and a Replayer belong to one connection and one goroutine. A Transcript is immutable by custom. Nothing is kept on disk
// and no time is written down. The package is no allow-list: it passes on whatever it is given, and package mynumber guards above it.
//
// # Format
//
// Text of ASCII, each line ended by a line feed, fields parted by one space, hex in upper case, numbers in decimal without leading zeros:
//
//	kazashi-card-transcript 1
//	mode masked
//	procedure pin
//	00A4040C S 10:D392F000260100000001 - = - 9000
//	00B08A00 X - 65536 = 1157:* 9000
//	00200098 S 4:* - = error gone
//	end 3
//
// The procedure's name has 1 to 32 lower-case letters and hyphens. A line of a command has its header (CLA INS P1 P2), S for short or X for extended lengths, its data, how many octets it expects, and
// after the equals sign the answer's data and status word. "-" is none. Data is its length in octets, a colon, and its octets; an
// asterisk stands for the rest of them, which is masked. Instead of an answer there may be "error" and one word of what went wrong:
// no-answer (the card is still there), ended (the caller's time was over), nonsense (an answer whose last two octets are no status word, or,
// where the answer is masked, none that is listed here: they may be the file's) or gone. The last line counts the commands.
package trace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"kazashi.example/reader/apdu"
)

// Transmitter passes one command APDU to a card and returns its answer with the status word, or an error when there is none. It is
// what package mynumber asks for.
type Transmitter interface {
	Transmit(ctx context.Context, command []byte) ([]byte, error)
}

// Limits of a transcript.
const (
	MaxExchanges = 4096    // commands; the longest procedure takes some hundred
	MaxLen       = 8 << 20 // octets of its text, and of the data that a Recorder keeps
)

// Errors of this package.
var (
	// ErrTranscript says that a text is no transcript of this format; the message names the line.
	ErrTranscript = errors.New("not a card transcript")
	// ErrDiffers says that a procedure sent another command than the recorded one; see DiffersError.
	ErrDiffers = errors.New("command differs from the transcript")
	// ErrMasked says that a procedure came to an answer whose data is masked in the transcript.
	ErrMasked = errors.New("answer is masked in the transcript")
	// ErrGone is what a Replayer returns for a card that went away, or a reader that did.
	ErrGone = errors.New("card was gone when this was recorded")
	// ErrNotPractice says that an unmasked transcript is held back: the card showed no certificate, or another's than a practice card's.
	ErrNotPractice = errors.New("card has not proved to be a practice card, so its transcript is thrown away")
	// ErrTooLong says that a Recorder has seen more than MaxExchanges commands or more than MaxLen octets of data.
	ErrTooLong = errors.New("too much for one transcript")
)

// Transcript is what was said on one connection.
type Transcript struct {
	Procedure string // its name, of lower-case letters and hyphens
	Unmasked  bool   // recorded from a practice card in unmasked mode
	Exchanges []Exchange
}

// Exchange is one command and what came of it.
type Exchange struct {
	Header   apdu.Header
	Extended bool // lengths in their extended form
	Data     Data
	Ne       int // octets expected in answer, 0 for none

	Failure Failure // none if there was an answer
	Answer  Data
	SW      apdu.StatusWord
}

// Data is a data field of which a beginning is shown and the rest is masked. The zero value is no data.
type Data struct {
	Len   int
	Shown []byte // at most Len octets
}

// Masked reports whether anything is missing.
func (d Data) Masked() bool { return len(d.Shown) < d.Len }

// Failure says why a command had no answer.
type Failure uint8

// Failures. The zero value is none: there was an answer.
const (
	NoAnswer Failure = 1 + iota // apdu.ErrNoAnswer: the reader brought none, the card is there
	Ended                       // the caller's context was over
	Nonsense                    // what came had no status word, was longer than any answer, or ended with octets that may be a masked file's
	Gone                        // anything else
)

var failureWords = map[Failure]string{NoAnswer: "no-answer", Ended: "ended", Nonsense: "nonsense", Gone: "gone"}

// String is the word of the format; "none" for none.
func (f Failure) String() string {
	if w, ok := failureWords[f]; ok {
		return w
	}
	return "none"
}

// String tells how long a transcript is and nothing of what is in it.
func (t *Transcript) String() string {
	return fmt.Sprintf("transcript of %d commands", len(t.Exchanges))
}

// Format prints String for every verb, so that %+v does not reach the data.
func (t *Transcript) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.String())) }

// LogValue logs String.
func (t *Transcript) LogValue() slog.Value { return slog.StringValue(t.String()) }
