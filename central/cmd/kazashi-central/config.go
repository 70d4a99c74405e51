package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"kazashi.example/central/config"
)

func newConfig(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check a configuration file, or begin one",
		Example: `  kazashi-central config example > central.toml
  kazashi-central config check --config ./central.toml`,
	}
	c.AddCommand(&cobra.Command{
		Use:   "check",
		Short: "Read the configuration and print every fault of it",
		Long: `check reads the configuration as serve would and changes nothing. Certificates, keys and addresses
that the file names are not looked at.`,
		Example: `  kazashi-central config check
  kazashi-central config check --config ./central.toml`,
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
		Example: "  kazashi-central config example > central.toml",
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(config.Example)
			return err
		},
	})
	return c
}
