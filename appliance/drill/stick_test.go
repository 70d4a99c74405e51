package drill_test

import (
	"path/filepath"
	"slices"
	"testing"

	"kazashi.example/appliance/drill"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/vault"
	"kazashi.example/central/lab/proof/leak"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/wire"
)

// parcels writes parcels of one kind onto a stick, in a folder of sticks.
func (b *box) parcels(sticks, stick string, c courier.Config, fill func(*courier.Writer)) {
	b.t.Helper()
	s, err := courier.Make(mkdir(b.t, sticks, stick))
	must(b.t, err)
	n := uint64(0)
	c.Next = func() (uint64, error) { n++; return n, nil }
	w, err := s.Writer(c)
	must(b.t, err)
	fill(w)
	must(b.t, w.Close(), s.Close())
}

// waiting are the box's records, as its courier packs them.
func (b *box) waiting(id *vault.Identity, w *courier.Writer) {
	b.t.Helper()
	to := b.central.Public()
	j, err := journal.Open(b.t.Context(), filepath.Join(copyOf(b.t, b.dir), "journal.db"), journal.Options{
		Device: id.Device, Box: id.Box, Recipient: func() (seal.PublicKey, error) { return to, nil },
	})
	must(b.t, err)
	for r, err := range j.Runs(b.t.Context(), courier.MaxRunOctets) {
		must(b.t, err)
		must(b.t, w.Run(courier.Run{Header: r.Header, First: r.First, Previous: r.Previous, Sealed: r.Sealed, After: r.After}))
	}
	must(b.t, j.Close())
}

// P3: a stick with records names nobody, and the drill counts them. One with what central wrote for this box opens the site's keys together with
// the box, without the code: that is said in red, and shown here to be so.
func TestP3ASticksParcels(t *testing.T) {
	b := plant(t, "", rule.UnlockCode)
	id, err := vault.Open(b.dir, vault.Options{})
	must(t, err)
	defer func() { must(t, id.Close()) }()
	sticks := t.TempDir()
	with := func(o *drill.Options) { o.Sticks = sticks }
	before := look(t, b.dir, with)

	b.parcels(sticks, "up", courier.Config{Kind: courier.Up, Box: id.Box, Signer: id.Device}, func(w *courier.Writer) { b.waiting(id, w) })
	s := b.search()
	found, files, err := s.Under(sticks, func(string) bool { return false })
	must(t, err)
	found = slices.DeleteFunc(found, func(f leak.Found) bool { return len(f.Octets) < leak.Long || f.Value == string(drill.Proofs) })
	if files == 0 || len(found) > 0 {
		t.Errorf("a stick with records: %d files, found %v", files, found)
	}
	up := look(t, b.dir, with)
	if got, was := count(up, drill.Records), count(before, drill.Records); got <= was || up.Answer != drill.NamesNobody {
		t.Errorf("with records on a stick: %d of them, %s; without %d", got, up.Answer, was)
	}

	b.parcels(sticks, "down", courier.Config{
		Kind: courier.Down, Box: id.Box, Signer: b.signs, To: id.Sealing.Public(), CentralEpoch: 1,
	}, func(w *courier.Writer) { must(t, w.Polled(wire.Polled{CentralEpoch: 1, Grant: b.grant(id)})) })
	down := look(t, b.dir, with)
	said := slices.ContainsFunc(down.Findings, func(f drill.Finding) bool { return f.ID == drill.StickOpens && f.Level == drill.Red })
	if down.Answer != drill.NamesPeople || !said || count(down, drill.FromCentral) != 1 {
		t.Errorf("with central's parcel on a stick: %s, said in red %v", down.Answer, said)
	}
	if ring := b.robbed(id, filepath.Join(sticks, "down")); !ring.Equal(b.ring) {
		t.Error("the stick does not open the site's keys: what is said in red is not so")
	}

	// One for another box is of no use with this one.
	other := t.TempDir()
	b.parcels(other, "down", courier.Config{
		Kind: courier.Down, Box: record.NewBoxID(), Signer: b.signs, To: id.Sealing.Public(), CentralEpoch: 1,
	}, func(w *courier.Writer) { must(t, w.Polled(wire.Polled{CentralEpoch: 1})) })
	if r := look(t, b.dir, func(o *drill.Options) { o.Sticks = other }); r.Answer != drill.NamesNobody || count(r, drill.FromCentral) != 1 {
		t.Errorf("with another box's parcel on a stick: %s", r.Answer)
	}
}

// grant is what central gives this box.
func (b *box) grant(id *vault.Identity) []byte {
	b.t.Helper()
	keys, err := sitekey.WrapAll(id.Sealing.Public(), site, b.ring)
	must(b.t, err)
	device, err := id.Public()
	must(b.t, err)
	current, _, _ := b.ring.Current()
	msg, err := sitekey.Grant{
		Version: rule.Version{CentralEpoch: 1, N: 1}, Site: site, Box: id.Box, Keys: keys, Current: current,
		Members: []sitekey.Member{{Box: id.Box, Device: device.DER(), Sealing: id.Sealing.Public().Bytes()}},
	}.Sign(b.signs)
	must(b.t, err)
	return msg
}

// robbed is what a thief opens who has the box's own key and the stick, and nothing else.
func (b *box) robbed(id *vault.Identity, stick string) sitekey.Ring {
	b.t.Helper()
	s, err := courier.Find(stick)
	must(b.t, err)
	names, err := s.Parcels(courier.Down, id.Box)
	must(b.t, err)
	p, err := s.Open(names[0])
	must(b.t, err, p.Unseal(id.Sealing))
	var ring sitekey.Ring
	for part, err := range p.Parts() {
		must(b.t, err)
		polled, err := part.Polled()
		must(b.t, err)
		g, err := sitekey.OpenGrant(sign.One{Key: public(b.t, b.signs)}, polled.Grant)
		must(b.t, err)
		ring, err = g.Ring(id.Sealing, sitekey.Ring{})
		must(b.t, err)
	}
	must(b.t, p.Close(), s.Close())
	return ring
}
