package registry_test

import (
	"errors"
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/registry"
	"kazashi.example/sync/wire"
)

// P10: a request that came on a stick names no server; on a line that is refused, and the one of a line is refused on a stick.
func TestP10AJoinByCourierIsNoneOfALine(t *testing.T) {
	c := simcentral.New(t)
	j, b := code(t, c), simbox.New(t, c.Keys.Seal.Public())
	carried := request(t, c, b, j, func(q *wire.JoinRequest) { q.Server = wire.MAC{} })
	if _, err := c.Boxes.Join(t.Context(), b.Public(t), carried); !errors.Is(err, registry.ErrServer) {
		t.Errorf("Join(a courier's request) = %v, want %v", err, registry.ErrServer)
	}
	if _, err := c.Boxes.JoinByCourier(t.Context(), request(t, c, b, j, nil)); !errors.Is(err, registry.ErrServer) {
		t.Errorf("JoinByCourier(a line's request) = %v, want %v", err, registry.ErrServer)
	}
	first, err := c.Boxes.JoinByCourier(t.Context(), carried)
	if err != nil || first.Verify(j, carried) != nil || first.Site != "honmachi" {
		t.Fatalf("JoinByCourier = %+v, %v, want a proved answer", first, err)
	}
	c.World.Pass(48 * time.Hour)
	if again, err := c.Boxes.JoinByCourier(t.Context(), carried); err != nil || again.Proof != first.Proof {
		t.Errorf("JoinByCourier(again) = %v, want the same answer", err)
	}
	forged := carried
	forged.Release = "another"
	if _, err := c.Boxes.JoinByCourier(t.Context(), forged); !errors.Is(err, registry.ErrCode) {
		t.Errorf("JoinByCourier(not proved) = %v, want %v", err, registry.ErrCode)
	}
	forged = request(t, c, b, j, func(q *wire.JoinRequest) { q.Server, q.Device = wire.MAC{}, []byte{1} })
	if _, err := c.Boxes.JoinByCourier(t.Context(), forged); !errors.Is(err, registry.ErrKeys) {
		t.Errorf("JoinByCourier(no key) = %v, want %v", err, registry.ErrKeys)
	}
}
