package proof_test

import (
	"encoding/hex"
	"io"
	"testing"

	"kazashi.example/central/admin"
	"kazashi.example/central/lab/proof/rig"
	"kazashi.example/localapi"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/wire"
)

// carried has a box without a line write what waits onto a stick, and central take it and write its answer beside it, and for another box of the
// site site keys, rules, roster and lists as well. It returns the stick as it lies then.
func carried(t *testing.T, r *rig.Rig, b *rig.Box) (dir string) {
	t.Helper()
	dir = t.TempDir()
	_, err := b.Client().BeginCourier(t.Context(), localapi.CourierExport, localapi.CourierOrder{Path: dir})
	must(t, err)
	r.Eventually(func() string {
		v, err := b.Client().Courier(t.Context())
		must(t, err)
		switch {
		case v.Job == nil || v.Job.Ended.IsZero():
			return "the box is still writing to its stick"
		case v.Job.Failed != nil:
			t.Fatalf("writing to a stick failed: %v", v.Job.Failed)
		}
		return ""
	})
	stick, err := courier.Find(dir)
	must(t, err)
	defer func() { must(t, stick.Close()) }()
	names, err := stick.Parcels(courier.Up, b.ID)
	must(t, err)
	records := 0
	for _, n := range names {
		p, err := stick.Open(n)
		must(t, err)
		took, err := r.Central.Operator().TakeParcel(t.Context(), p.Octets(), p.Size)
		must(t, err, p.Close())
		records += took.Records
	}
	given, all := brought(t, r, b, stick), brought(t, r, r.Box("d"), stick) // a box that never said what it has gets everything
	if records == 0 || given.Parcels == 0 || !all.Grant || !all.Roster || !all.Rules || all.Sets == 0 {
		t.Errorf("the stick carried %d records up, and down %+v and %+v: a search of it proves little", records, given, all)
	}
	return dir
}

// brought has central write onto a stick what a box lacks.
func brought(t *testing.T, r *rig.Rig, b *rig.Box, stick *courier.Stick) admin.ParcelsGiven {
	t.Helper()
	central := r.Central.Operator()
	given, err := central.GiveParcels(t.Context(), b.ID, admin.ParcelTakers{
		Plan: func(p admin.ParcelPlan) error {
			for _, f := range p.Blobs {
				octets, err := hex.DecodeString(f.ID)
				must(t, err)
				id := wire.BlobID(octets)
				if _, err := stick.PutBlob(t.Context(), wire.Blob{ID: id, Size: f.Size}, func() (io.ReadCloser, error) {
					octets, _, err := central.Blob(t.Context(), id)
					return octets, err
				}); err != nil {
					return err
				}
			}
			return nil
		},
		Parcel: func(n uint64, octets io.Reader, _ int64) error {
			return stick.Put(t.Context(), courier.Name{Kind: courier.Down, Box: b.ID, N: n}, octets)
		},
	})
	must(t, err)
	return given
}
