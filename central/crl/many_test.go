//go:build integration

package crl_test

import (
	"testing"

	"kazashi.example/central/crl"
)

// As many partitions as there are municipalities and wards. Their folder is in memory: a disk that syncs two thousand files takes its time.
func TestP7NineteenHundredPartitions(t *testing.T) {
	t.Setenv("TMPDIR", "/dev/shm")
	const parts = 1900
	assemble(newRig(t, crl.Expect{Count: parts}), parts)
}
