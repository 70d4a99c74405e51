// Package link gives virtual cards the time that a contactless link and a chip would take, so that time means something without a
// true card.
//
// A [Model] is a value: a bit rate, a cost for every command, and what the chip needs for each kind of work. [Model.Time] is a pure
// function, for a bench to subtract. [Line] is the way to a card in this process; package vpcd keeps the same time in a slot of
// pcscd. The model is that of a good reader and a card that answers at once; it knows nothing of retransmissions or of
// a hand that trembles.
//
// Concurrency: a Model is a value, a [Line] may be used from any goroutine, a [Pace] from one at a time. Nothing is durable.
package link

import (
	"time"

	"kazashi.example/reader/apdu"
)

// Rate is a bit rate of ISO/IEC 14443-2 by its name in kbit/s, a multiple of 106; 0 takes no time.
type Rate int

// Rates (ISO/IEC 14443-2: 1, 2, 4 and 8 times fc/128).
const (
	Rate106 Rate = 106
	Rate212 Rate = 212
	Rate424 Rate = 424
	Rate848 Rate = 848
)

// Rates lists every rate, the slowest first.
func Rates() []Rate { return []Rate{Rate106, Rate212, Rate424, Rate848} }

const (
	// carrier is fc in Hz (ISO/IEC 14443-2); one elementary time unit at 106 kbit/s is 128 of its periods.
	carrier       = 13_560_000
	periodsPerETU = 128
	// etuPerOctet is a type B character: start bit, eight bits, stop bit (ISO/IEC 14443-3 §7.1.1). Extra guard time is in PerAPDU.
	etuPerOctet = 10
)

// Time is how long n octets are on the air.
func (r Rate) Time(n int) time.Duration {
	if r <= 0 {
		return 0
	}
	periods := int64(n) * etuPerOctet * periodsPerETU
	return time.Duration(periods * int64(time.Second) / (carrier * (int64(r) / int64(Rate106))))
}

// Model is a reader, a link and a chip. The zero Model takes no time.
type Model struct {
	Rate Rate
	// PerAPDU is what every command costs in reader, bus and block framing.
	PerAPDU time.Duration
	// Activation passes between power and the answer to reset. It is no part of Time.
	Activation time.Duration
	// Select, Read and Verify are the chip's own time for SELECT, for READ BINARY, READ RECORD, GET RESPONSE and GET DATA, and for
	// VERIFY and CHANGE with a value.
	Select, Read, Verify time.Duration
	// SignRSA and SignP384 are the chip's time for a signature that it gave, told apart by its length.
	SignRSA, SignP384 time.Duration
	// Other is the chip's time for everything else, refused signatures among them.
	Other time.Duration
}

// Standard is a good USB reader and a chip with a coprocessor at a rate: 5 ms a command, 150 ms an RSA-2048 signature (publications
// give 50 to 200 ms), 50 ms of activation (20 to 100). That a P-384 signature takes 60 ms is a guess: nothing is public of that card.
func Standard(r Rate) Model {
	return Model{
		Rate: r, PerAPDU: 5 * time.Millisecond, Activation: 50 * time.Millisecond,
		SignRSA: 150 * time.Millisecond, SignP384: 60 * time.Millisecond,
	}
}

// Slow is an old card on a bad reader: 18 ms a command, as a PN532 with libnfc was measured to take, and a chip four times as slow.
func Slow() Model {
	return Model{
		Rate: Rate106, PerAPDU: 18 * time.Millisecond, Activation: 200 * time.Millisecond,
		Select: 10 * time.Millisecond, Read: 10 * time.Millisecond, Verify: 40 * time.Millisecond,
		SignRSA: 600 * time.Millisecond, SignP384: 240 * time.Millisecond, Other: 10 * time.Millisecond,
	}
}

// Instructions beyond those that package apdu names.
const (
	insChange  = 0x24 // CHANGE REFERENCE DATA, ISO/IEC 7816-4 §11.6.7
	insGetData = 0xCA // GET DATA, ISO/IEC 7816-4 §11.5.3
)

// Lengths of answers that hold a signature, status word included.
const (
	rsaAnswer  = 256 + 2
	p384Answer = 96 + 2
)

// Time is how long a command and its answer take from the first octet sent to the last one received. It looks at nothing but the octets.
func (m Model) Time(command, answer []byte) time.Duration {
	return m.PerAPDU + m.Rate.Time(len(command)+len(answer)) + m.chip(command, answer)
}

func (m Model) chip(command, answer []byte) time.Duration {
	const header = 4
	if len(command) < header {
		return m.Other
	}
	switch command[1] {
	case apdu.InsSelect:
		return m.Select
	case apdu.InsReadBinary, apdu.InsReadRecord, apdu.InsResponse, insGetData:
		return m.Read
	case apdu.InsVerify, insChange:
		if len(command) > header+1 {
			return m.Verify
		}
	case apdu.InsPerform:
		switch len(answer) {
		case rsaAnswer:
			return m.SignRSA
		case p384Answer:
			return m.SignP384
		}
	}
	return m.Other
}
