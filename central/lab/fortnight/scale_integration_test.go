//go:build integration

package fortnight_test

const (
	taps          = 20_000
	settledAtMost = 1_000
)
