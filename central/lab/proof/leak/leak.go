// Package leak looks for values that must not be found: in files of any kind, in logs, in answers, on the wire.
//
// A value is looked for in the forms in which software writes values down: its octets in both orders, hex, base64 in both
// alphabets and at every alignment, decimal digits, packed digits (BCD), and text in UTF-8 and UTF-16. A file is searched as the
// octets that lie on the disk, so databases, their write-ahead logs and freed pages need no reader. A [Search] that
// nobody adds to may be used from any goroutine. It does not undo compression or encryption: what is well sealed is not found, and that
// is the point. Three or fewer octets are found everywhere by chance; such values are refused.
package leak

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
)

// ErrShort says that a value is too short to be looked for.
var ErrShort = errors.New("value has fewer than four octets")

const (
	minValue = 4
	// Long is the length in octets from which a form is not found by chance in the random octets of a test's ciphertexts.
	Long = 6
)

// Form is one way to write a value down.
type Form struct {
	Value  string // the value's name
	Form   string // the form's name
	Octets []byte
	// Word says that the form counts only between octets that are no letters or digits: four digits alone are in every number.
	Word bool
}

// Search is everything that is looked for. Its zero value looks for nothing.
type Search struct {
	forms []Form

	mu   sync.Mutex // guards what follows
	made int        // forms in the index
	by   *index
}

// Found is one form in one place.
type Found struct {
	Form
	Place  string
	Offset int
}

// String names the place and the form, and not the value.
func (f Found) String() string {
	return fmt.Sprintf("%s as %s in %s at %d", f.Value, f.Form.Form, f.Place, f.Offset)
}

// Forms are all forms looked for.
func (s *Search) Forms() []Form { return slices.Clone(s.forms) }

// Number adds an unsigned number, such as a serial, given by its octets. ErrShort.
func (s *Search) Number(value string, octets []byte) error {
	if err := s.octets(value, octets); err != nil {
		return err
	}
	decimal := new(big.Int).SetBytes(octets).String()
	s.text(value+" in decimal", decimal)
	s.add(value, "BCD", packed(decimal), false)
	return nil
}

// Text adds a text, such as a name. ErrShort.
func (s *Search) Text(value, text string) error {
	if len(text) < minValue {
		return fmt.Errorf("%w: %s", ErrShort, value)
	}
	s.text(value, text)
	return nil
}

// Digits adds a text of digits, such as a birth date, which may also be packed. ErrShort.
func (s *Search) Digits(value, digits string) error {
	if err := s.Text(value, digits); err != nil {
		return err
	}
	if p := packed(digits); len(p) >= minValue {
		s.add(value, "BCD", p, false)
	}
	return nil
}

// Word adds a short text, such as a PIN, that counts only as a word of its own. ErrShort.
func (s *Search) Word(value, text string) error {
	if len(text) < minValue {
		return fmt.Errorf("%w: %s", ErrShort, value)
	}
	s.add(value, "word", []byte(text), true)
	for name, b := range wide(text) {
		s.add(value, name, b, false)
	}
	s.encoded(value, []byte(text))
	return nil
}

// octets adds raw octets and everything made of them.
func (s *Search) octets(value string, b []byte) error {
	if len(b) < minValue {
		return fmt.Errorf("%w: %s", ErrShort, value)
	}
	s.add(value, "octets", b, false)
	turned := slices.Clone(b)
	slices.Reverse(turned)
	s.add(value, "octets in reverse", turned, false)
	s.add(value, "hex in reverse", []byte(hex.EncodeToString(turned)), false)
	s.encoded(value, b)
	return nil
}

func (s *Search) text(value, text string) {
	s.add(value, "UTF-8", []byte(text), false)
	if e := url.QueryEscape(text); e != text {
		s.add(value, "percent signs", []byte(e), false)
	}
	if e := strings.Trim(strconv.QuoteToASCII(text), `"`); e != text {
		s.add(value, "escapes", []byte(e), false)
	}
	for name, b := range wide(text) {
		s.add(value, name, b, false)
	}
	s.encoded(value, []byte(text))
}

