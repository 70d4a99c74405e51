package mine

import (
	"encoding/binary"
	"time"

	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// Columns of the tables that are looked for, by which their rows are told from others; package journal has the schema.
const (
	recordColumns     = 10
	epochColumns      = 6
	headerColumns     = 4
	correctionColumns = 3
)

// varint reads a variable-length integer (§1.6: big-endian, seven bits an octet, nine octets at most) and its length; 0 if there is none.
func varint(b []byte) (v int64, n int) {
	for i := range min(len(b), 9) {
		if i == 8 {
			return v<<8 | int64(b[i]), 9
		}
		v = v<<7 | int64(b[i]&0x7f)
		if b[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

// columnsOf decodes a row (§2.1, Record Format).
func columnsOf(b []byte) ([]any, bool) {
	size, n := varint(b)
	if n == 0 || size < int64(n) || size > int64(len(b)) || size > 64 {
		return nil, false
	}
	types, body := b[n:size], b[size:]
	var columns []any
	for len(types) > 0 {
		kind, n := varint(types)
		if n == 0 || kind < 0 {
			return nil, false
		}
		types = types[n:]
		v, length, ok := column(kind, body)
		if !ok {
			return nil, false
		}
		columns, body = append(columns, v), body[length:]
	}
	return columns, len(body) == 0
}

// column decodes one value by its serial type (§2.1).
func column(kind int64, b []byte) (v any, length int, ok bool) {
	switch {
	case kind == 0:
		return nil, 0, true
	case kind == 8, kind == 9:
		return kind - 8, 0, true
	case kind <= 6:
		length = []int{0, 1, 2, 3, 4, 6, 8}[kind]
		if length > len(b) {
			return nil, 0, false
		}
		return integer(b[:length]), length, true
	case kind < 12 || (kind-12)/2 > int64(len(b)):
		return nil, 0, false // a fraction, or reserved: no table of ours has any
	}
	length = int((kind - 12) / 2)
	if kind%2 == 0 {
		return b[:length:length], length, true
	}
	return string(b[:length]), length, true
}

// integer decodes a big-endian twos-complement integer.
func integer(b []byte) int64 {
	var wide [8]byte
	if b[0] >= 0x80 {
		wide = [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	copy(wide[8-len(b):], b)
	return int64(binary.BigEndian.Uint64(wide[:]))
}

// epochOf reads a row of table epoch, or of header, which is its beginning.
func epochOf(r row) (e Epoch, correction int64, ok bool) {
	id, ok1 := r.columns[1].([]byte)
	header, ok2 := r.columns[2].([]byte)
	stretch, ok3 := r.columns[min(4, len(r.columns)-1)].(string)
	if !ok1 || !ok2 || !ok3 || len(header) > epoch.MaxHeader {
		return Epoch{}, 0, false
	}
	s, err := epoch.Read(append([]byte(nil), header...))
	if err != nil || string(id) != string(s.Header.Epoch.ID128[:]) {
		return Epoch{}, 0, false
	}
	if len(r.columns) == epochColumns {
		correction, _ = r.columns[5].(int64)
	}
	return Epoch{N: r.id, Signed: s, Stretch: stretch}, correction, true
}

// correctionOf reads a row of table correction.
func correctionOf(r row) ([]byte, bool) {
	message, ok := r.columns[1].([]byte)
	if _, sent := r.columns[2].(int64); !ok || !sent {
		return nil, false
	}
	return append([]byte(nil), message...), true
}

// recordOf reads a row of table record, and is false unless the record is whole.
func recordOf(r row) (Record, bool) {
	var chain, envelope, tap []byte
	var desk, service, code string
	var at, verdict, reason int64
	ok := into(&chain, r.columns[1]) && into(&envelope, r.columns[2]) && into(&tap, r.columns[3]) && into(&at, r.columns[4]) &&
		into(&desk, r.columns[5]) && into(&service, r.columns[6]) && into(&verdict, r.columns[7]) && into(&reason, r.columns[8]) &&
		into(&code, r.columns[9])
	if !ok || len(tap) != len(record.TapID{}.ID128) {
		return Record{}, false
	}
	envelope = append([]byte(nil), envelope...)
	e, err := epoch.DecodeEnvelope(envelope)
	after := e.Previous.Next(envelope)
	if err != nil || string(after[:]) != string(chain) || e.Seq != record.Seq(r.id&(1<<seqBits-1)) {
		return Record{}, false
	}
	return Record{
		N: r.id >> seqBits, Envelope: e, Bytes: envelope, Chain: after, Tap: record.TapID{ID128: [16]byte(tap)}, Time: time.UnixMilli(at).UTC(),
		Desk: record.DeskID(desk), Service: record.ServiceID(service), Verdict: record.Verdict(verdict), Reason: record.Reason(reason), Code: code,
	}, true
}

func into[T any](to *T, v any) (ok bool) {
	*to, ok = v.(T)
	return ok
}
