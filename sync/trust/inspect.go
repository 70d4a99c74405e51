package trust

import (
	"fmt"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/sign"
)

// Seen is a travelling bundle as it says itself to be, for people who look at a file. Nothing of it is believed: Open does that.
type Seen struct {
	Bundle

	Roots  []SeenRoot
	Signed []sign.KeyID // keys of the last root set whose signatures on the bundle verify
}

// SeenRoot is one root set of the chain.
type SeenRoot struct {
	N           uint64
	Fingerprint Fingerprint
	Threshold   int
	Holders     []sign.KeyID
}

// Inspect reads a travelling bundle without believing it. An error of packages canon and sign, ErrRoot, or ErrBundle.
func Inspect(b []byte) (Seen, error) {
	var f file
	if err := canon.Decode(b, &f, MaxBundle); err != nil {
		return Seen{}, err
	}
	payload, err := sign.Peek(f.Bundle)
	if err != nil {
		return Seen{}, err
	}
	var s Seen
	if err := canon.Decode(payload, &s.Bundle, MaxBundle); err != nil {
		return Seen{}, err
	}
	var last RootSet
	for i, msg := range f.Roots {
		set, print, err := readRootSet(msg)
		if err != nil {
			return Seen{}, fmt.Errorf("root set %d of the file: %w", i+1, err)
		}
		r := SeenRoot{N: set.N, Fingerprint: print, Threshold: int(set.Threshold)}
		for _, der := range set.Keys {
			r.Holders = append(r.Holders, sign.KeyIDOf(der))
		}
		s.Roots, last = append(s.Roots, r), set
	}
	if len(s.Roots) == 0 {
		return Seen{}, fmt.Errorf("%w: no root set", ErrRoot)
	}
	if _, s.Signed, err = sign.OpenMany(last, sign.PurposeTrust, f.Bundle); err != nil {
		return Seen{}, err
	}
	return s, s.check()
}

// Chain is the signed root sets of a travelling bundle, unverified.
func Chain(b []byte) ([][]byte, error) {
	var f file
	err := canon.Decode(b, &f, MaxBundle)
	return f.Roots, err
}
