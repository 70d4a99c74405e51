package renewal

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"kazashi.example/sync/certid"
)

// Caps of one answer.
const (
	MaxAnswer = 16 << 20 // octets
	MaxLines  = 100_000
)

// Errors of an answer.
var (
	// ErrAnswer says that an answer is none of this kind. Nothing of it counts. One bad line in it is no such thing: see Answer.Bad.
	ErrAnswer = errors.New("not an answer about renewals")
	// ErrLarge says that an answer is larger than its cap.
	ErrLarge = errors.New("answer about renewals is larger than its cap")
)

// Line is one authentication certificate that took another's place. It prints as REDACTED.
type Line struct {
	Old, New certid.Serial
	At       time.Time
}

// Format prints REDACTED for every verb.
func (Line) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// MarshalText writes REDACTED.
func (Line) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// LogValue logs REDACTED.
func (Line) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// Answer is what the source said.
type Answer struct {
	Lines []Line // of authentication certificates, as they came
	Bad   int    // lines that cannot be read, and were left out
	More  bool   // there are later ones: ask again from the last line's time
	Last  time.Time
}

// wireAnswer is the JSON form. Keys that are not known here are ignored: they came with a later release of the source.
type wireAnswer struct {
	Renewals []json.RawMessage `json:"renewals"`
	More     bool              `json:"more"`
}

type wireLine struct {
	Purpose string    `json:"purpose"` // auth or sign
	Old     string    `json:"old"`     // hexadecimal; zeroes before it mean nothing
	New     string    `json:"new"`
	At      time.Time `json:"at"`
}

// Decode reads an answer whole: {"renewals":[{"purpose":"auth","old":"0a1b","new":"0a1c","at":"2026-11-22T00:00:00Z"}],"more":false}.
// Lines about other certificates than those of authentication are left out, and so are those that cannot be read, which are counted:
// one of them must not keep all others from central. ErrAnswer, ErrLarge.
func Decode(b []byte) (Answer, error) {
	if len(b) > MaxAnswer {
		return Answer{}, ErrLarge
	}
	d := json.NewDecoder(bytes.NewReader(b))
	var w wireAnswer
	if err := d.Decode(&w); err != nil {
		return Answer{}, ErrAnswer // the cause may quote a serial
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || w.Renewals == nil {
		return Answer{}, ErrAnswer
	}
	if len(w.Renewals) > MaxLines {
		return Answer{}, ErrLarge
	}
	out := Answer{More: w.More}
	for _, raw := range w.Renewals {
		var l wireLine
		parsed := json.Unmarshal(raw, &l) == nil
		line, ok := l.read(parsed)
		if l.At.After(out.Last) {
			out.Last = l.At.UTC() // of a bad line too: asking goes on behind it
		}
		switch {
		case !ok:
			out.Bad++
		case l.Purpose == certid.PurposeAuth.String():
			out.Lines = append(out.Lines, line)
		}
	}
	return out, nil
}

// read is false where the line lacks anything.
func (l wireLine) read(parsed bool) (Line, bool) {
	older, errOld := ParseSerial(l.Old)
	newer, errNew := ParseSerial(l.New)
	if !parsed || errOld != nil || errNew != nil || l.Purpose == "" || l.At.IsZero() {
		return Line{}, false
	}
	return Line{Old: older, New: newer, At: l.At.UTC()}, true
}

// ParseSerial reads a serial number in hexadecimal, with or without zeroes before it. An error that quotes nothing.
func ParseSerial(text string) (certid.Serial, error) {
	text = strings.TrimLeft(text, "0")
	if len(text)%2 == 1 {
		text = "0" + text
	}
	b, err := hex.DecodeString(text)
	if err != nil {
		return certid.Serial{}, certid.ErrSerial // the cause quotes the octet
	}
	return certid.ParseSerial(b)
}
