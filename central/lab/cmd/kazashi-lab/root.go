package main

import "github.com/spf13/cobra"

// newRoot is the command tree; each subcommand has a file of its own.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "kazashi-lab",
		Short:         "Practice world for Kazashi: made-up people, cards and authorities",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		newWorldCommand(),
		newJPKICommand(),
		newCardCommand(),
		newRelayCommand(),
		newTrayCommand(),
		newCRLCommand(),
		newBenchCommand(),
		newDemoCommand(),
		newSmokeCommand(),
		newSoakCommand(),
	)
	return root
}
