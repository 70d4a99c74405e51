package courier

import (
	"encoding/binary"
	"errors"
	"fmt"

	"kazashi.example/sync/canon"
	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// ErrState says that what is kept of a box's words is damaged.
var ErrState = errors.New("what a box said by courier is kept damaged; take its newest stick again")

// endLen is how many octets one end takes: epoch, last number, chain value, whether all is safe.
const endLen = 16 + 8 + 32 + 1

// EncodeState is how a state is kept: the length of the poll as 32 bits big-endian, the poll, and rows of fixed length. What was taken up
// from it already, site keys and outcomes of orders, is left out.
func EncodeState(s parcel.State) ([]byte, error) {
	s.Poll.Made, s.Poll.Done = nil, nil
	poll, err := canon.Encode(s.Poll)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, 4+len(poll)+endLen*len(s.Ends))
	b = binary.BigEndian.AppendUint32(b, uint32(len(poll))) //nolint:gosec // it came in a part
	b = append(b, poll...)
	for _, e := range s.Ends {
		b = append(b, e.Epoch.ID128[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(e.Last))
		b = append(b, e.Head[:]...)
		safe := byte(0)
		if e.Safe {
			safe = 1
		}
		b = append(b, safe)
	}
	return b, nil
}

// DecodeState is the inverse of EncodeState; ErrState.
func DecodeState(b []byte) (s parcel.State, err error) {
	if len(b) < 4 {
		return s, ErrState
	}
	n, b := uint64(binary.BigEndian.Uint32(b)), b[4:]
	if n > uint64(len(b)) || (uint64(len(b))-n)%endLen != 0 {
		return s, ErrState
	}
	if err := canon.Decode(b[:n], &s.Poll, wire.MaxPoll+parcel.MaxPart); err != nil {
		return s, fmt.Errorf("%w: %w", ErrState, err)
	}
	for b = b[n:]; len(b) > 0; b = b[endLen:] {
		e := parcel.End{Last: record.Seq(binary.BigEndian.Uint64(b[16:])), Safe: b[endLen-1] == 1}
		copy(e.Epoch.ID128[:], b)
		copy(e.Head[:], b[24:])
		s.Ends = append(s.Ends, e)
	}
	return s, nil
}
