package mynumber_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"kazashi.example/reader/mynumber"
)

// Bounds of a whole procedure: commands sent, for the longest one with a card that lies in every file.
const maxCommands = 400

// lies change the data of one answer; the status word stands apart.
var lies = map[string]func(data []byte, sw []byte) []byte{
	"one octet less":         func(d, sw []byte) []byte { return append(d[:max(0, len(d)-1)], sw...) },
	"one octet more":         func(d, sw []byte) []byte { return append(append(d, 0xA5), sw...) },
	"nothing":                func(_, sw []byte) []byte { return sw },
	"one octet":              func(d, sw []byte) []byte { return append(d[:min(1, len(d))], sw...) },
	"length one more":        lengthByte(func(b byte) byte { return b + 1 }),
	"length one less":        lengthByte(func(b byte) byte { return b - 1 }),
	"length zero":            lengthIs(0x00),
	"length indefinite":      lengthIs(0x80),
	"length of four octets":  lengthIs(0x84, 0xFF, 0xFF, 0xFF, 0xFF),
	"length of 16 MiB":       lengthIs(0x83, 0xFF, 0xFF, 0xFF),
	"length of 64 KiB":       lengthIs(0x82, 0xFF, 0xFF),
	"length of the rest":     lengthIs(0x81, 0x05),
	"TLV bomb, nested":       func(_, sw []byte) []byte { return append(nested(4000), sw...) },
	"TLV bomb, flat":         func(d, sw []byte) []byte { return append(flat(d, 4000), sw...) },
	"64 KiB":                 func(d, sw []byte) []byte { return append(slices.Concat(d, make([]byte, 65536-len(d))), sw...) },
	"64 KiB and one":         func(d, sw []byte) []byte { return append(slices.Concat(d, make([]byte, 65537-len(d))), sw...) },
	"no status word":         func(d, _ []byte) []byte { return d },
	"61xx for ever":          func(d, _ []byte) []byte { return append(d, 0x61, 0x10) },
	"61xx for ever, nothing": func(_, _ []byte) []byte { return []byte{0x61, 0x00} },
	"6Cxx for ever":          func(_, _ []byte) []byte { return []byte{0x6C, 0x10} },
	"one octet at a time":    func(d, _ []byte) []byte { return append(d[:min(1, len(d))], 0x90, 0x00) },
	"zeros":                  func(d, sw []byte) []byte { return append(make([]byte, len(d)), sw...) },
	"filler":                 func(d, sw []byte) []byte { return append(bytes.Repeat([]byte{0xFF}, len(d)), sw...) },
	"another file":           func(_, sw []byte) []byte { return append([]byte{0x04, 0x05, 1, 2, 3, 4, 5, 6}, sw...) },
}

// lengthAt is where the first length of a file stands: behind a tag of one octet or two.
func lengthAt(d []byte) int {
	if len(d) > 0 && d[0]&0x1F == 0x1F {
		return 2
	}
	return 1
}

func lengthByte(change func(byte) byte) func(d, sw []byte) []byte {
	return func(d, sw []byte) []byte {
		at := lengthAt(d)
		if at < len(d) && d[at] == 0x82 {
			at += 2
		}
		if at < len(d) {
			d[at] = change(d[at])
		}
		return append(d, sw...)
	}
}

func lengthIs(octets ...byte) func(d, sw []byte) []byte {
	return func(d, sw []byte) []byte {
		if at := lengthAt(d); at < len(d) {
			d = slices.Concat(d[:at], octets, d[at+1:])
		}
		return append(d, sw...)
	}
}

// nested are n elements, each inside the one before.
func nested(n int) []byte {
	var b []byte
	for range n {
		head := []byte{0xFF, 0x10, 0x82, byte(len(b) >> 8), byte(len(b))}
		b = append(head, b...)
		if len(b) > 60000 {
			break
		}
	}
	return b
}

