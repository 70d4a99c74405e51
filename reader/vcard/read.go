package vcard

import (
	"crypto/rand"

	"kazashi.example/reader/apdu"
)

// readBinary is READ BINARY (ISO/IEC 7816-4 §11.3.3, even INS): P1 with its high bit names an EF by short id and leaves P2 for the
// offset, else P1-P2 is a 15-bit offset into the current EF. The answer ends at Le or at the end of the file.
func (c *Card) readBinary(cmd apdu.Command) apdu.Response {
	if len(cmd.Data) != 0 || cmd.Ne == 0 {
		return fail(apdu.SWWrongLength)
	}
	sfi, offset := byte(0), int(cmd.P1)<<8|int(cmd.P2)
	if cmd.P1&0x80 != 0 {
		sfi, offset = cmd.P1&0x1F, int(cmd.P2)
		if cmd.P1&0x60 != 0 || sfi == 0 || sfi == 0x1F {
			return fail(apdu.SWWrongParameters)
		}
	}
	f, sw := c.byShortID(sfi)
	switch {
	case sw != apdu.SWOK:
		return fail(sw)
	case f.kind != transparent:
		return fail(apdu.SWFileStructure)
	case !c.open(f):
		return fail(apdu.SWSecurityNotSatisfied)
	case offset >= len(f.body):
		return fail(apdu.SWWrongOffset)
	}
	return succeed(f.body[offset:min(len(f.body), offset+cmd.Ne)])
}

// readRecord is READ RECORD (ISO/IEC 7816-4 §11.4.3) by record number: this one (P2 low bits 100) or from it to the last (101).
func (c *Card) readRecord(cmd apdu.Command) apdu.Response {
	if len(cmd.Data) != 0 || cmd.Ne == 0 {
		return fail(apdu.SWWrongLength)
	}
	sfi, mode := cmd.P2>>3, cmd.P2&0x07
	if sfi == 0x1F || (mode != 4 && mode != 5) {
		return fail(apdu.SWWrongParameters)
	}
	f, sw := c.byShortID(sfi)
	switch {
	case sw != apdu.SWOK:
		return fail(sw)
	case f.kind != recordKind:
		return fail(apdu.SWFileStructure)
	case !c.open(f):
		return fail(apdu.SWSecurityNotSatisfied)
	case cmd.P1 == 0 || int(cmd.P1) > len(f.records):
		return fail(apdu.SWRecordNotFound)
	}
	var data []byte
	for _, r := range f.records[cmd.P1-1:] {
		data = append(data, r...)
		if mode == 4 {
			break
		}
	}
	if cmd.Ne < len(data) {
		return fail(swExactLe | apdu.StatusWord(len(data)&0xFF))
	}
	return succeed(data)
}

// challenge is GET CHALLENGE: 1 to 256 octets, never by extended lengths (myna-card src/card.rs).
func challenge(cmd apdu.Command, extended bool) apdu.Response {
	switch {
	case cmd.P1 != 0 || cmd.P2 != 0:
		return fail(apdu.SWWrongParameters)
	case len(cmd.Data) != 0 || cmd.Ne == 0:
		return fail(apdu.SWWrongLength)
	case extended:
		return fail(apdu.SWConditionsOfUse)
	}
	b := make([]byte, cmd.Ne)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return succeed(b)
}
