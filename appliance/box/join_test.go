package box_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/appliance/box"
	"kazashi.example/appliance/desired"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

func TestJoin(t *testing.T) {
	c, k := newCentral(t, nil), newCounter(t)
	c.listen(t, k.conf.Central.Address)
	place, err := box.Join(t.Context(), k.conf, c.code, "v1")
	if err != nil || place.Site != "branch-1" || place.Name != "one" || place.Root != c.code.Root || place.Replaces != replaced {
		t.Fatalf("Join() = %+v, %v, want a place at branch-1, in the stead of box %s", place, err, replaced)
	}
	again, err := box.Join(t.Context(), k.conf, c.code, "v1")
	if err != nil || again != place {
		t.Errorf("Join() again = %+v, %v, want %+v: a lost answer does no harm", again, err, place)
	}
	b, err := k.open(t)
	must(t, err)
	defer b.Close()
	if _, err := box.Join(t.Context(), k.conf, c.code, "v1"); !errors.Is(err, box.ErrInUse) {
		t.Errorf("Join() beside an open box = %v, want ErrInUse", err)
	}
	if _, err := k.open(t); !errors.Is(err, box.ErrInUse) {
		t.Errorf("Open() of an open box = %v, want ErrInUse", err)
	}
	if len(c.joined) != 2 || c.joined[0].Box != c.joined[1].Box || c.joined[0].Release != "v1" {
		t.Errorf("central was asked %d times, want twice by one box", len(c.joined))
	}
}

func TestJoinRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		central func(t *testing.T) *central
		code    func(*wire.JoinCode)
		want    error
	}{
		{"a central whose bundle does not vouch for its key", func(t *testing.T) *central { return newCentral(t, newKey(t)) }, nil, uplink.ErrIntercepted},
		{"an answer by somebody without the code", func(t *testing.T) *central {
			c := newCentral(t, nil)
			c.spoils = func(a *wire.JoinAnswer) { a.Proof[0] ^= 1 }
			return c
		}, nil, wire.ErrProof},
		{"a site that was changed on the way", func(t *testing.T) *central {
			c := newCentral(t, nil)
			c.spoils = func(a *wire.JoinAnswer) { a.Site = "branch-2" }
			return c
		}, nil, wire.ErrProof},
		{"a root that the code does not name", func(t *testing.T) *central { return newCentral(t, nil) }, func(c *wire.JoinCode) { c.Root[0] ^= 1 }, trust.ErrRoot},
	} {
		t.Run(c.name, func(t *testing.T) {
			to, k := c.central(t), newCounter(t)
			to.listen(t, k.conf.Central.Address)
			code := to.code
			if c.code != nil {
				c.code(&code)
			}
			if _, err := box.Join(t.Context(), k.conf, code, "v1"); !errors.Is(err, c.want) {
				t.Fatalf("Join() = %v, want %v", err, c.want)
			}
			if _, err := k.open(t); !errors.Is(err, desired.ErrNotJoined) {
				t.Errorf("Open() afterwards = %v, want ErrNotJoined", err)
			}
		})
	}
}

func TestJoinWithoutACentral(t *testing.T) {
	k := newCounter(t)
	_, err := box.Join(t.Context(), k.conf, newCentral(t, nil).code, "v1")
	if err == nil || !strings.Contains(err.Error(), "joining central at "+k.conf.Central.Address) {
		t.Errorf("Join() = %v, want an error that names the address", err)
	}
}

func TestOpenBeforeJoining(t *testing.T) {
	k := newCounter(t)
	for range 2 { // the lock is given back
		if _, err := k.open(t); !errors.Is(err, desired.ErrNotJoined) {
			t.Fatalf("Open() = %v, want ErrNotJoined", err)
		}
	}
	if _, err := os.Lstat(filepath.Join(k.conf.DataDir, "identity.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a box that has not joined has an identity: %v", err)
	}
}

func TestOpenRefusesAnotherIdentity(t *testing.T) {
	k := joined(t, newCentral(t, nil))
	must(t, os.Remove(filepath.Join(k.conf.DataDir, "identity.key")))
	if _, err := k.open(t); !errors.Is(err, box.ErrOtherIdentity) {
		t.Errorf("Open() with a lost identity = %v, want ErrOtherIdentity", err)
	}
}

func TestJoinKeepsTheOldPlaceWhenRefused(t *testing.T) {
	k := joined(t, newCentral(t, nil))
	before, err := os.ReadFile(filepath.Join(k.conf.DataDir, "place.cbor"))
	must(t, err)
	if _, err := box.Join(t.Context(), k.conf, newCentral(t, nil).code, "v1"); err == nil {
		t.Fatal("Join() with another central's code = nil, want a refusal")
	}
	after, err := os.ReadFile(filepath.Join(k.conf.DataDir, "place.cbor"))
	if err != nil || string(after) != string(before) {
		t.Errorf("the place was changed: %v", err)
	}
	b, err := k.open(t)
	must(t, err)
	must(t, b.Close())
}
