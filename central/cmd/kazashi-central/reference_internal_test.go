package main

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kazashi.example/central/config"
)

// TestReference holds README.md to the program: every command, flag and key of the configuration, and no key that is gone.
func TestReference(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	keys := keysOf("", reflect.TypeFor[config.Config]())
	for _, w := range slices.Concat(commandWords(newRoot()), keys) {
		if !strings.Contains(text, "`"+w+"`") && !strings.Contains(text, "`"+w+" ") {
			t.Errorf("README.md does not say %q", w)
		}
	}
	_, table, _ := strings.Cut(text, "\n## Configuration\n")
	table, _, _ = strings.Cut(table, "\n## ")
	for line := range strings.Lines(table) {
		row, ok := strings.CutPrefix(line, "| `")
		if key, _, _ := strings.Cut(row, "`"); ok && !slices.Contains(keys, key) {
			t.Errorf("README.md explains %q, which is no key", key)
		}
	}
}

// TestHelp wants examples and a description of every command.
func TestHelp(t *testing.T) {
	each(newRoot(), func(c *cobra.Command) {
		if c.Short == "" || c.Example == "" && !builtIn(c) {
			t.Errorf("%s has no description or no example", c.CommandPath())
		}
	})
}

// builtIn says that a command is cobra's own.
func builtIn(c *cobra.Command) bool {
	return c.Name() == "help" || c.Name() == "completion" || c.HasParent() && c.Parent().Name() == "completion"
}

// commandWords lists commands and flags.
func commandWords(root *cobra.Command) (words []string) {
	each(root, func(c *cobra.Command) {
		if builtIn(c) && c.Name() != "completion" {
			return
		}
		words = append(words, c.CommandPath())
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			words = append(words, "--"+f.Name)
		})
	})
	return words
}

// keysOf lists a configuration's keys as a person would write them: "central.address".
func keysOf(prefix string, t reflect.Type) (keys []string) {
	for f := range t.Fields() {
		key, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		of := f.Type
		for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if of.Kind() == reflect.Struct {
			keys = append(keys, keysOf(prefix+key+".", of)...)
			continue
		}
		keys = append(keys, prefix+key)
	}
	return keys
}
