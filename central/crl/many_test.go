//go:build integration

package crl_test

import (
	"testing"

	"kazashi.example/central/crl"
)

// As many partitions as there are municipalities and wards.
func TestP7NineteenHundredPartitions(t *testing.T) {
	const parts = 1900
	assemble(newRig(t, crl.Expect{Count: parts}), parts)
}
