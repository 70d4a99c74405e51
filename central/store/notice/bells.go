package notice

import "kazashi.example/sync/record"

// Bells are central's: one for each box, one for any of them, and one for records that came. The zero value is ready.
type Bells struct {
	boxes Board[record.BoxID]
	any   Board[struct{}]
	fresh Board[struct{}]
}

// New is closed when records came since it was asked for.
func (b *Bells) New() <-chan struct{} { return b.fresh.Watch(struct{}{}) }

// Came says that records came.
func (b *Bells) Came() { b.fresh.Tell(struct{}{}) }

// Box is closed when there is something for a box since it was asked for.
func (b *Bells) Box(id record.BoxID) <-chan struct{} { return b.boxes.Watch(id) }

// Ring says that there is something for a box.
func (b *Bells) Ring(id record.BoxID) {
	b.boxes.Tell(id)
	b.any.Tell(struct{}{})
}

// Any is closed when there is something for any box since it was asked for.
func (b *Bells) Any() <-chan struct{} { return b.any.Watch(struct{}{}) }

// RingAll says that there is something for every box: a rule set, a list, a backup.
func (b *Bells) RingAll() {
	b.boxes.TellAll()
	b.any.Tell(struct{}{})
}
