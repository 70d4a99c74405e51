// Package roster is who is enrolled at this box's site, as central says: sealed files under a signed head, found by keyed references.
//
// A [Store] may be used from any goroutine; a lookup is a search in a memory map and the opening of one entry, and waits for no network. A
// roster counts once its head is durable, after all of its segments. What was enrolled here and central has not settled is the site
// book's. What is handed out names people and prints as REDACTED; nothing of it is logged. It decides nothing about a tap.
package roster

import "errors"

// ErrOlder says that a roster is not newer than the one held.
var ErrOlder = errors.New("roster is not newer than the one held")
