package sitebook

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/transform"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// Faults of a file of links. Each names one line, and no value of it: see FaultError.
var (
	// ErrHeader: the first line is not "ppid,number" or "ppid,number,since".
	ErrHeader = errors.New("first line is not ppid,number or ppid,number,since")
	// ErrEncoding: the file is not in the encoding that was said.
	ErrEncoding = errors.New("not in the encoding that was said")
	// ErrColumns: a line has other columns than the first, quotes that do not close, or a date that is none.
	ErrColumns = errors.New("not the columns that the first line names")
	// ErrEmpty: a PPID or number is missing.
	ErrEmpty = errors.New("empty")
	// ErrLong: a value is longer than any can be.
	ErrLong = errors.New("too long")
	// ErrFormula: a value begins as a spreadsheet's formula does, so that the file is damaged or hostile.
	ErrFormula = errors.New("begins like a formula of a spreadsheet")
	// ErrUnprintable: a value is no printable text, or has a quote or a backslash, which nobody could type.
	ErrUnprintable = errors.New("not printable text, or with a quote or a backslash")
	// ErrTwice: a PPID or number stands in the file twice.
	ErrTwice = errors.New("twice in the file")
	// ErrUnknownPerson: nobody in this site's roster has the PPID.
	ErrUnknownPerson = errors.New("nobody of this site has the PPID")
	// ErrTaken: the number is somebody else's, or the person has another.
	ErrTaken = errors.New("number is somebody else's, or the person has another")
	// ErrTooMany: there are more than MaxLinks lines.
	ErrTooMany = errors.New("more lines than are taken at once")
)

// faultWords are the local API's for the faults.
var faultWords = []struct {
	err  error
	word string
}{
	{ErrHeader, "header"},
	{ErrEncoding, "encoding"},
	{ErrColumns, "columns"},
	{ErrEmpty, "empty"},
	{ErrLong, "too_long"},
	{ErrFormula, "formula"},
	{ErrUnprintable, "unprintable"},
	{ErrTwice, "duplicate"},
	{ErrUnknownPerson, "unknown_person"},
	{ErrTaken, "taken"},
	{ErrTooMany, "too_many"},
}

// FaultError is what is wrong with a line of a file of links, counted from 1; line 0 is the file as a whole.
type FaultError struct {
	Line int
	Err  error
}

func (e *FaultError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *FaultError) Unwrap() error { return e.Err }

// Fault is the local API's form of it.
func (e *FaultError) Fault() localapi.ImportFault {
	for _, x := range faultWords {
		if errors.Is(e.Err, x.err) {
			return localapi.ImportFault{Line: e.Line, What: x.word}
		}
	}
	return localapi.ImportFault{Line: e.Line, What: "columns"}
}

// MaxLinks is how many lines one file has at most.
const MaxLinks = 400_000

// maxPPID is the longest PPID that a file is read for, in octets.
const maxPPID = 128

// bom is U+FEFF in UTF-8, which spreadsheets write before a text.
var bom = []byte("\xef\xbb\xbf")

// csvLink is one line of a file.
type csvLink struct {
	line   int
	ppid   string
	number string
	since  time.Time // zero: not said
}

// csvReader reads lines one by one.
type csvReader struct {
	csv     *csv.Reader
	columns int
}

// newCSV reads the first line.
func newCSV(r io.Reader, e localapi.Encoding) (*csvReader, error) {
	if e == localapi.EncodingShiftJIS {
		r = transform.NewReader(r, japanese.ShiftJIS.NewDecoder())
	}
	text := bufio.NewReader(r)
	if first, err := text.Peek(len(bom)); err == nil && bytes.Equal(first, bom) {
		_, _ = text.Discard(len(bom)) // what was peeked at is there
	}
	c := &csvReader{csv: csv.NewReader(text)}
	c.csv.FieldsPerRecord = -1
	c.csv.ReuseRecord = true
	head, err := c.fields()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	c.columns = len(head)
	if name := strings.Join(head, ","); name != "ppid,number" && name != "ppid,number,since" {
		return nil, &FaultError{1, ErrHeader}
	}
	return c, nil
}

// fields reads one line. io.EOF at the end, a *FaultError, or the reader's own error.
func (c *csvReader) fields() ([]string, error) {
	fields, err := c.csv.Read()
	var bad *csv.ParseError
	switch {
	case errors.As(err, &bad):
		return nil, &FaultError{bad.StartLine, ErrColumns}
	case err != nil:
		return nil, err
	}
	for _, f := range fields {
		// In Shift_JIS what is none decodes to U+FFFD.
		if !utf8.ValidString(f) || strings.ContainsRune(f, utf8.RuneError) {
			return nil, c.fault(ErrEncoding)
		}
	}
	return fields, nil
}

func (c *csvReader) fault(err error) *FaultError {
	line, _ := c.csv.FieldPos(0)
	return &FaultError{line, err}
}

// next reads a link. Errors as fields.
func (c *csvReader) next() (l csvLink, err error) {
	fields, err := c.fields()
	if err != nil {
		return l, err
	}
	if len(fields) != c.columns {
		return l, c.fault(ErrColumns)
	}
	l.line, _ = c.csv.FieldPos(0)
	l.ppid, l.number = strings.Clone(fields[0]), fields[1]
	if number, err := localapi.CanonNumber(l.number); err == nil && !strings.ContainsAny(l.number[:1], formula) {
		l.number = number
	}
	l.number = strings.Clone(l.number)
	if err := checkLink(l); err != nil {
		return l, c.fault(err)
	}
	if c.columns == 3 && fields[2] != "" {
		if l.since, err = time.Parse(time.DateOnly, fields[2]); err != nil {
			return l, c.fault(ErrColumns)
		}
	}
	return l, nil
}

// formula is what a spreadsheet's formula begins with.
const formula = "=+-@\t\r"

// checkLink refuses values that cannot be what they should, without looking anybody up.
func checkLink(l csvLink) error {
	for _, v := range []string{l.ppid, l.number} {
		switch {
		case v == "":
			return ErrEmpty
		case strings.ContainsAny(v[:1], formula):
			return ErrFormula
		}
	}
	switch {
	case len(l.ppid) > maxPPID || len(l.number) > record.MaxNumber:
		return ErrLong
	case record.CheckNumber(l.number) != nil:
		return ErrUnprintable
	default:
		return nil
	}
}
