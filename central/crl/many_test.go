//go:build integration

package crl_test

import "testing"

// As many partitions as there are municipalities and wards.
func TestP7NineteenHundredPartitions(t *testing.T) { assemble(t, 1900) }
