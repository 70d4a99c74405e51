//go:build integration

package crl_test

import (
	"os"
	"path/filepath"
	"testing"

	"kazashi.example/central/crl"
)

// As many partitions as there are municipalities and wards. Their folder is in memory: a disk that syncs two thousand files takes its time.
func TestP7NineteenHundredPartitions(t *testing.T) {
	const parts = 1900
	r := newRig(t, crl.Expect{Count: parts})
	dir, err := os.MkdirTemp("/dev/shm", "kazashi-crl-*")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	r.dir = filepath.Join(dir, "crl")
	r.open()
	assemble(r, parts)
}
