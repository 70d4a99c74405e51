package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"kazashi.example/appliance/config"
)

func newConfig(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check a configuration file, or begin one",
		Example: `  kazashi config example > kazashi.toml
  kazashi config check --config ./kazashi.toml`,
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
	c.AddCommand(&cobra.Command{
		Use:     "example",
		Short:   "Print a configuration with every key, its default and what it is for",
		Example: "  kazashi config example > kazashi.toml",
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(config.Example)
			return err
		},
	})
	return c
}
