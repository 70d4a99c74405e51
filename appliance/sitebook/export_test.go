package sitebook

import (
	"errors"
	"io"

	"kazashi.example/localapi"
)

// Kinds of entries, for the fuzzing of what they hold.
const FirstKind, LastKind = uint8(kindEnrolment), uint8(kindSalt)

// Reencoded opens the content of an entry, and encodes it again; the error of either.
func Reencoded(k uint8, b []byte) (again []byte, opened bool, err error) {
	r, err := decodeRow(kind(k), b)
	if err != nil {
		return nil, false, err
	}
	_ = r.names(kind(k), "drill")
	again, err = r.encode(kind(k))
	return again, true, err
}

// Lines reads a file of links to its end: the values of each line that has no fault of its own, and every fault.
func Lines(r io.Reader, e localapi.Encoding) (values [][2]string, faults []*FaultError, err error) {
	lines, err := newCSV(r, e)
	for err == nil {
		var l csvLink
		if l, err = lines.next(); err == nil {
			values = append(values, [2]string{l.ppid, l.number})
		}
		var bad *FaultError
		if errors.As(err, &bad) {
			faults, err = append(faults, bad), nil
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return values, faults, err
}
