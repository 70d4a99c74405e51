package proof_test

import (
	"fmt"
	"os"
	"testing"

	"kazashi.example/central/lab/proof/rig"
)

func TestMain(m *testing.M) {
	rig.Child()
	code := m.Run()
	if err := rig.RemoveWorld(); err != nil {
		fmt.Fprintln(os.Stderr, "removing the shared world:", err)
	}
	os.Exit(code)
}
