package simcentral

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// Roster is a site's roster as a box reads it.
type Roster struct {
	roster.Head
	Entries []roster.Entry
}

// Roster has what changed made, and is what a box that has no roster is told; the zero value if it is told nothing.
func (c *Central) Roster(b *simbox.Box) (r Roster) {
	c.TB.Helper()
	c.Check(c.Rosters.Make(c.TB.Context()))
	got, _, _ := c.Poll(b, wire.Poll{})
	if got.RosterOffer.Version.N == 0 {
		return r
	}
	return c.Offered(b, got.RosterOffer)
}

// Offered reads an offered roster with the keys of a box's site.
func (c *Central) Offered(b *simbox.Box, o wire.RosterOffer) (r Roster) {
	c.TB.Helper()
	var err error
	r.Head, err = roster.OpenHead(sign.One{Key: Public(c.TB, c.Keys.Sign)}, c.blob(b, o.Head))
	c.Check(err)
	if r.Version != o.Version || len(o.Segments) != len(r.Parts) {
		c.TB.Fatalf("head %v of %d segments, offered %v of %d", r.Version, len(r.Parts), o.Version, len(o.Segments))
	}
	seen := map[record.TapID]bool{}
	for i, p := range r.Parts {
		path := filepath.Join(c.TB.TempDir(), "segment")
		c.Check(os.WriteFile(path, c.blob(b, o.Segments[i]), 0o600))
		s, err := segment.OpenFile(path, p)
		c.Check(err)
		opener, err := s.Opener(c.segmentKeys(r.Site, p))
		c.Check(err)
		c.Check(opener.All(func(e roster.Entry, gone bool) error {
			if !seen[e.Enrolled] && !gone {
				r.Entries = append(r.Entries, e)
			}
			seen[e.Enrolled] = true
			return nil
		}))
		c.Check(s.CloseNow())
	}
	return r
}

func (c *Central) segmentKeys(site record.SiteID, p roster.Part) (k *segment.Keys) {
	c.TB.Helper()
	c.Check(c.Store.View(c.TB.Context(), func(tx store.Tx) error {
		ring, err := c.SiteKeys.Ring(tx, site)
		c.Check(err)
		key, ok := ring.Find(p.Generation)
		if !ok {
			c.TB.Fatal("a segment of no generation of the site's")
		}
		k, err = segment.NewKeys(site, key)
		return err
	}))
	return k
}

// blob is a file as a box gets it.
func (c *Central) blob(b *simbox.Box, blob wire.Blob) []byte {
	c.TB.Helper()
	f, err := c.Line.Blob(c.TB.Context(), b.Public(c.TB), blob.ID)
	c.Check(err)
	got, err := io.ReadAll(f)
	c.Check(errors.Join(err, f.Close()))
	if uint64(len(got)) != blob.Size {
		c.TB.Fatalf("a file of %d octets, offered %d", len(got), blob.Size)
	}
	return got
}
