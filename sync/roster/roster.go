// Package roster is who is enrolled at a site: what its boxes must know of a person to prove a later tap without the PIN, and to name them
// to the site's services.
//
// A [Head], signed by central, names the segments that make up the roster of a site; package segment is what is in them. DESIGN.md beside
// this file is the format. An [Entry] names a person and prints as REDACTED. Values and pure functions.
package roster

import "errors"

// Caps.
const (
	MaxKey      = 1 << 10 // octets of a card key
	MaxServices = 64      // that know one person
	MaxPPID     = 128     // octets of a PPID
)

// ErrRoster says that a roster is well signed but contradicts itself.
var ErrRoster = errors.New("roster contradicts itself")
