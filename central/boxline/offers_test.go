package boxline_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

func at(n uint64) rule.Version { return rule.Version{CentralEpoch: 1, N: n} }

// offer is of the practice hierarchy's set n for a purpose.
func offer(p certid.Purpose, n uint64) wire.SetOffer {
	return wire.SetOffer{
		Hierarchy: certid.HierarchyPractice, Purpose: p, Number: at(n), Manifest: wire.Blob{ID: wire.BlobID{byte(p), byte(n)}, Size: n},
	}
}

func held(p certid.Purpose, n uint64) wire.HeldSet {
	return wire.HeldSet{Hierarchy: certid.HierarchyPractice, Purpose: p, Number: at(n)}
}

// waited polls and reports what came, and whether central had to wait until there was nothing.
func waited(c *simcentral.Central, b *simbox.Box, p wire.Poll) (sets []wire.SetOffer, quiet bool) {
	began := time.Now()
	got, _, _ := c.Poll(b, p)
	return got.Sets, time.Since(began) == time.Duration(p.Wait)*time.Second
}

// An offer is news once; after that the box fetches, and polls are held, until the offer or what the box holds is another.
func TestOffersDoNotMakePollsSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := simcentral.New(t)
		b := c.Box()
		const auth, sign = certid.PurposeAuth, certid.PurposeSign
		p := current(c)
		p.Wait = 10
		ask := func(why string, sets []wire.HeldSet, want ...wire.SetOffer) {
			t.Helper()
			p.Sets = sets
			got, quiet := waited(c, b, p)
			if len(got) != len(want) || quiet != (len(want) == 0) {
				t.Errorf("%s: %d offers, held to the end %v, want %d", why, len(got), quiet, len(want))
				return
			}
			for i, o := range want {
				if got[i].Purpose != o.Purpose || got[i].Number != o.Number {
					t.Errorf("%s: offer %d of %v, want %d of %v", why, got[i].Number.N, got[i].Purpose, o.Number.N, o.Purpose)
				}
			}
		}
		c.World.SetOffers(nil, offer(auth, 4), offer(sign, 4))
		ask("nothing held", nil, offer(auth, 4), offer(sign, 4))
		ask("still fetching", nil)
		ask("one came into use", []wire.HeldSet{held(auth, 4)})
		c.World.SetOffers(nil, offer(auth, 5), offer(sign, 4))
		ask("a newer one", []wire.HeldSet{held(auth, 4)}, offer(auth, 5), offer(sign, 4))
		ask("still fetching the newer one", []wire.HeldSet{held(auth, 4)})
		ask("back to the one before", []wire.HeldSet{held(auth, 3)}, offer(auth, 5), offer(sign, 4))
		c.World.Pass(time.Minute)
		ask("after a minute", []wire.HeldSet{held(auth, 3)}, offer(auth, 5), offer(sign, 4))
		c.World.Pass(-time.Hour)
		ask("central's clock was set back", []wire.HeldSet{held(auth, 3)}, offer(auth, 5), offer(sign, 4))
		ask("all held", []wire.HeldSet{held(auth, 5), held(sign, 4)})
		p.Wait = 0
		for range 2 {
			if got, _, _ := c.Poll(b, func() wire.Poll { p.Sets = nil; return p }()); len(got.Sets) != 2 {
				t.Errorf("a poll that does not wait got %d offers, want 2", len(got.Sets))
			}
		}
	})
}

func TestANewSetWakesAPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := simcentral.New(t)
		b := c.Box()
		p := current(c)
		p.Wait = wire.MaxWait
		got := make(chan []wire.SetOffer)
		go func() {
			sets, _ := waited(c, b, p)
			got <- sets
		}()
		synctest.Wait()
		began := time.Now()
		c.World.SetOffers(nil, offer(certid.PurposeAuth, 1))
		c.Bells.RingAll()
		if sets := <-got; len(sets) != 1 || time.Since(began) != 0 {
			t.Errorf("%d offers after %v, want one at once", len(sets), time.Since(began))
		}
	})
}

func TestOffersAreBounded(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	o := offer(certid.PurposeAuth, 40)
	o.Deltas = make([]wire.DeltaOffer, wire.MaxDeltas+1)
	c.World.SetOffers(nil, o)
	if got, _, _ := c.Poll(b, wire.Poll{}); len(got.Sets) != 1 || got.Sets[0].Deltas != nil {
		t.Errorf("Poll = %+v, want the set without a chain that is too long", got.Sets)
	}
	var r *uplink.Refusal
	_, err := c.Line.Poll(t.Context(), b.Public(t), wire.Poll{Sets: make([]wire.HeldSet, wire.MaxOffers+1)})
	if !errors.As(err, &r) || r.Code != wire.CodeBadMessage {
		t.Errorf("Poll(too many sets) = %v, want %s", err, wire.CodeBadMessage)
	}
}

// P10: files are for boxes in service.
func TestP10BlobsAreForBoxesInService(t *testing.T) {
	c := simcentral.New(t)
	in, out, stranger := c.Box(), c.Box(), simbox.New(t, c.Keys.Seal.Public())
	c.Check(c.Boxes.Revoke(t.Context(), out.ID))
	path := filepath.Join(t.TempDir(), "set")
	c.Check(os.WriteFile(path, []byte("octets"), 0o600))
	here := wire.BlobID{1}
	c.World.SetOffers(map[wire.BlobID]string{here: path})
	for _, w := range []struct {
		name string
		box  *simbox.Box
		id   wire.BlobID
		want string
	}{
		{"in service", in, here, ""},
		{"no such file", in, wire.BlobID{2}, wire.CodeUnknownBlob},
		{"out of service", out, here, wire.CodeRevokedBox},
		{"never joined", stranger, here, wire.CodeUnknownBox},
	} {
		f, err := c.Line.Blob(t.Context(), w.box.Public(t), w.id)
		if w.want == "" {
			c.Check(err)
			if b, err := io.ReadAll(f); string(b) != "octets" || err != nil {
				t.Errorf("%s: read %q, %v, want the file", w.name, b, err)
			}
			c.Check(f.Close())
			continue
		}
		var r *uplink.Refusal
		if !errors.As(err, &r) || r.Code != w.want {
			t.Errorf("%s: Blob = %v, want %s", w.name, err, w.want)
		}
	}
}
