package segment

import (
	"fmt"
	"math"
	"unicode/utf8"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

// decode reads an entry. A tap waits for it, so what this release writes is read here in one go; whatever that does not know, be it a key of a
// later release or no entry at all, is package canon's to read or to refuse. Both come to the same of what both read.
func decode(plain []byte) (e roster.Entry, err error) {
	if e, ok := quick(plain); ok {
		return e, nil
	}
	if err := canon.Decode(plain, &e, maxPlain); err != nil {
		return roster.Entry{}, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	return e, nil
}

// quick reads an entry that has the keys of this release and no other. What is given with false means nothing.
func quick(plain []byte) (e roster.Entry, ok bool) {
	r := reading{b: plain}
	ok = len(plain) <= maxPlain && r.entry(&e) && r.at == len(plain)
	return e, ok
}

// Major types of RFC 8949 §3.1, and the two simple values that an entry has.
const (
	majorUint  = 0
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	majorMap   = 5
	boolFalse  = 0xf4
	boolTrue   = 0xf5
)

// reading goes through deterministic CBOR. Its methods say false where there is something else than they want.
type reading struct {
	b  []byte
	at int
}

// head reads the first octets of an item of a kind, in their shortest form.
func (r *reading) head(major byte) (n int, ok bool) {
	if r.at >= len(r.b) || r.b[r.at]>>5 != major {
		return 0, false
	}
	n = int(r.b[r.at] & 0x1f)
	r.at++
	if n < 24 {
		return n, true
	}
	size := 1 << (n - 24)
	if n > 26 || r.at+size > len(r.b) { // an entry has nothing that takes eight octets
		return 0, false
	}
	n = 0
	for _, c := range r.b[r.at : r.at+size] {
		n = n<<8 | int(c)
	}
	r.at += size
	return n, size == 1 && n >= 24 || size == 2 && n > math.MaxUint8 || size == 4 && n > math.MaxUint16
}

// pairs reads a map whose keys are numbers that rise.
func (r *reading) pairs(value func(key int) bool) bool {
	n, ok := r.head(majorMap)
	for last := -1; ok && n > 0; n-- {
		var key int
		if key, ok = r.head(majorUint); !ok || key <= last || !value(key) {
			return false
		}
		last = key
	}
	return ok
}

// span reads a string and is where it lies.
func (r *reading) span(major byte) (from, to int, ok bool) {
	n, ok := r.head(major)
	if !ok || n > len(r.b)-r.at {
		return 0, 0, false
	}
	r.at += n
	return r.at - n, r.at, true
}

func (r *reading) octets(to *[]byte) bool {
	from, end, ok := r.span(majorBytes)
	if ok {
		*to = append(make([]byte, 0, end-from), r.b[from:end]...)
	}
	return ok
}

func readText[T ~string](r *reading, to *T) bool {
	from, end, ok := r.span(majorText)
	if !ok || !utf8.Valid(r.b[from:end]) {
		return false
	}
	*to = T(r.b[from:end])
	return true
}

func readNumber[T ~uint8 | ~uint32](r *reading, to *T) bool {
	n, ok := r.head(majorUint)
	*to = T(n) //nolint:gosec // compared
	return ok && int(*to) == n
}

func (r *reading) tap(to *record.TapID) bool {
	from, end, ok := r.span(majorBytes)
	return ok && copy(to.ID128[:], r.b[from:end]) == len(to.ID128) && end-from == len(to.ID128)
}

func (r *reading) yes(to *bool) bool {
	if r.at >= len(r.b) || r.b[r.at] != boolFalse && r.b[r.at] != boolTrue {
		return false
	}
	*to = r.b[r.at] == boolTrue
	r.at++
	return true
}

func (r *reading) entry(e *roster.Entry) bool {
	return r.pairs(func(key int) bool {
		switch key {
		case 1:
			return readNumber(r, &e.Hierarchy)
		case 2:
			return r.octets(&e.Serial)
		case 3:
			return readText(r, &e.Verifier)
		case 4:
			return r.tap(&e.Enrolled)
		case 5:
			return r.birth(&e.Birth)
		case 6:
			return r.octets(&e.Key)
		case 7:
			return r.yes(&e.Renewed)
		case 8:
			return r.services(&e.Services)
		case 9:
			return readNumber(r, &e.PINDay)
		}
		return false
	})
}

func (r *reading) birth(b *roster.Birth) bool {
	return r.pairs(func(key int) bool {
		switch key {
		case 1:
			return readText(r, &b.Date)
		case 2:
			return readNumber(r, &b.Form)
		case 3:
			return readNumber(r, &b.Era)
		}
		return false
	})
}

func (r *reading) services(all *[]roster.Service) bool {
	n, ok := r.head(majorArray)
	if !ok || n > roster.MaxServices {
		return false
	}
	*all = make([]roster.Service, n)
	for i := range *all {
		if !r.service(&(*all)[i]) {
			return false
		}
	}
	return true
}

func (r *reading) service(s *roster.Service) bool {
	return r.pairs(func(key int) bool {
		switch key {
		case 1:
			return readText(r, &s.ID)
		case 2:
			return readText(r, &s.PPID)
		case 3:
			return readText(r, &s.Number)
		case 4:
			return r.tap(&s.Linked)
		}
		return false
	})
}
