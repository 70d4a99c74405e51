package notice_test

import (
	"testing"

	"kazashi.example/central/store/notice"
	"kazashi.example/sync/record"
)

func rung(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestBells(t *testing.T) {
	var b notice.Bells
	one, two := record.NewBoxID(), record.NewBoxID()
	a, c, fresh := b.Box(one), b.Box(two), b.New()
	b.Ring(one)
	if !rung(a) || rung(c) || rung(fresh) {
		t.Errorf("Ring(one) rang %v %v %v, want the first alone", rung(a), rung(c), rung(fresh))
	}
	if rung(b.Box(one)) {
		t.Error("a bell asked for after the ring rang")
	}
	b.RingAll()
	if !rung(c) || rung(fresh) {
		t.Error("RingAll did not ring the second box alone")
	}
	b.Came()
	if !rung(fresh) {
		t.Error("Came did not ring")
	}
}
