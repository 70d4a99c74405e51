package commandtest_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/spf13/cobra"

	"kazashi.example/firmware/command/commandtest"
)

type inner struct {
	Address string `toml:"address"`
}

type config struct {
	Name    string  `toml:"name,omitempty"`
	Central inner   `toml:"central"`
	Desks   []inner `toml:"desks"`
}

func tool() *cobra.Command {
	root := &cobra.Command{Use: "tool", Short: "Works", Example: "  tool"}
	sub := &cobra.Command{Use: "sub X", Short: "Works below", Example: "  tool sub x", Run: func(*cobra.Command, []string) {}}
	sub.Flags().Bool("json", false, "print JSON")
	root.AddCommand(sub)
	return root
}

const readme = "`tool` `tool sub X` `--json`\n\n## Configuration\n\n| `name` | a |\n| `central.address` | b |\n| `desks.address` | c |\n\n## Rest\n| `x` |\n"

func TestReferenceFaults(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{readme, nil},
		{readme[len("`tool` `tool sub X` "):], []string{`README.md does not say "tool"`, `README.md does not say "tool sub"`}},
		{"`tool` `tool sub`\n" + readme[len("`tool` `tool sub X` `--json`\n"):], []string{`README.md does not say "--json"`}},
		{
			"`tool` `tool sub` `--json` `name`\n\n## Configuration\n| `central.address` |\n| `gone` |\n",
			[]string{`README.md does not say "desks.address"`, `README.md explains "gone", which is no key`},
		},
	} {
		if got := commandtest.ReferenceFaults(c.text, tool(), reflect.TypeFor[config]()); !slices.Equal(got, c.want) {
			t.Errorf("referenceFaults(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

func TestHelpFaults(t *testing.T) {
	root := tool()
	root.InitDefaultHelpCmd() // has no example, and needs none
	if got := commandtest.HelpFaults(root); got != nil {
		t.Errorf("helpFaults = %q, want none", got)
	}
	root.AddCommand(&cobra.Command{Use: "mute", Example: "  tool mute"}, &cobra.Command{Use: "bare", Short: "Has no example"})
	want := []string{"tool bare has no description or no example", "tool mute has no description or no example"}
	if got := commandtest.HelpFaults(root); !slices.Equal(got, want) {
		t.Errorf("helpFaults = %q, want %q", got, want)
	}
}
