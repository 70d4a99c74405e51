package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/vault"
	"kazashi.example/firmware/manifest"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

func newJoin(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "join CODE",
		Short: "Take a place at a site with the one-time code that central prints",
		Long: `join proves to central that this box was given the code, checks that it is the central which
made the code, and keeps the place and the trust bundle that come back. Nothing secret is sent.
A lost answer does no harm: the same box may use the same code again.`,
		Example: `  kazashi join KZ1-8W3KQ-…
  kazashi --config ./kazashi.toml join KZ1-8W3KQ-…`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return join(c, s, args[0]) },
	}
}

func join(c *cobra.Command, s *settings, text string) error {
	conf, err := s.load()
	if err != nil {
		return err
	}
	code, err := wire.ParseJoinCode(text)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(conf.DataDir, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	id, err := vault.Open(conf.DataDir)
	if err != nil {
		return err
	}
	device, err := id.Public()
	if err != nil {
		return err
	}
	proxy, err := conf.ProxyURL()
	if err != nil {
		return err
	}
	up := uplink.Config{Address: conf.Central.Address, Device: id.Device, Proxy: proxy}
	answer, server, err := uplink.Join(c.Context(), up, code, wire.JoinRequest{
		Box: id.Box, Device: device.DER(), Sealing: id.Sealing.Public().Bytes(), Release: manifest.Current().Version,
	})
	if err != nil {
		return fmt.Errorf("joining central at %s: %w", conf.Central.Address, err)
	}
	if err := serverIn(answer.Bundle, code.Root, server); err != nil {
		return err
	}
	place := desired.Place{Box: id.Box, Site: answer.Site, Name: answer.Name, Root: code.Root}
	if err := desired.Create(conf.DataDir, place, answer.Bundle); err != nil {
		return err
	}
	out := c.OutOrStdout()
	fmt.Fprintf(out, "joined site %s as %q\nbox %s\n", answer.Site, answer.Name, id.Box)
	fmt.Fprintf(out, "warning: %s\n", vault.Weakness)
	return nil
}

// serverIn refuses a central whose TLS key is not in the bundle that it gave.
func serverIn(bundle []byte, root trust.Fingerprint, server sign.PublicKey) error {
	o, err := trust.Open(bundle, trust.Terms{Root: root})
	if err != nil {
		return fmt.Errorf("checking the first trust bundle: %w", err)
	}
	for _, k := range o.TLSKeys() {
		if k.Equal(server) {
			return nil
		}
	}
	return uplink.ErrIntercepted
}
