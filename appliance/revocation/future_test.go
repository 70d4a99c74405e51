package revocation_test

import (
	"errors"
	"testing"
	"time"

	"kazashi.example/appliance/revocation"
	"kazashi.example/sync/record"
)

// P7, P8: a set from the future gives way to a right one of a newer number, by a checked clock and beyond its tolerance alone; nothing of it
// stays, or it would raise the clock's floor again at the next start.
func TestP7ASetFromTheFutureGivesWay(t *testing.T) {
	const ahead = 30 * 24 * time.Hour // of the set after the first
	for _, k := range []struct {
		name  string
		now   time.Time
		knows record.Confidence
		want  error
	}{
		{"by a checked clock", day.Add(ahead - 2*time.Minute - time.Second), record.ConfidenceChecked, nil},
		{"as far ahead as two clocks may be apart", day.Add(ahead - 2*time.Minute), record.ConfidenceChecked, revocation.ErrBackwards},
		{"by a clock that nobody checked", day, record.ConfidenceFloor, revocation.ErrBackwards},
		{"by one that knows nothing", day, record.ConfidenceNone, revocation.ErrBackwards},
	} {
		t.Run(k.name, func(t *testing.T) {
			w := newWorld(t, 0)
			w.now = func() (time.Time, record.Confidence) { return k.now, k.knows }
			w.open()
			must(t, w.load(false, w.publish(1)))
			must(t, w.load(false, w.publish(30)))
			future := w.All[1].Name()
			if err := w.load(false, w.publish(2)); !errors.Is(err, k.want) {
				t.Fatalf("Load = %v, want %v", err, k.want)
			}
			w.learn = nil
			w.open()
			if k.want != nil {
				w.holds("the one from the future", 2)
				return
			}
			w.holds("the right one", 3)
			for _, at := range w.learn {
				if at.After(k.now) {
					t.Errorf("after a start the clock learns %v of %s, which is from the future", at, future)
				}
			}
			w.folder(w.All[0].Name()+".manifest", w.All[0].Name()+".set", w.All[2].Name()+".manifest", w.All[2].Name()+".set")
			must(t, w.load(false, w.publish(3)))
			w.holds("and the next", 4)
		})
	}
}
