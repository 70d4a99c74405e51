package crash_test

import (
	"fmt"
	"os"
	"testing"
)

// children are the programs that scenarios interrupt; each works in a folder.
var children = map[string]func(dir string) error{}

const (
	envChild = "CRASH_TEST_CHILD"
	envDir   = "CRASH_TEST_DIR"
)

// TestMain is also the program that is traced and killed.
func TestMain(m *testing.M) {
	child, ok := children[os.Getenv(envChild)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := child(os.Getenv(envDir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
