// Package fortnight is the Show of a box that is alone for fourteen days: 20,000 taps with lists and rules that grow too old, clocks that
// go wrong and a power cut on the third day, in a bubble of fake time (testing/synctest).
//
// Everything is the real part: journal, site book, sealed roster, rules and trust, revocation sets, keys, clock, taps, link, and central's
// intake and opener at the other end of a line in memory. The machine's clock and the card readers are the test's: cards are virtual
// ones, most of them with the certificate alone, as the certificate is all that their services ask for. While the line is cut nobody
// tries it: how a link goes on trying is package link's to show.
//
// What is expected of each tap is written down in law_test.go as sentences about the fortnight, not taken from the gate.
// Practice cards are taken by drills alone, so the services are drills that ask for what libraries and shelters ask for.
package fortnight_test
