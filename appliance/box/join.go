package box

import (
	"context"
	"errors"
	"fmt"

	"kazashi.example/appliance/config"
	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/vault"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// Join takes a place at a site with a one-time code, and keeps it and the first trust bundle durably. It makes this box's
// identity if there is none. After a crash or a lost answer the same call completes it. ErrInUse, uplink.ErrIntercepted,
// *uplink.Refusal, wire.ErrProof, or an error of the parts; the place from before stays then.
func Join(ctx context.Context, conf config.Config, code wire.JoinCode, release string) (_ desired.Place, err error) {
	held, err := hold(ctx, conf.DataDir)
	if err != nil {
		return desired.Place{}, err
	}
	defer func() { err = errors.Join(err, held.free()) }()
	id, err := vault.Open(conf.DataDir, vault.Options{TPM: conf.TPM})
	if err != nil {
		return desired.Place{}, err
	}
	defer func() { err = errors.Join(err, id.Close()) }()
	device, err := id.Public()
	if err != nil {
		return desired.Place{}, err
	}
	proxy, err := conf.ProxyURL()
	if err != nil {
		return desired.Place{}, err
	}
	up := uplink.Config{Address: conf.Central.Address, Device: id.Device, Proxy: proxy}
	answer, server, err := uplink.Join(ctx, up, code, wire.JoinRequest{
		Box: id.Box, Device: device.DER(), Sealing: id.Sealing.Public().Bytes(), Release: release,
	})
	if err != nil {
		return desired.Place{}, fmt.Errorf("joining central at %s: %w", conf.Central.Address, err)
	}
	if err := vouched(answer.Bundle, code.Root, server); err != nil {
		return desired.Place{}, err
	}
	place := desired.Place{Box: id.Box, Site: answer.Site, Name: answer.Name, Root: code.Root, Replaces: answer.Replaces}
	if err := desired.Create(conf.DataDir, place, answer.Bundle); err != nil {
		return desired.Place{}, err
	}
	return place, forgetRequest(conf.DataDir)
}

// vouched refuses a central whose TLS key is not in the bundle that it gave.
func vouched(bundle []byte, root trust.Fingerprint, server sign.PublicKey) error {
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
