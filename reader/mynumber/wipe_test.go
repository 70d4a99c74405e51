package mynumber_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"kazashi.example/reader/mynumber"
)

// taken are octets that a procedure took out of one read, and the file's short identifier.
type taken struct {
	sfi  byte
	data []byte
}

// watch keeps what c takes out of reads of the files named in secret, GET RESPONSE and further reads included.
func (b *bench) watch(c *mynumber.Card, secret ...byte) *[]taken {
	var all []taken
	var sfi byte
	mynumber.KeepAnswers(c, func(data []byte) {
		switch cmd := b.sent[len(b.sent)-1]; {
		case cmd[1] == 0xB0 && cmd[2]&0x80 != 0:
			sfi = cmd[2]
		case cmd[1] != 0xB0 && cmd[1] != 0xC0:
			sfi = 0
		}
		if len(data) > 0 && slices.Contains(secret, sfi) {
			all = append(all, taken{sfi, data})
		}
	})
	return &all
}

func (b *bench) overwritten(t *testing.T, all []taken, least int) {
	t.Helper()
	if len(all) < least {
		t.Errorf("%d answers were watched, want at least %d: the test sees nothing", len(all), least)
	}
	for i, a := range all {
		if len(bytes.Trim(a.data, "\x00")) > 0 {
			t.Errorf("octets of read %d, file %02X, are still there", i, a.sfi)
		}
	}
}

// P3, P4: what was taken out of the answers, attributes, age record and integrity record, is overwritten when the procedure is through: read at
// once, in short reads, in answers of many parts, with a length corrected by the card, and when the file is no use.
func TestP4WhatWasReadIsOverwritten(t *testing.T) {
	const attributes, record, age = 0x82, 0x83, 0x81
	spoiled := func(sw ...byte) func(*bench) { // the first read of the integrity record
		return func(b *bench) {
			done := false
			b.to = func(cmd []byte) ([]byte, error) {
				answer := b.card.Transmit(cmd)
				if cmd[1] == 0xB0 && cmd[2] == record && !done {
					done = true
					copy(answer[len(answer)-2:], sw)
				}
				return answer, nil
			}
		}
	}
	for name, tt := range map[string]struct {
		way  func(*bench)
		fail bool
	}{
		"at once": {func(*bench) {}, false}, "short": {(*bench).shortOnly, false}, "in parts": {(*bench).inParts, false},
		"corrected length": {spoiled(0x6C, 0x00), false}, "unknown status": {spoiled(0x6A, 0x12), false},
		"refused": {spoiled(0x69, 0x82), true}, "no more there": {spoiled(0x61, 0x10), false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, national())
			tt.way(b)
			c := b.connect()
			all := b.watch(c, attributes, record)
			if _, err := c.ReadAttributes(t.Context(), right(t).input); (err != nil) != tt.fail {
				t.Errorf("ReadAttributes = %v", err)
			}
			b.overwritten(t, *all, 2)
			c = b.connect()
			all = b.watch(c, age)
			if _, err := c.ProveFace(t.Context(), mynumber.FaceRequest{Birth: right(t).birth, Message: message}); err != nil {
				t.Errorf("ProveFace = %v", err)
			}
			b.overwritten(t, *all, 1)
		})
	}
}

// inParts has the card give its answers in two parts, the second by GET RESPONSE.
func (b *bench) inParts() {
	var rest []byte
	b.to = func(cmd []byte) ([]byte, error) {
		if cmd[1] == 0xC0 {
			return append(bytes.Clone(rest), 0x90, 0x00), nil
		}
		answer := b.card.Transmit(cmd)
		if cmd[1] != 0xB0 || len(answer) < 100 {
			return answer, nil
		}
		half := max(len(answer)/2, len(answer)-2-200)
		rest = bytes.Clone(answer[half : len(answer)-2])
		return append(answer[:half:half], 0x61, byte(len(rest))), nil
	}
}

// P4: what follows a file's object on the card, and what has no use behind it, is overwritten at once; the object itself is the caller's.
func TestP4WhatFollowsAFileIsOverwritten(t *testing.T) {
	behind := []byte(individualNumber)
	b := newBench(t, national())
	b.to = func(cmd []byte) ([]byte, error) {
		answer := b.card.Transmit(cmd)
		if cmd[1] == 0xB0 && cmd[2] == 0x81 {
			answer = slices.Insert(answer, len(answer)-2, behind...)
		}
		return answer, nil
	}
	c := b.connect()
	all := b.watch(c, 0x81)
	cert, err := c.ReadSignCert(t.Context(), right(t).password)
	if err != nil || !bytes.Equal(cert.DER(), certificates()[1]) {
		t.Fatalf("ReadSignCert = %d octets, %v, want the certificate", len(cert.DER()), err)
	}
	if len(*all) != 1 || len((*all)[0].data) < certificateLen+len(behind) {
		t.Fatal("the test does not see what follows")
	}
	if tail := (*all)[0].data[certificateLen:]; len(bytes.Trim(tail, "\x00")) > 0 {
		t.Error("what follows the certificate on the card is still there")
	}
}

func TestP4JoinOverwritesItsParts(t *testing.T) {
	a, b := []byte{1, 2, 3}, []byte{4, 5}
	if got := mynumber.Join(a, b); !bytes.Equal(got, []byte{1, 2, 3, 4, 5}) {
		t.Errorf("join = %v", got)
	}
	if len(bytes.Trim(a, "\x00")) > 0 || len(bytes.Trim(b, "\x00")) > 0 {
		t.Errorf("join left %v and %v, want them overwritten", a, b)
	}
}

// P4: a command that is not on the allow-list is a fault of this program, and ends an enrolment; it is no fault of the card's face.
func TestP4ForbiddenFaceEndsTheEnrolment(t *testing.T) {
	b := newBench(t, national())
	c := b.connect()
	mynumber.ReadForbiddenFace(c)
	e, err := c.Enrol(t.Context(), enrolRequest(right(t)))
	if !errors.Is(err, mynumber.ErrForbidden) || e.FaceErr != nil || e.AuthSignature != nil {
		t.Errorf("Enrol that reads what is forbidden = %v, face %v, want ErrForbidden and nothing", err, e.FaceErr)
	}
}