// flat is a file's tag with n empty elements inside.
func flat(d []byte, n int) []byte {
	tag := bytes.Clone(d[:min(lengthAt(d), len(d))])
	body := bytes.Repeat([]byte{0x05, 0x00}, n)
	return slices.Concat(tag, []byte{0x82, byte(len(body) >> 8), byte(len(body))}, body)
}

// A card that lies at any command of any procedure is refused by name, in bounded commands; and what it cannot make wrong is right.
func TestCardThatLies(t *testing.T) {
	for _, p := range procedures {
		t.Run(p.name, func(t *testing.T) {
			b, v := newBench(t, national()), right(t)
			all := triesOf(b.card)
			if _, err := p.run(t.Context(), b.connect(), v); err != nil {
				t.Fatal(err)
			}
			for n := range len(b.sent) {
				for name, lie := range lies {
					b.options.Memory = mynumber.NewMemory()
					b.lieFrom(n, lie)
					_, err := p.run(t.Context(), b.connect(), v)
					if err != nil && len(known(err)) == 0 {
						t.Errorf("%s: %s from command %d on = %v, want one of the package's errors", p.name, name, n, err)
					}
					if len(b.sent) > maxCommands {
						t.Errorf("%s: %s from command %d on took %d commands", p.name, name, n, len(b.sent))
					}
					if got := triesOf(b.card); got != all {
						t.Errorf("%s: %s from command %d on left tries %s", p.name, name, n, got)
						if err := b.card.ResetCounts(); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		})
	}
}

// lieFrom changes every answer with data from the n-th command on, and GET RESPONSE with them.
func (b *bench) lieFrom(n int, lie func(data, sw []byte) []byte) {
	b.to = func(cmd []byte) ([]byte, error) {
		answer := b.transmit(cmd)
		end := len(answer) - 2
		if len(b.sent) <= n || end == 0 && cmd[1] != 0xC0 {
			return answer, nil
		}
		return lie(answer[:end:end], bytes.Clone(answer[end:])), nil
	}
}

// A reader that hands on less than the card gave costs commands, not the tap.
func TestEveryProcedureGoesOnAfterShortAnswers(t *testing.T) {
	for _, p := range procedures {
		b := newBench(t, national())
		b.to = func(cmd []byte) ([]byte, error) {
			answer := b.card.Transmit(cmd)
			if cmd[1] == 0xB0 && len(answer) > 102 {
				answer = append(answer[:100:100], 0x90, 0x00)
			}
			return answer, nil
		}
		if _, err := p.run(t.Context(), b.connect(), right(t)); err != nil {
			t.Errorf("%s with 100 octets a read = %v", p.name, err)
		}
	}
}

// Extended lengths are tried again at every 32nd connection, and used again once they work.
func TestExtendedLengthsAreTriedAgain(t *testing.T) {
	b := newBench(t, national())
	b.shortOnly()
	var tried []int
	for i := range 70 {
		if i == 60 {
			b.whole()
		}
		if _, err := b.connect().ReadAuthCert(t.Context()); err != nil {
			t.Fatal(err)
		}
		if extended(b.sent[1]) {
			tried = append(tried, i)
		}
	}
	if want := []int{0, 32, 64, 65, 66, 67, 68, 69}; !slices.Equal(tried, want) {
		t.Errorf("extended lengths were used at connections %v, want %v", tried, want)
	}
	other := b.options
	other.Reader = "another reader"
	b.shortOnly()
	b.connect()
	if _, err := mynumber.New(b.link, other).ReadAuthCert(t.Context()); err != nil || !extended(b.sent[1]) {
		t.Errorf("on another reader extended lengths were not tried, %v", err)
	}
}

// A card without data does not teach that its reader refuses extended lengths.
func TestBrokenCardTeachesNothing(t *testing.T) {
	b := newBench(t, national())
	b.spoil = func(_ int, cmd []byte) ([]byte, error, bool) { return []byte{0x6F, 0x00}, nil, cmd[1] == 0xB0 }
	if _, err := b.connect().ReadAuthCert(t.Context()); !errors.Is(err, mynumber.ErrNonsense) {
		t.Fatalf("ReadAuthCert = %v, want ErrNonsense", err)
	}
	b.spoil = nil
	if _, err := b.connect().ReadAuthCert(t.Context()); err != nil || len(b.sent) != 2 {
		t.Errorf("ReadAuthCert of the next card = %v in %d commands, want 2", err, len(b.sent))
	}
}

// The end of a context ends every procedure at every command with the context's error.
func TestEveryProcedureEndsWithContext(t *testing.T) {
	for _, p := range procedures {
		b, v := newBench(t, national()), right(t)
		if _, err := p.run(t.Context(), b.connect(), v); err != nil {
			t.Fatal(err)
		}
		for n := range len(b.sent) {
			ctx, cancel := context.WithCancel(t.Context())
			b.options.Memory = mynumber.NewMemory()
			b.to = func(cmd []byte) ([]byte, error) {
				if len(b.sent) > n {
					cancel()
					return nil, ctx.Err()
				}
				return b.card.Transmit(cmd), nil
			}
			if _, err := p.run(ctx, b.connect(), v); !errors.Is(err, context.Canceled) || len(known(err)) > 0 {
				t.Errorf("%s cancelled at command %d = %v, want context.Canceled alone", p.name, n, err)
			}
			cancel()
			b.whole()
		}
	}
}

// FuzzProcedures lets a card answer as a script says: honestly, with octets changed, with another status word, with anything, or not at all.
func FuzzProcedures(f *testing.F) {
	for i := range procedures {
		f.Add(byte(i), []byte{})
		f.Add(byte(i), []byte{0, 0, 1, 4, 0xFF, 0, 2, 0x69, 0x82})
		f.Add(byte(i), []byte{0, 0, 0, 1, 3, 0x80, 3, 4, 0x30, 0x82, 0x90, 0x00, 4})
		f.Add(byte(i), []byte{0, 2, 0x63, 0xC9, 0, 2, 0x6C, 0x10, 3, 2, 0x61, 0x00})
	}
	card := newBench(f, national())
	v := right(f)
	f.Fuzz(func(t *testing.T, which byte, script []byte) {
		if err := card.card.ResetCounts(); err != nil {
			t.Fatal(err)
		}
		card.options.Memory = mynumber.NewMemory()
		card.to = func(cmd []byte) ([]byte, error) { return card.scripted(cmd, &script) }
		p := procedures[int(which)%len(procedures)]
		_, err := p.run(t.Context(), card.connect(), v)
		if err != nil && len(known(err)) == 0 {
			t.Fatalf("%s = %v, want one of the package's errors", p.name, err)
		}
		if len(card.sent) > maxCommands {
			t.Fatalf("%s sent %d commands", p.name, len(card.sent))
		}
		for i, cmd := range card.sent {
			if cmd[1] == 0x20 && len(cmd) > 4 && (i == 0 || len(card.sent[i-1]) != 4 || card.sent[i-1][1] != 0x20) {
				t.Fatalf("%s sent a value without asking for the tries", p.name)
			}
		}
		if n := verifies(card.sent); n > 4 {
			t.Fatalf("%s sent %d values", p.name, n)
		}
	})
}

func (b *bench) scripted(cmd []byte, script *[]byte) ([]byte, error) {
	take := func(n int) []byte {
		n = min(n, len(*script))
		head := (*script)[:n]
		*script = (*script)[n:]
		return bytes.Clone(head)
	}
	answer := b.transmit(cmd)
	op := take(1)
	if len(op) == 0 {
		return answer, nil
	}
	switch op[0] % 5 {
	case 1: // an octet changed
		if at := take(2); len(at) == 2 {
			answer[int(at[0])%len(answer)] ^= at[1]
		}
	case 2: // another status word
		if sw := take(2); len(sw) == 2 {
			answer = append(answer[:len(answer)-2], sw...)
		}
	case 3: // anything
		n := take(1)
		return take(int(append(n, 0)[0])), nil
	case 4:
		return nil, errGone
	}
	return answer, nil
}
