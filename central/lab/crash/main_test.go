package crash_test

import (
	"flag"
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

// atLast is done after the tests.
var atLast []func()

// atEnd is printed after the tests when they print what they found, if it is not empty.
var atEnd = func() string { return "" }

// TestMain is also the program that is traced and killed.
func TestMain(m *testing.M) {
	if child, ok := children[os.Getenv(envChild)]; ok {
		if err := child(os.Getenv(envDir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	code := m.Run()
	for _, do := range atLast {
		do()
	}
	if words := atEnd(); words != "" && testing.Verbose() {
		fmt.Println(words)
	}
	os.Exit(code)
}
