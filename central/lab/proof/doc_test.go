// Package proof holds the end-to-end proofs of the promises: real box, real line, real central, one test a rule, named for it.
//
// Each test has a world, a central and boxes of its own in one process (package rig) and counts what the counters said against
// central's tables. Nothing here is shared between tests. The card readers are the only part that is not the real one.
package proof_test
