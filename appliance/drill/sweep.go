package drill

import (
	"bytes"
	"errors"
	"io"
	"os"
	"unicode/utf8"
)

// What is text for certain: in random octets five such characters in a row, or such a run of letters, stand once in 10^12 octets or more.
const (
	wideRun  = 5
	plainRun = 32
)

// sweep reads a file as it lies on the disk, freed pages and old frames of a log included, and reports Japanese text and certificates: there
// is no place here where either belongs in the clear.
func (f *file) sweep() {
	in, err := os.Open(f.path)
	if err != nil {
		f.problem(Unreadable, "")
		return
	}
	defer in.Close() // it was only read
	n, err := sweep(in)
	if err != nil {
		f.problem(Unreadable, "")
	}
	if n > 0 {
		f.Problems = append(f.Problems, Problem{ID: ClearText, Count: n})
	}
}

// sweep counts what is text or a certificate in what it reads.
func sweep(in io.Reader) (n int64, err error) {
	const overlap = 64
	buf := make([]byte, 1<<20)
	have := 0
	for {
		got, err := io.ReadFull(in, buf[have:])
		b := buf[:have+got]
		n += clearIn(b)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		have = copy(buf, b[len(b)-overlap:])
	}
}

// certificate is how each begins (RFC 5280 §4.1, DER): SEQUENCE, SEQUENCE, [0] version v3; the lengths are two octets each.
var certificateHead = []byte{0xa0, 0x03, 0x02, 0x01, 0x02, 0x02}

// clearIn counts runs of Japanese text, and certificates.
func clearIn(b []byte) (n int64) {
	for rest := b; ; {
		at := bytes.Index(rest, certificateHead)
		if at < 0 {
			break
		}
		if at >= 8 && rest[at-8] == 0x30 && rest[at-7] == 0x82 && rest[at-4] == 0x30 && rest[at-3] == 0x82 {
			n++
		}
		rest = rest[at+len(certificateHead):]
	}
	run := 0
	for i := 0; i < len(b); {
		if b[i] < 0xe3 || b[i] > 0xe9 {
			i, run = i+1, 0
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		if !japanese(r) {
			i, run = i+1, 0
			continue
		}
		if run++; run == wideRun {
			n++
		}
		i += size
	}
	return n
}

// japanese reports kana, the ideographs in use, and the marks that stand between them.
func japanese(r rune) bool {
	return r >= 0x3000 && r <= 0x30ff || r >= 0x4e00 && r <= 0x9fff
}

// noise reports whether octets may be what a cipher made: no run of letters and digits that no chance explains, no text, no certificate.
func noise(b []byte) bool {
	run := 0
	for _, c := range b {
		if c < ' ' || c > '~' {
			run = 0
			continue
		}
		if run++; run >= plainRun {
			return false
		}
	}
	return clearIn(b) == 0
}
