//go:build !integration

package fortnight_test

const (
	taps = 1_000
	// settledAtMost is of how many records central is asked for its last word.
	settledAtMost = 2 * taps
)