// encoded adds what becomes text of octets: hex, base64.
func (s *Search) encoded(value string, b []byte) {
	h := hex.EncodeToString(b)
	s.add(value, "hex", []byte(h), false)
	s.add(value, "HEX", []byte(strings.ToUpper(h)), false)
	for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
		for shift := range 3 {
			for _, text := range aligned(enc, b, shift) {
				s.add(value, fmt.Sprintf("%s at %d", name, shift), text, false)
			}
		}
	}
}

// aligned is base64 of b when shift octets stand before it. The first and the last character may hold bits of what stands
// around it. They are left out of long values; of short ones, where every bit is needed, all that they can be is looked for.
func aligned(enc *base64.Encoding, b []byte, shift int) (all [][]byte) {
	bits := 8 * (shift + len(b))
	before, after := 8*shift%6, (6-bits%6)%6 // bits of others in the first and in the last character
	first, last := 8*shift/6, (bits+5)/6
	if len(b) >= Long {
		text := enc.EncodeToString(slices.Concat(make([]byte, shift), b, []byte{0}))
		return [][]byte{[]byte(text[(8*shift+5)/6 : bits/6])}
	}
	for p := range 1 << before {
		head := make([]byte, shift)
		if shift > 0 {
			head[shift-1] = byte(p) //nolint:gosec // 4 bits at most
		}
		for q := range 1 << after {
			tail := byte(q << (8 - after)) //nolint:gosec // 4 bits at most
			text := enc.EncodeToString(slices.Concat(head, b, []byte{tail}))
			all = append(all, []byte(text[first:last]))
		}
	}
	return all
}

// wide is text in both orders of UTF-16.
func wide(text string) map[string][]byte {
	var le, be []byte
	for _, u := range utf16.Encode([]rune(text)) {
		le, be = binary.LittleEndian.AppendUint16(le, u), binary.BigEndian.AppendUint16(be, u)
	}
	return map[string][]byte{"UTF-16LE": le, "UTF-16BE": be}
}

// packed is two digits an octet, a nought before an odd number of them.
func packed(digits string) []byte {
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return nil // no digits
	}
	return b
}

func (s *Search) add(value, form string, octets []byte, word bool) {
	if len(octets) >= minValue {
		s.forms = append(s.forms, Form{value, form, octets, word})
	}
}

// In looks through octets; place names them in what is found: each form once.
func (s *Search) In(place string, b []byte) (found []Found) {
	by := s.index()
	seen := map[int]bool{}
	for at := range max(len(b)-minValue+1, 0) {
		head := [minValue]byte(b[at:])
		if !by.pairs[binary.BigEndian.Uint16(head[:])] {
			continue
		}
		for _, n := range by.forms[head] {
			f := s.forms[n]
			if seen[n] || !bytes.HasPrefix(b[at:], f.Octets) || f.Word && (alnum(b, at-1) || alnum(b, at+len(f.Octets))) {
				continue
			}
			seen[n] = true
			found = append(found, Found{f, place, at})
		}
	}
	return found
}

// index finds forms by how they begin, so that one pass looks for all of them.
type index struct {
	pairs [1 << 16]bool // by the first two octets
	forms map[[minValue]byte][]int
}

// index is made anew when forms were added since.
func (s *Search) index() *index {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made != len(s.forms) {
		s.by = &index{forms: map[[minValue]byte][]int{}}
		for n, f := range s.forms {
			head := [minValue]byte(f.Octets)
			s.by.pairs[binary.BigEndian.Uint16(head[:])] = true
			s.by.forms[head] = append(s.by.forms[head], n)
		}
		s.made = len(s.forms)
	}
	return s.by
}

func alnum(b []byte, i int) bool {
	if i < 0 || i >= len(b) {
		return false
	}
	c := b[i]
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// Under looks through the name and the octets of every regular file under a folder, but those that skip names. It returns how
// many files it read.
func (s *Search) Under(dir string, skip func(path string) bool) (found []Found, files int, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		found = append(found, s.In("the name "+rel, []byte(rel))...)
		if !e.Type().IsRegular() || skip(rel) {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		found = append(found, s.In(rel, b)...)
		return nil
	})
	return found, files, err
}
