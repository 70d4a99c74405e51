// Package vcard is a virtual My Number Card: the card's applications, files, PIN counters and keys behind plain APDUs. A [Kind] makes it
// the card of today, the practice next generation, a phone's application or a plain token.
//
// It exists to put a faithful card under the real PC/SC stack, so that the reader side, OpenSC and the practice world all talk to
// the same thing. [Card] is the card itself and needs no service; package fault lets it misbehave, package link gives it a link's
// time, package vpcd puts cards into the slots of a real pcscd, and package control steers that from another process. Behaviour
// follows the sources named in reader/SOURCES.md by their short names.
//
// Concurrency: a [Card] may be used from any goroutine; its commands run one after the other, as in a chip. A [Profile] must not
// be changed once a card was made from it.
//
// Durability: only PIN retry counters and changed PINs outlive a power cycle. They are kept by a [Store]; [FileStore] syncs every change to disk
// before the card answers.
//
// It does no secure messaging and no GlobalPlatform, and it protects nothing: a profile holds every secret of its made-up person
// in the clear.
package vcard
