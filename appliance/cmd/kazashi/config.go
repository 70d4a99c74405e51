package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newConfig(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:     "config",
		Short:   "Check a configuration file",
		Example: "  kazashi config check --config ./kazashi.toml",
	}
	c.AddCommand(&cobra.Command{
		Use:   "check",
		Short: "Read the configuration and print every fault of it",
		Long:  `check reads the configuration as run would and changes nothing. Central is not asked.`,
		Example: `  kazashi config check
  kazashi config check --config ./kazashi.toml`,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := s.load(); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is in order\n", s.config)
			return nil
		},
	})
	return c
}
