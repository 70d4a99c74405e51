package fault

import (
	"math/rand/v2"
	"slices"

	"kazashi.example/reader/apdu"
)

// changes are the faults that change an honest answer; n is the fault's number.
var changes = map[Kind]func(n int, command, answer []byte) []byte{
	AnswerShort: func(n int, _, answer []byte) []byte {
		if !bringsData(answer) {
			return answer
		}
		end := len(answer) - 2
		return slices.Delete(answer, max(0, end-n), end)
	},
	AnswerLong: func(n int, _, answer []byte) []byte {
		if !bringsData(answer) {
			return answer
		}
		return slices.Insert(answer, len(answer)-2, slices.Repeat([]byte{0xA5}, n)...)
	},
	LengthShort:      onLength(func(n, length int) int { return length - n }),
	LengthLong:       onLength(func(n, length int) int { return length + n }),
	LengthHuge:       instead(0x84, 0x7F, 0xFF, 0xFF, 0xFF),
	LengthIndefinite: instead(0x80),
	FlipAnswer:       func(n int, _, answer []byte) []byte { return flip(n, answer) },
	FlipSignature: func(n int, command, answer []byte) []byte {
		if len(command) > 1 && command[1] == apdu.InsPerform {
			return flip(n, answer)
		}
		return answer
	},
	Status9000: func(_ int, command, answer []byte) []byte {
		if len(command) == 4 && command[1] == apdu.InsVerify && len(answer) == 2 && answer[0] == 0x63 {
			return []byte{0x90, 0x00}
		}
		return answer
	},
	Blocked6983: func(_ int, _, answer []byte) []byte {
		if len(answer) == 2 && answer[0] == 0x69 && answer[1] == 0x84 {
			return []byte{0x69, 0x83}
		}
		return answer
	},
}

// flip changes bit n of an answer's data, counted again from the first where there are fewer.
func flip(n int, answer []byte) []byte {
	if bringsData(answer) {
		n %= 8 * (len(answer) - 2)
		answer[n/8] ^= 0x80 >> (n % 8)
	}
	return answer
}

// onLength changes the number in the first length field of a file, which keeps its width and says the nearest that fits.
func onLength(change func(n, length int) int) func(int, []byte, []byte) []byte {
	return func(n int, command, answer []byte) []byte {
		at, width, ok := firstLength(command, answer)
		if !ok {
			return answer
		}
		limit := 0x7F
		if width > 1 {
			at, width, limit = at+1, width-1, 1<<(8*(width-1))-1
		}
		length := 0
		for _, b := range answer[at : at+width] {
			length = length<<8 | int(b)
		}
		length = min(max(0, change(n, length)), limit)
		for i := range width {
			answer[at+i] = byte(length >> (8 * (width - 1 - i)))
		}
		return answer
	}
}

// instead puts other octets where the first length field of a file is.
func instead(field ...byte) func(int, []byte, []byte) []byte {
	return func(_ int, command, answer []byte) []byte {
		at, width, ok := firstLength(command, answer)
		if !ok {
			return answer
		}
		return slices.Replace(answer, at, at+width, field...)
	}
}

// firstLength finds the length field of the first TLV in an answer that begins a file (ISO/IEC 7816-4 §5.2.2): a tag of one or two
// octets, then one octet below 80, or 81 to 83 and as many more.
func firstLength(command, answer []byte) (at, width int, ok bool) {
	if !beginsFile(command) || !bringsData(answer) {
		return 0, 0, false
	}
	data := answer[:len(answer)-2]
	at = 1
	if data[0]&0x1F == 0x1F {
		at = 2
	}
	if at >= len(data) {
		return 0, 0, false
	}
	width = 1
	if first := data[at]; first > 0x80 && first <= 0x83 {
		width += int(first & 0x0F)
	}
	return at, width, data[at] <= 0x83 && data[at] != 0x80 && at+width <= len(data)
}

// beginsFile reports READ BINARY at offset 0, of the current file or by short identifier.
func beginsFile(command []byte) bool {
	return len(command) > 3 && command[1] == apdu.InsReadBinary && command[3] == 0 && (command[2] == 0 || command[2]&0x80 != 0)
}

// noise is the same in every run, so that a failure can be repeated.
type noise struct{ r *rand.Rand }

func newNoise() *noise { return &noise{rand.New(rand.NewPCG(0x6B61, 0x7A61))} } //nolint:gosec // a fault, not a secret

// next gives 1 to 300 octets; every third time it ends in 9000 all the same.
func (n *noise) next() []byte {
	b := n.octets(1 + n.r.IntN(300))
	if n.r.IntN(3) == 0 {
		b = append(b, 0x90, 0x00)
	}
	return b
}

func (n *noise) octets(count int) []byte {
	b := make([]byte, count)
	for i := range b {
		b[i] = byte(n.r.Uint32())
	}
	return b
}

// stranger is what a transport card looks like to PC/SC: a FeliCa ATR (PC/SC part 3 supplement, storage cards) and no application.
type stranger struct{}

func (stranger) ATR() []byte {
	return []byte{
		0x3B, 0x8F, 0x80, 0x01, 0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06, 0x11, 0x00, 0x3B, 0x00, 0x00, 0x00, 0x00, 0x42,
	}
}

func (stranger) Reset() {}

// Transmit finds no file and knows no other instruction.
func (stranger) Transmit(command []byte) []byte {
	if len(command) > 1 && command[1] == apdu.InsSelect {
		return []byte{0x6A, 0x82}
	}
	return []byte{0x6D, 0x00}
}
