package sqlite_test

import (
	"errors"
	"testing"
	"time"

	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sitekey"
)

// boxes registers n boxes.
func boxes(t *testing.T, tx store.Tx, n int) (all []store.Box) {
	t.Helper()
	key, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		b := simbox.New(t, key.Public()).Row(t)
		if err := tx.AddBox(b); err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

func TestSiteKeysKeepTheirOrder(t *testing.T) {
	db := open(t, t.TempDir())
	defer func() { _ = db.Close() }()
	err := db.Update(t.Context(), func(tx store.Tx) error {
		b := boxes(t, tx, 1)[0]
		if _, err := tx.CurrentSiteKey("a"); !errors.Is(err, store.ErrNone) {
			t.Errorf("CurrentSiteKey of a site without = %v, want ErrNone", err)
		}
		one := store.SiteKey{Site: "a", Generation: sitekey.NewKey().Generation(), Key: []byte("one"), Made: now}
		two := store.SiteKey{Site: "a", Generation: sitekey.NewKey().Generation(), Key: []byte("two"), Maker: b.ID, Made: now.Add(time.Hour)}
		other := store.SiteKey{Site: "b", Generation: one.Generation, Key: []byte("other"), Made: now}
		if err := errors.Join(tx.AddSiteKey(one), tx.AddSiteKey(two), tx.AddSiteKey(other), tx.SetCurrentSiteKey("a", two.Generation)); err != nil {
			return err
		}
		if err := tx.AddSiteKey(one); !errors.Is(err, store.ErrTaken) {
			t.Errorf("AddSiteKey again = %v, want ErrTaken", err)
		}
		all, err := tx.SiteKeys("a")
		if err != nil || len(all) != 2 || all[0].Generation != one.Generation || all[1].Maker != b.ID || !all[1].Made.Equal(two.Made) ||
			string(all[1].Key) != "two" {
			t.Errorf("SiteKeys = %v, %v, want both as they came", all, err)
		}
		if g, err := tx.CurrentSiteKey("a"); err != nil || g != two.Generation {
			t.Errorf("CurrentSiteKey = %s, %v, want %s", g, err, two.Generation)
		}
		if sites, err := tx.SiteKeySites(); err != nil || len(sites) != 2 || sites[0] != "a" {
			t.Errorf("SiteKeySites = %v, %v, want a and b", sites, err)
		}
		for want := range uint64(3) {
			if n, err := tx.GrantNumber("a"); err != nil || n != want {
				t.Errorf("GrantNumber = %d, %v, want %d", n, err, want)
			}
			if err := tx.RaiseGrant("a"); err != nil {
				return err
			}
		}
		if g, err := tx.CurrentSiteKey("a"); err != nil || g != two.Generation {
			t.Errorf("CurrentSiteKey after raising = %s, %v, want %s still", g, err, two.Generation)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnOrderIsClosedOnceByItsOwnBox(t *testing.T) {
	db := open(t, t.TempDir())
	defer func() { _ = db.Close() }()
	err := db.Update(t.Context(), func(tx store.Tx) error {
		bs := boxes(t, tx, 2)
		wipe := store.Order{ID: order.NewID(), Box: bs[0].ID, Kind: order.KindWipe, Given: now}
		clock := store.Order{ID: order.NewID(), Box: bs[0].ID, Kind: order.KindClock, Time: now, Given: now}
		if err := errors.Join(tx.AddOrder(wipe), tx.AddOrder(clock)); err != nil {
			return err
		}
		for _, c := range []struct {
			what    string
			box     record.BoxID
			outcome order.Outcome
			want    bool
			open    int
		}{
			{"another box", bs[1].ID, order.OutcomeDone, false, 2},
			{"its own, in vain", bs[0].ID, order.OutcomeFailed, true, 1},
			{"in vain again", bs[0].ID, order.OutcomeFailed, false, 1},
			{"done at last", bs[0].ID, order.OutcomeDone, true, 1},
			{"again", bs[0].ID, order.OutcomeFailed, false, 1},
		} {
			got, err := tx.CloseOrder(c.box, wipe.ID, c.outcome, []byte("certificate"), now.Add(time.Minute))
			open, oerr := tx.OpenOrders(bs[0].ID, 8)
			if errors.Join(err, oerr) != nil || got != c.want || len(open) != c.open {
				t.Errorf("CloseOrder by %s = %v, %v with %d open, want %v with %d", c.what, got, errors.Join(err, oerr), len(open), c.want, c.open)
			}
		}
		all, err := tx.OrdersOf(bs[0].ID, 8)
		if err != nil || len(all) != 2 || all[0].ID != clock.ID || !all[0].Time.Equal(now) || all[1].Outcome != order.OutcomeDone ||
			string(all[1].Erasure) != "certificate" || all[1].Closed.IsZero() {
			t.Errorf("OrdersOf = %+v, %v, want the clock's first and the wipe done", all, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheFirstCorrectionOfAnEpochStays(t *testing.T) {
	db := open(t, t.TempDir())
	defer func() { _ = db.Close() }()
	err := db.Update(t.Context(), func(tx store.Tx) error {
		b := boxes(t, tx, 1)[0]
		c := store.Correction{Box: b.ID, Epoch: record.NewEpochID(), Offset: -90 * time.Minute, Measured: now}
		first, err := tx.AddCorrection(c)
		c.Offset = time.Hour
		again, err2 := tx.AddCorrection(c)
		got, err3 := tx.Correction(b.ID, c.Epoch)
		if errors.Join(err, err2, err3) != nil || !first || again || got.Offset != -90*time.Minute || !got.Measured.Equal(now) {
			t.Errorf("AddCorrection = %v, %v; kept %v, %v", first, again, got.Offset, errors.Join(err, err2, err3))
		}
		if _, err := tx.Correction(record.NewBoxID(), c.Epoch); !errors.Is(err, store.ErrNone) {
			t.Errorf("Correction of another box = %v, want ErrNone", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
