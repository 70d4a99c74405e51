// Package commandtest holds the tests that every program owes its command line: the reference beside a program says all that the
// program knows, each command explains itself, and what scripts of package testscript need to drive a program.
//
// It is for tests alone and keeps no state; nothing is written.
package commandtest

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kazashi.example/firmware/command"
)

// Reference holds README.md in the working directory to the program: it must say every command, flag and key of the
// configuration, and its section "Configuration" no key that is gone. Keys are the names in toml tags, nested ones with dots.
func Reference(t testing.TB, root *cobra.Command, config reflect.Type) {
	t.Helper()
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range referenceFaults(string(b), root, config) {
		t.Error(fault)
	}
}

// Help wants a description of every command, and an example of each that is not cobra's own.
func Help(t testing.TB, root *cobra.Command) {
	t.Helper()
	for _, fault := range helpFaults(root) {
		t.Error(fault)
	}
}

func referenceFaults(text string, root *cobra.Command, config reflect.Type) (faults []string) {
	keys := keysOf("", config)
	for _, w := range slices.Concat(commandWords(root), keys) {
		if !strings.Contains(text, "`"+w+"`") && !strings.Contains(text, "`"+w+" ") {
			faults = append(faults, fmt.Sprintf("README.md does not say %q", w))
		}
	}
	_, table, _ := strings.Cut(text, "\n## Configuration\n")
	table, _, _ = strings.Cut(table, "\n## ")
	for line := range strings.Lines(table) {
		row, ok := strings.CutPrefix(line, "| `")
		if key, _, _ := strings.Cut(row, "`"); ok && !slices.Contains(keys, key) {
			faults = append(faults, fmt.Sprintf("README.md explains %q, which is no key", key))
		}
	}
	return faults
}

func helpFaults(root *cobra.Command) (faults []string) {
	command.Each(root, func(c *cobra.Command) {
		if c.Short == "" || c.Example == "" && !builtIn(c) {
			faults = append(faults, c.CommandPath()+" has no description or no example")
		}
	})
	return faults
}

// builtIn says that a command is cobra's own.
func builtIn(c *cobra.Command) bool {
	return c.Name() == "help" || c.Name() == "completion" || c.HasParent() && c.Parent().Name() == "completion"
}

// commandWords lists commands and flags.
func commandWords(root *cobra.Command) (words []string) {
	command.Each(root, func(c *cobra.Command) {
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
