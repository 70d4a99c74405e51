package command

import (
	"fmt"

	"github.com/spf13/cobra"
)

// usageError is a command line that cannot be understood.
type usageError struct {
	err error
	of  string // the command
}

func (e *usageError) Error() string { return fmt.Sprintf("%v (see `%s --help`)", e.err, e.of) }
func (e *usageError) Unwrap() error { return e.err }

// WrongUsage marks an error as one of the command line, so that Run returns 2, and points to the help of the command.
func WrongUsage(c *cobra.Command, err error) error { return &usageError{err, c.CommandPath()} }

// Strict makes every complaint about a command line a WrongUsage, in every command, cobra's own included. A command that says
// nothing of its arguments takes none, and one that only holds others prints its help. Call it once, after the last AddCommand.
func Strict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	root.SetFlagErrorFunc(WrongUsage)
	Each(root, func(c *cobra.Command) {
		check := c.Args
		switch {
		case c.Name() == "help":
			check = topic
		case check == nil:
			check = cobra.NoArgs
		}
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return WrongUsage(c, err)
			}
			return nil
		}
		if !c.Runnable() {
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	})
}

// topic wants the name of a command, or nothing.
func topic(c *cobra.Command, args []string) error {
	if _, rest, err := c.Root().Find(args); err != nil || len(rest) > 0 {
		return fmt.Errorf("no command is called %q", args)
	}
	return nil
}

// Each calls f with a command and all below it, parents first.
func Each(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		Each(sub, f)
	}
}
